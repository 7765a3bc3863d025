// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/callfleet/callfleet/controllers/caching"
)

// Manager is a running manager whose writes can be read.
type Manager struct {
	ctrl.Manager
	// Writes are the changes it asked the API server for, events and leases left out.
	Writes *Writes

	stop func()
}

// Stop ends the manager and waits for it; the end of the test does the same.
func (m *Manager) Stop() { m.stop() }

// StartManager starts a manager that sees one namespace ("" for all) through the cache cmd/manager uses, with the
// controllers that setups add, and waits until its caches are filled. It ends with the test.
func (c *Cluster) StartManager(t testing.TB, namespace string, setups ...func(ctrl.Manager) error) *Manager {
	t.Helper()
	return c.StartManagerAs(t, c.Config, namespace, setups...)
}

// StartManagerAs is StartManager with another user's access.
func (c *Cluster) StartManagerAs(t testing.TB, access *rest.Config, namespace string, setups ...func(ctrl.Manager) error) *Manager {
	t.Helper()
	writes := &Writes{}
	options := ctrl.Options{
		Scheme:                  Scheme(),
		Client:                  caching.ClientOptions(),
		Logger:                  Log(t),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		GracefulShutdownTimeout: ptr.To(20 * time.Second),
		// Controllers of one name are started by several tests of one process.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	}
	options.Cache = caching.Options()
	if namespace != "" {
		options.Cache = caching.Options(namespace)
	}
	mgr, err := ctrl.NewManager(writes.Record(access), options)
	if err != nil {
		t.Fatalf("making a manager: %v", err)
	}
	for _, setup := range setups {
		if err := setup(mgr); err != nil {
			t.Fatalf("setting up a controller: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the manager ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	synced, giveUp := context.WithTimeout(ctx, Patience)
	defer giveUp()
	if !mgr.GetCache().WaitForCacheSync(synced) {
		t.Fatalf("the manager's caches were not filled within %s", Patience)
	}
	return &Manager{Manager: mgr, Writes: writes, stop: stop}
}

// Writes records what a client asked the API server to change.
type Writes struct {
	mu   sync.Mutex
	list []string
}

// Record gives access that is recorded here.
func (w *Writes) Record(access *rest.Config) *rest.Config {
	recorded := rest.CopyConfig(access)
	recorded.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet && !isBookkeeping(r.URL.Path) {
				w.mu.Lock()
				w.list = append(w.list, r.Method+" "+resourcePath(r.URL.Path))
				w.mu.Unlock()
			}
			return next.RoundTrip(r)
		})
	})
	return recorded
}

// List gives the writes so far, such as "PATCH callingbots/reception/status".
func (w *Writes) List() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.list...)
}

// Len counts the writes so far.
func (w *Writes) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list)
}

// AwaitQuiet waits until nothing was written for the period and gives the number of writes then. It is how a test
// knows that the controllers have come to rest.
func (w *Writes) AwaitQuiet(t testing.TB, period time.Duration) int {
	t.Helper()
	last, since := w.Len(), time.Now()
	Eventually(t, fmt.Sprintf("no write for %s", period), func() error {
		if n := w.Len(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < period {
			list := w.List()
			return fmt.Errorf("%d writes, the last ones: %v", len(list), list[max(0, len(list)-10):])
		}
		return nil
	})
	return last
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// isBookkeeping reports whether a path is about events or leases, which say nothing about convergence.
func isBookkeeping(path string) bool {
	return strings.Contains(path, "/events") || strings.Contains(path, "/leases")
}

// resourcePath is a request's path from the resource's name on.
func resourcePath(path string) string {
	_, rest, found := strings.Cut(path, "/namespaces/")
	if !found {
		return path
	}
	_, rest, found = strings.Cut(rest, "/")
	if !found {
		return path
	}
	return rest
}
