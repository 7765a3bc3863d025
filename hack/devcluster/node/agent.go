// SPDX-License-Identifier: Apache-2.0

// Package node is a local node agent: it does for one node what kubelet,
// kube-proxy and a network plug-in do, except that the containers of its pods
// are host processes of the user who runs it.
package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

	"github.com/callfleet/callfleet/hack/devcluster/forward"
	"github.com/callfleet/callfleet/hack/devcluster/pki"
)

// Config configures an Agent.
type Config struct {
	Name string     // of the node
	IP   netip.Addr // of the node; host ports are there
	Dir  string     // the files of pods
	// Logs is where the output of containers is kept.
	Logs string
	// Client talks to the API server as system:node:<Name>.
	Client *rest.Config
	// Cloud, if set, may write the status of Services: those of type
	// LoadBalancer get an address then.
	Cloud *rest.Config
	// CA is the cluster's authority: it signs the agent's serving certificate,
	// and callers of the agent show certificates of it. CAPath is its file,
	// which kubeconfigs of pods refer to.
	CA     *pki.CA
	CAPath string
	// KubeletPort is where the API server asks for logs.
	KubeletPort int
	PodCIDR     netip.Prefix
	// Version is the Kubernetes version the node reports.
	Version string
	// Image returns the host binary that runs for an image.
	Image func(name string) (path string, ok bool)
	// BackOff is the delay before the second restart of a container that
	// crashes; it doubles from then on. Zero: 10 s, as kubelet.
	BackOff time.Duration
	Log     logr.Logger
}

// maxBackOff is the longest delay between restarts, as kubelet has it.
const maxBackOff = 5 * time.Minute

// Agent runs the pods of one node.
type Agent struct {
	cfg       Config
	client    kubernetes.Interface
	cloud     kubernetes.Interface // nil: there is none
	events    record.EventRecorder
	objects   *objects
	addresses *addresses
	status    *publisher
	forwarder *forward.Forwarder
	services  *services

	mu      sync.Mutex
	workers map[types.UID]*worker
	pods    map[types.UID]*corev1.Pod // as last seen, for logs and Services
	synced  bool
	wg      sync.WaitGroup // workers

	stopping chan struct{} // closed when the agent ends
}

// New returns an agent that does nothing yet.
func New(cfg Config) (*Agent, error) {
	if cfg.BackOff == 0 {
		cfg.BackOff = 10 * time.Second
	}
	for _, dir := range []string{cfg.Dir, cfg.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("preparing the node agent: %w", err)
		}
	}
	client, err := kubernetes.NewForConfig(cfg.Client)
	if err != nil {
		return nil, fmt.Errorf("making the node agent's client: %w", err)
	}
	a := &Agent{
		cfg: cfg, client: client,
		objects:   newObjects(client),
		addresses: newAddresses(cfg.PodCIDR),
		workers:   map[types.UID]*worker{},
		pods:      map[types.UID]*corev1.Pod{},
		stopping:  make(chan struct{}),
	}
	a.status = newPublisher(client, cfg.Log)
	if cfg.Cloud != nil {
		if a.cloud, err = kubernetes.NewForConfig(cfg.Cloud); err != nil {
			return nil, fmt.Errorf("making the cloud's client: %w", err)
		}
	}
	a.services = newServices(a)
	a.forwarder = forward.New(forward.Config{Log: cfg.Log, Failed: a.services.failed})
	return a, nil
}

// Run runs the agent until ctx is done; then it kills the processes of its
// pods and returns. The pods themselves stay: the next agent starts them anew.
// ready is called once the node is Ready.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	if err := a.killLeftovers(ctx); err != nil {
		return err
	}
	stopEvents := a.startEvents()
	defer stopEvents()
	logs, err := a.newServer()
	if err != nil {
		return err
	}

	background, ctx := errgroup.WithContext(ctx)
	background.Go(func() error { return logs.serve(ctx) })
	background.Go(func() error { a.status.run(ctx); return nil })
	background.Go(func() error { a.heartbeat(ctx, ready); return nil })
	background.Go(func() error { a.watchPods(ctx); return nil })
	background.Go(func() error { a.services.run(ctx); return nil })
	err = background.Wait()

	// Nobody starts workers any more.
	close(a.stopping)
	a.wg.Wait()
	a.forwarder.Close()
	return err
}

// killLeftovers ends processes of an earlier agent that was killed where the
// system does not end them by itself.
func (a *Agent) killLeftovers(ctx context.Context) error {
	pidFiles, err := filepath.Glob(filepath.Join(a.cfg.Dir, "*", "containers", "*", "pid"))
	if err != nil {
		return fmt.Errorf("looking for processes left behind: %w", err)
	}
	var errs []error
	for _, path := range pidFiles {
		if process, ok := findProcess(path); ok {
			a.cfg.Log.Info("killing a process left by an earlier agent", "pid", process.PID)
			errs = append(errs, process.Stop(ctx, 0))
		}
	}
	return errors.Join(errs...)
}

// podSet replaces all pods, after a list.
func (a *Agent) podSet(pods []*corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[types.UID]bool{}
	for _, pod := range pods {
		seen[pod.UID] = true
		if !pod.Spec.HostNetwork {
			// A pod keeps its address when the agent restarts.
			a.addresses.reserve(pod.UID, pod.Status.PodIP)
		}
	}
	for uid := range a.pods {
		if !seen[uid] {
			a.forgetLocked(uid)
		}
	}
	if !a.synced {
		a.synced = true
		a.removeStaleDirs(seen)
	}
	for _, pod := range pods {
		a.upsertLocked(pod)
	}
	a.services.changed()
}

func (a *Agent) podUpserted(pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.upsertLocked(pod)
	a.services.changed()
}

func (a *Agent) podDeleted(pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(pod.UID)
	a.services.changed()
}

func (a *Agent) upsertLocked(pod *corev1.Pod) {
	a.pods[pod.UID] = pod
	w, ok := a.workers[pod.UID]
	if !ok {
		if isTerminal(pod) {
			return // it ran under an earlier agent; nothing is left to do
		}
		w = a.newWorker(pod)
		a.workers[pod.UID] = w
		a.wg.Go(func() {
			w.run()
			a.workerDone(w)
		})
	}
	w.update(pod)
}

func (a *Agent) forgetLocked(uid types.UID) {
	delete(a.pods, uid)
	if w, ok := a.workers[uid]; ok {
		w.remove()
	} else {
		a.addresses.release(uid)
	}
}

// workerDone is called when the processes of a pod are gone for good, or the
// agent ends.
func (a *Agent) workerDone(w *worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !w.removed.Load() {
		return // the agent ends; files and address are the next agent's
	}
	delete(a.workers, w.uid)
	a.addresses.release(w.uid)
	if err := os.RemoveAll(w.dir); err != nil {
		a.cfg.Log.Error(err, "cannot remove the files of a pod", "dir", w.dir)
	}
}

// removeStaleDirs removes the files of pods that were deleted while no agent ran.
func (a *Agent) removeStaleDirs(known map[types.UID]bool) {
	entries, err := os.ReadDir(a.cfg.Dir)
	if err != nil {
		a.cfg.Log.Error(err, "cannot look for files of deleted pods")
		return
	}
	for _, e := range entries {
		if !known[types.UID(e.Name())] {
			if err := os.RemoveAll(filepath.Join(a.cfg.Dir, e.Name())); err != nil {
				a.cfg.Log.Error(err, "cannot remove the files of a deleted pod")
			}
		}
	}
}

func isTerminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
