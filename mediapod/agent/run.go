// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// stopMargin is kept from the grace period for hanging up and for the last words.
const stopMargin = 15 * time.Second

// maxRetryDelay leaves longer waits to signalling, which knows how long a join may take.
const maxRetryDelay = 5 * time.Second

// Run is the life of a media pod process: it serves until ctx is done, then takes no new call, waits for the calls it
// has as long as the grace period lets it, hangs up the rest and returns.
func Run(ctx context.Context, cfg Config, kube *rest.Config, log logr.Logger) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// life outlasts ctx: calls go on after the request to stop.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, life := errgroup.WithContext(life)

	probes := &probes{}
	group.Go(func() error { return serveHTTP(life, cfg.listenAddr(cfg.HealthPort), probes.handler(reg)) })

	cl, err := newCluster(kube, cfg.Namespace)
	if err != nil {
		return err
	}
	pod, err := waitForMediaPod(ctx, cl, cfg.MediaPod, log)
	if err != nil {
		return err
	}
	at := surroundings{cfg: cfg, kube: kube, cluster: cl, log: log, metrics: reg}
	if hostingOf(pod) == callfleetv1.HostingApplication {
		cert, err := watchCertificate(cfg, log)
		if err != nil {
			return err
		}
		at.cert = cert.GetCertificate
		group.Go(func() error { return cert.Start(life) })
	}
	p, err := assemble(life, pod, at)
	if err != nil {
		return err
	}
	if p.engine != nil {
		group.Go(func() error { return p.engine.Serve(life) })
	}
	group.Go(func() error { return serveHTTP(life, cfg.listenAddr(cfg.SignalingPort), p.handler(pod)) })
	controlled, err := (&net.ListenConfig{}).Listen(life, "tcp", cfg.listenAddr(cfg.ControlPort))
	if err != nil {
		return fmt.Errorf("listening for control: %w", err)
	}
	group.Go(func() error { return p.control.Serve(life, controlled) })

	group.Go(func() error { cl.followMediaPod(life, cfg.MediaPod, p.podChanged); return nil })
	g := &gate{tell: func(h health) {
		p.agent.setHealth(h)
		if h.ready {
			probes.ready.Store(true)
		}
	}}
	if p.reach != nil {
		g.held = &health{reason: callfleetv1.ReasonNotChecked, message: "the router is asked whether it reaches the media port"}
		group.Go(func() error { p.reach.run(life, g.hold); return nil })
	}
	group.Go(func() error { p.warmth.run(life, g.warmed); return nil })
	group.Go(func() error {
		p.agent.runReports(life, func() {
			for _, k := range kinds {
				group.Go(func() error { cl.follow(life, k, cfg.MediaPod, p.agent); return nil })
			}
		})
		return nil
	})
	group.Go(func() error { cl.followFlows(life, p.agent.flows); return nil })
	group.Go(func() error { p.agent.runRules(life); return nil })
	group.Go(func() error { p.agent.watchLoad(life); return nil })
	group.Go(func() error { p.agent.watchDisk(life); return nil })
	if p.platform != nil {
		group.Go(func() error { p.platform.run(life); return nil })
	}
	group.Go(func() error { p.agent.watchDeadline(life); return nil })
	group.Go(func() error {
		select {
		case <-life.Done(): // a server broke: nothing can be saved
		case <-ctx.Done():
			p.windDown(life, cfg.GracePeriod, log)
		}
		end()
		return nil
	})
	return group.Wait()
}

// watchCertificate loads the certificate of the media port and follows its renewals. Live TLS connections keep the one they
// were made with, so a renewal cuts nothing.
func watchCertificate(cfg Config, log logr.Logger) (*certwatcher.CertWatcher, error) {
	ctrllog.SetLogger(log.WithName("certificates")) // the watcher logs through controller-runtime
	cert, err := certwatcher.New(cfg.mounted(tlsDir, "tls.crt"), cfg.mounted(tlsDir, "tls.key"))
	if err != nil {
		return nil, fmt.Errorf("loading the media certificate: %w", err)
	}
	return cert, nil
}

// windDown is the end of the process: no new calls, those that can go on elsewhere are handed on, the others may finish,
// and the rest is hung up. Recordings are stored as long as there is time.
func (p *parts) windDown(life context.Context, grace time.Duration, log logr.Logger) {
	log.Info("told to stop: no new calls", "grace", grace.String())
	p.agent.stop()
	patient, cancel := context.WithTimeout(life, max(0, grace-stopMargin))
	defer cancel()
	if p.agent.waitIdle(patient) {
		p.agent.uploads.windDown(patient, life)
		return
	}
	log.Info("grace period over: hanging up")
	p.agent.stopCalls()
	last, cancel := context.WithTimeout(life, min(grace, stopMargin))
	defer cancel()
	// What the calls have left to be stored gets most of that, and the word of what could not be the rest.
	storing, cancel := context.WithTimeout(life, min(grace, stopMargin)*2/3)
	defer cancel()
	p.agent.waitIdle(last)
	if err := p.signal.Shutdown(last); err != nil {
		log.Error(err, "not every call was hung up in time")
	}
	p.agent.uploads.windDown(storing, life)
}

// waitForMediaPod reads the object this process belongs to. An API server that is not there yet is waited for.
func waitForMediaPod(ctx context.Context, cl *cluster, name string, log logr.Logger) (*callfleetv1.MediaPod, error) {
	for retry := 100 * time.Millisecond; ; retry = min(2*retry, 5*time.Second) {
		pod, err := cl.getMediaPod(ctx, name)
		if err == nil {
			return pod, nil
		}
		log.Info("the MediaPod cannot be read yet", "name", name, "retryIn", retry.String(), "cause", err.Error())
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reading MediaPod %s: %w", name, err)
		case <-time.After(retry):
		}
	}
}
