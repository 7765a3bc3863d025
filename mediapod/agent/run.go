// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// stopMargin is kept from the grace period for hanging up and for the last words.
const stopMargin = 15 * time.Second

// userAgent identifies the bot to Microsoft's support.
const userAgent = "callfleet"

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
	// The watcher logs through controller-runtime.
	ctrllog.SetLogger(log.WithName("certificates"))
	// Live TLS connections keep the certificate they were made with, so a renewal cuts nothing.
	cert, err := certwatcher.New(cfg.mounted(tlsDir, "tls.crt"), cfg.mounted(tlsDir, "tls.key"))
	if err != nil {
		return fmt.Errorf("loading the media certificate: %w", err)
	}
	group.Go(func() error { return cert.Start(life) })
	p, err := assemble(life, cfg, pod, cl, cert.GetCertificate, log, reg)
	if err != nil {
		return err
	}
	group.Go(func() error { return p.engine.Serve(life) })
	group.Go(func() error { return serveHTTP(life, cfg.listenAddr(cfg.SignalingPort), p.signal.Handler()) })

	group.Go(func() error { cl.followMediaPod(life, cfg.MediaPod, p.podChanged); return nil })
	group.Go(func() error {
		p.warmth.run(life, func(h health) {
			p.agent.setHealth(h)
			if h.ready {
				probes.ready.Store(true)
			}
		})
		return nil
	})
	group.Go(func() error {
		p.agent.runReports(life, func() {
			group.Go(func() error { cl.followSessions(life, cfg.MediaPod, p.agent); return nil })
		})
		return nil
	})
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

// parts is the process put together.
type parts struct {
	agent  *Agent
	engine *media.Engine
	signal *signaling.Server
	warmth warmth
	// addressProblem is why far sides cannot find the pod, "" when they can; nil while there is no address.
	addressProblem atomic.Pointer[string]
}

type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

func assemble(life context.Context, cfg Config, pod *callfleetv1.MediaPod, cl *cluster, cert getCertificate, log logr.Logger, reg prometheus.Registerer) (*parts, error) {
	cloud, err := cloudOf(pod.Spec.Identity)
	if err != nil {
		return nil, err
	}
	web, err := httpClient(cfg.mounted(caDir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	clk := clock.RealClock{}
	credential := newSecretFileCredential(cfg.mounted(credentialsDir, "clientSecret"), pod.Spec.Identity, cloud, web)
	client, err := graph.NewClient(graph.ClientOptions{Cloud: cloud, Credential: credential, Transport: withoutRedirects(web), UserAgent: userAgent, MaxRetryDelay: maxRetryDelay})
	if err != nil {
		return nil, fmt.Errorf("graph client: %w", err)
	}
	verifier, err := signaling.NewVerifier(signaling.VerifierConfig{
		MetadataURL: cloud.OpenIDConfigurationURL, Issuers: cloud.Issuers, Audience: string(pod.Spec.Identity.AppID),
		Tenants: tenantsOf(pod.Spec.Identity), HTTPClient: web, Clock: clk, Log: log.WithName("tokens"), Registerer: reg,
	})
	if err != nil {
		return nil, fmt.Errorf("token verifier: %w", err)
	}
	signal, err := signaling.New(signaling.Config{
		HomeTenant: string(pod.Spec.Identity.TenantID), AllowedTenants: tenantsOf(pod.Spec.Identity)[1:],
		BaseURL:  "https://" + pod.Spec.Signaling.Host + "/" + pod.Namespace + "/" + pod.Spec.BotRef.Name,
		MediaPod: pod.Name, Verifier: verifier, Clock: clk, Log: log.WithName("signaling"), Registerer: reg,
		Graph: func(tenantID string) signaling.GraphAPI { return client.ForTenant(tenantID) },
	})
	if err != nil {
		return nil, fmt.Errorf("signalling: %w", err)
	}
	engine, err := media.New(media.Config{
		BindAddr: cfg.PodIP, Port: cfg.MediaPort, PublicHost: cfg.PodIP.String(),
		GetCertificate: cert, Log: log.WithName("media"), Registerer: reg,
	})
	if err != nil {
		return nil, fmt.Errorf("media engine: %w", err)
	}
	a := newAgent(life, pod.Name, cfg.PodUID, clk, log.WithName("agent"), newMetrics(reg))
	a.sessions, a.pods = cl, cl
	a.calls, a.sound = graphCalls{signal}, engineCalls{engine}
	a.prompts = promptLoader{configMaps: cl, http: web}

	p := &parts{agent: a, engine: engine, signal: signal}
	p.warmth = warmth{credential: credential, scope: cloud.Scope(), keys: verifier, clock: clk, unreachable: p.unreachable}
	p.podChanged(pod)
	return p, nil
}

func tenantsOf(id callfleetv1.BotIdentity) []string {
	tenants := []string{string(id.TenantID)}
	for _, t := range id.AllowedTenants {
		tenants = append(tenants, string(t))
	}
	return tenants
}

// podChanged feeds the newest MediaPod to those who act on it.
func (p *parts) podChanged(pod *callfleetv1.MediaPod) {
	if e := pod.Status.Endpoint; e != nil {
		problem := ""
		if err := p.announce(e); err != nil {
			problem = err.Error()
		}
		p.addressProblem.Store(&problem)
	}
	p.agent.podChanged(pod)
}

func (p *parts) announce(e *callfleetv1.Endpoint) error {
	ip, err := netip.ParseAddr(e.Address)
	if err != nil {
		return fmt.Errorf("the address of the media endpoint cannot be announced: %w", err)
	}
	return p.engine.SetPublic(e.Host, ip, uint16(e.Port))
}

// unreachable is why far sides cannot find the pod, "" when they can.
func (p *parts) unreachable() string {
	if problem := p.addressProblem.Load(); problem != nil {
		return *problem
	}
	return "the public media address is not known yet"
}

// windDown is the end of the process: no new calls, the ones there may finish, the rest is hung up.
func (p *parts) windDown(life context.Context, grace time.Duration, log logr.Logger) {
	log.Info("told to stop: no new calls", "grace", grace.String())
	p.agent.stop()
	patient, cancel := context.WithTimeout(life, max(0, grace-stopMargin))
	defer cancel()
	if p.agent.waitIdle(patient) {
		return
	}
	log.Info("grace period over: hanging up")
	p.agent.stopCalls()
	last, cancel := context.WithTimeout(life, min(grace, stopMargin))
	defer cancel()
	p.agent.waitIdle(last)
	if err := p.signal.Shutdown(last); err != nil {
		log.Error(err, "not every call was hung up in time")
	}
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

// graphCalls and engineCalls let the agent see the real parts through its own small interfaces.
type graphCalls struct{ *signaling.Server }

func (g graphCalls) Join(req signaling.JoinRequest) (signalCall, error) {
	call, err := g.Server.Join(req)
	if err != nil {
		return nil, err
	}
	return call, nil
}

type engineCalls struct{ *media.Engine }

func (e engineCalls) NewCall(o media.CallOptions) (mediaCall, error) {
	call, err := e.Engine.NewCall(o)
	if err != nil {
		return nil, err
	}
	return call, nil
}
