// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/go-logr/logr"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/caching"
	"github.com/callfleet/callfleet/controllers/callflow"
	"github.com/callfleet/callfleet/controllers/fleet"
	"github.com/callfleet/callfleet/controllers/mediapod"
	"github.com/callfleet/callfleet/controllers/preflight"
	"github.com/callfleet/callfleet/controllers/session"
)

const (
	// reconciliationTimeout bounds a pass, so that a request that hangs does not hold a worker.
	reconciliationTimeout = time.Minute
	// shutdownTimeout is within the pod's grace period of 30 s.
	shutdownTimeout = 20 * time.Second
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// run runs the controllers until ctx is done or the lease is lost.
func run(ctx context.Context, o options, log logr.Logger) error {
	ctrl.SetLogger(log)
	klog.SetLogger(log.WithName("client-go"))
	access, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	// Hundreds of calls may begin in one second, and each is two writes. How many requests there are at once is bounded by
	// the controllers' workers, and who has to wait is for the API server to say (config/manager/flowschema.yaml).
	access.QPS = -1
	log.Info("starting", "version", version(), "namespaces", o.namespaces.String(), "mediaPodImage", o.mediaPodImage, "leaderElection", o.leaderElect)
	if err := awaitAPI(ctx, access, log); err != nil {
		return err
	}
	mgr, err := newManager(access, o, log)
	if err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	log.Info("stopped")
	return nil
}

// newManager puts everything together and starts nothing.
func newManager(access *rest.Config, o options, log logr.Logger) (ctrl.Manager, error) {
	lock, err := newLease(access, o)
	if err != nil {
		return nil, err
	}
	hook, err := newWebhook(o)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(access, ctrl.Options{
		Scheme:                              newScheme(),
		WebhookServer:                       hook.server,
		Logger:                              log,
		Cache:                               caching.Options(o.namespaces...),
		Client:                              caching.ClientOptions(),
		Metrics:                             metricsOptions(o),
		HealthProbeBindAddress:              o.healthAddress,
		PprofBindAddress:                    o.pprofAddress,
		LeaderElection:                      o.leaderElect,
		LeaderElectionID:                    leaseName, // what the metric of who leads is labelled with
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &o.leaseDuration,
		RenewDeadline:                       &o.renewDeadline,
		RetryPeriod:                         &o.retryPeriod,
		GracefulShutdownTimeout:             ptr.To(shutdownTimeout),
		Controller: config.Controller{
			// A manager that waits for the lease has its caches filled.
			EnableWarmup:          ptr.To(true),
			ReconciliationTimeout: reconciliationTimeout,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	flows := &callflow.Reconciler{}
	for name, controller := range map[string]interface{ SetupWithManager(ctrl.Manager) error }{
		"fleet":     &fleet.Reconciler{MediaPodRole: o.mediaPodRole},
		"mediapod":  &mediapod.Reconciler{MediaPodImage: o.mediaPodImage},
		"session":   &session.Reconciler{},
		"preflight": &preflight.Reconciler{},
		"callflow":  flows,
	} {
		if err := controller.SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("setting up the %s controller: %w", name, err)
		}
	}
	if err := hook.setup(mgr, flows); err != nil {
		return nil, err
	}
	return mgr, errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("caches", func(r *http.Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
			defer cancel()
			if !mgr.GetCache().WaitForCacheSync(ctx) {
				return errors.New("the cluster has not been seen yet")
			}
			return nil
		}),
	)
}

func newScheme() *apiruntime.Scheme {
	scheme := apiruntime.NewScheme()
	for _, add := range []func(*apiruntime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, certmanagerv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds claim one name: a programming error
		}
	}
	return scheme
}

func metricsOptions(o options) metricsserver.Options {
	m := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure}
	if o.metricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
		// HTTP/2 is off: its resets can be used to exhaust a server (CVE-2023-44487), and metrics do not need it.
		m.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
	}
	return m
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return info.Main.Version + " " + setting.Value
		}
	}
	return info.Main.Version
}
