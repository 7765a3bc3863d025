// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/bridge"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/flow/ask"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/meeting"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/signaling"
	outside "github.com/callfleet/callfleet/mediapod/webhook"
)

// userAgent identifies the bot to Microsoft's support.
const userAgent = "callfleet"

// parts is the process put together.
type parts struct {
	agent   *Agent
	engine  *media.Engine // nil where the service hosts the media
	signal  *signaling.Server
	prompts *prompts.Library
	control *control.Server
	// platform is the media platform beside the process; nil where far sides speak WebRTC.
	platform *platform
	warmth   warmth
	reach    *reacher // nil where nobody probes the media port
	// addressProblem is why far sides cannot find the pod, "" when they can; nil while there is no address.
	addressProblem atomic.Pointer[string]
}

type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// surroundings are what a process is put into.
type surroundings struct {
	cfg     Config
	kube    *rest.Config
	cluster *cluster
	cert    getCertificate // nil where the service hosts the media
	log     logr.Logger
	metrics prometheus.Registerer
}

// baseURL is the bot's public address.
func baseURL(pod *callfleetv1.MediaPod) string {
	return "https://" + pod.Spec.Signaling.Host + "/" + pod.Namespace + "/" + pod.Spec.BotRef.Name
}

func assemble(life context.Context, pod *callfleetv1.MediaPod, at surroundings) (*parts, error) {
	id, clk := pod.Spec.Identity, clock.RealClock{}
	cloud, err := cloudOf(id)
	if err != nil {
		return nil, err
	}
	web, err := httpClient(at.cfg.mounted(caDir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	counts := newMetrics(at.metrics)
	credential := newSecretFileCredential(at.cfg.mounted(credentialsDir, "clientSecret"), id, cloud, logins{web, counts.tokens})
	client, err := graph.NewClient(graph.ClientOptions{
		Cloud: cloud, Credential: credential, Transport: withoutRedirects(web), Observe: counts.asked, UserAgent: userAgent, MaxRetryDelay: maxRetryDelay,
	})
	if err != nil {
		return nil, fmt.Errorf("graph client: %w", err)
	}
	p := &parts{}
	if p.prompts, err = prompts.New(prompts.Config{
		ConfigMaps: at.cluster, HTTP: outside.Guard(web, at.cfg.PodIP), Keys: outside.Keys(at.cfg.mounted(flowsDir, "webhookKey")), MediaPod: pod.Name,
		BaseURL: baseURL(pod), Clock: clk, Log: at.log.WithName("prompts"),
	}); err != nil {
		return nil, err
	}
	a := newAgent(life, pod.Name, at.cfg.PodUID, at.cfg.clock(), at.log.WithName("agent"), counts)
	a.objects, a.pods, a.prompts = at.cluster, at.cluster, p.prompts
	a.meetings = &meeting.Finder{
		Graph: meetingsOf(client, id), Secrets: at.cluster, Account: pod.Spec.BotRef.Name + "-mediapod", Tenants: tenantsOf(id), Clock: clk, Log: a.log,
	}
	p.agent = a
	verifier, err := p.listen(pod, client, cloud, web, at)
	if err != nil {
		return nil, err
	}
	if err := a.keepRecordings(pod, at.cfg); err != nil {
		return nil, err
	}
	p.prepareFlows(pod, web, at)
	if hostingOf(pod) == callfleetv1.HostingApplication {
		if err := p.open(pod, at); err != nil {
			return nil, err
		}
		if pod.Spec.Media.Endpoint.Probed() && at.cfg.BridgePort == 0 { // a bridge has the public port, and its own certificate
			p.probeThrough(pod, web, at)
		}
		if a.listening, err = control.NewListening(at.kube, clk); err != nil {
			return nil, err
		}
	}
	if p.control, err = control.New(control.Config{
		Namespace: pod.Namespace, MediaPod: pod.Name, Calls: heldCalls{a}, Prompts: p.prompts, Kube: at.kube,
		Clock: clk, Log: at.log.WithName("control"), Registerer: at.metrics,
	}); err != nil {
		return nil, err
	}
	p.warmth = warmth{
		credential: credential, scope: cloud.Scope(), tenants: tenantsOf(id)[1:], keys: verifier, clock: clk, log: a.log, unreachable: p.unreachable,
	}
	if p.platform != nil {
		p.warmth.platform, p.warmth.again = p.platform.problem, p.platform.turned
	}
	p.podChanged(pod)
	return p, nil
}

// prepareFlows makes what flows run with.
func (p *parts) prepareFlows(pod *callfleetv1.MediaPod, web *http.Client, at surroundings) {
	a := p.agent
	a.flows = newFlowStore(at.cluster, func() { wake(a.rulesWake) }, a.clock, a.log.WithName("flows"))
	a.sealer = sealer{file: at.cfg.mounted(flowsDir, "stateKey")}
	a.webhooks = ask.New(ask.Config{
		Namespace: pod.Namespace, Bot: pod.Spec.BotRef.Name, HTTP: outside.Guard(web, at.cfg.PodIP), Keys: outside.Keys(at.cfg.mounted(flowsDir, "webhookKey")),
		Clock: clock.RealClock{}, Log: at.log.WithName("webhooks"),
	})
	a.flowSounds = p.prompts.Flows()
	a.clips = engine.NewClips(a.flowSounds, clock.RealClock{}, clipsKept)
}

// listen makes the signalling.
func (p *parts) listen(pod *callfleetv1.MediaPod, client *graph.Client, cloud graph.Cloud, web *http.Client, at surroundings) (*signaling.Verifier, error) {
	id, clk := pod.Spec.Identity, clock.RealClock{}
	verifier, err := signaling.NewVerifier(signaling.VerifierConfig{
		MetadataURL: cloud.OpenIDConfigurationURL, Issuers: cloud.Issuers, Audience: string(id.AppID),
		Tenants: tenantsOf(id), HTTPClient: web, Clock: clk, Log: at.log.WithName("tokens"), Registerer: at.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("token verifier: %w", err)
	}
	cfg := signaling.Config{
		HomeTenant: string(id.TenantID), AllowedTenants: tenantsOf(id)[1:], BaseURL: baseURL(pod), MediaPod: pod.Name,
		Graph: graphOf(client, id), Verifier: verifier,
		Incoming: p.agent.incoming, Full: p.agent.full, Joining: p.agent.joining,
		Clock: at.cfg.clock(), Log: at.log.WithName("signaling"), Registerer: at.metrics,
	}
	if hostingOf(pod) == callfleetv1.HostingService {
		cfg.Orphan = p.agent.orphan
	}
	if p.signal, err = signaling.New(cfg); err != nil {
		return nil, fmt.Errorf("signalling: %w", err)
	}
	p.agent.calls = graphCalls{p.signal}
	return verifier, nil
}

// graphOf is how calls are made with the tokens of a tenant, meetingsOf how meetings are looked up and made.
func graphOf(client *graph.Client, id callfleetv1.BotIdentity) func(string) signaling.GraphAPI {
	of := clientOf(client, id)
	return func(tenant string) signaling.GraphAPI { return of(tenant) }
}

func meetingsOf(client *graph.Client, id callfleetv1.BotIdentity) func(string) meeting.Graph {
	of := clientOf(client, id)
	return func(tenant string) meeting.Graph { return of(tenant) }
}

// clientOf gives the client with the tokens of a tenant. Of a tenant the bot does not serve it gives that of its own.
func clientOf(client *graph.Client, id callfleetv1.BotIdentity) func(string) *graph.Client {
	served := map[string]*graph.Client{strings.ToLower(string(id.TenantID)): client}
	for _, tenant := range tenantsOf(id)[1:] {
		served[strings.ToLower(tenant)] = client.ForTenant(tenant)
	}
	return func(tenant string) *graph.Client {
		if c := served[strings.ToLower(tenant)]; c != nil {
			return c
		}
		return client
	}
}

// open makes the media engine. Beside a media platform, which has the public port, it takes any, as only the bridge comes to it.
func (p *parts) open(pod *callfleetv1.MediaPod, at surroundings) error {
	port := at.cfg.MediaPort
	if port == 0 {
		return errors.New("MEDIA_PORT is not set: a bot whose media is hosting: Application needs it")
	}
	if at.cfg.BridgePort != 0 {
		port = 0
	}
	engine, err := media.New(media.Config{
		BindAddr: at.cfg.PodIP, Port: port, PublicHost: at.cfg.PodIP.String(),
		GetCertificate: at.cert, Health: answerProbes(at.cfg.PodUID), Log: at.log.WithName("media"), Registerer: at.metrics,
	})
	if err != nil {
		return fmt.Errorf("media engine: %w", err)
	}
	p.engine, p.agent.sound = engine, engineCalls{engine}
	p.agent.metrics.certificate(at.cert)
	if at.cfg.BridgePort != 0 {
		p.platform = newPlatform(bridge.New(at.cfg.BridgePort), &pod.Spec.FleetConfig, at.cfg.MediaPort, at.cert, at.cfg.clock(), at.log.WithName("platform"))
		p.agent.platform, p.agent.sound = p.platform, platformEngine{p.agent.sound, p.platform}
	}
	return nil
}

// probeThrough has the router find out whether far sides reach the media port.
func (p *parts) probeThrough(pod *callfleetv1.MediaPod, web *http.Client, at surroundings) {
	p.reach = &reacher{
		web:   withoutRedirects(web),
		where: "https://" + pod.Spec.Signaling.Host + selftest.ReachPath(pod.Namespace, pod.Spec.BotRef.Name, pod.Name),
		known: func() bool { return p.unreachable() == "" }, calls: p.agent.live, clock: at.cfg.clock(), report: p.agent.setMedia,
		facts: func() reachJudge {
			j := reachJudge{podUID: at.cfg.PodUID, endpoint: p.agent.mediaPod().Status.Endpoint, now: time.Now(), roots: trusted(
				at.cfg.mounted(caDir, "ca.crt"), at.cfg.mounted(tlsDir, "ca.crt"))}
			if own, err := at.cert(&tls.ClientHelloInfo{}); err == nil && len(own.Certificate) > 0 {
				j.own = own.Certificate[0]
			}
			return j
		},
	}
}

// handler serves what the router forwards: notifications, and the prompts that the service fetches.
func (p *parts) handler(pod *callfleetv1.MediaPod) http.Handler {
	sounds, notified := "/"+pod.Namespace+"/"+pod.Spec.BotRef.Name+"/prompts/", p.signal.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, sounds) {
			p.prompts.ServeHTTP(w, r)
			return
		}
		notified.ServeHTTP(w, r)
	})
}

// podChanged feeds the newest MediaPod to those who act on it.
func (p *parts) podChanged(pod *callfleetv1.MediaPod) {
	if e := pod.Status.Endpoint; e != nil && p.platform != nil {
		p.platform.moved(e)
	} else if e != nil && p.engine != nil {
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

// unreachable is why far sides cannot find the pod, "" when they can, or need not.
func (p *parts) unreachable() string {
	if p.engine == nil || p.platform != nil {
		return ""
	}
	if problem := p.addressProblem.Load(); problem != nil {
		return *problem
	}
	return "the public media address is not known yet"
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

func (g graphCalls) Adopt(req signaling.AdoptRequest) (signalCall, error) {
	call, err := g.Server.Adopt(req)
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
	return engineCall{call}, nil
}

type engineCall struct{ *media.Call }

func (c engineCall) WatchVideo(s media.VideoSink, f media.VideoFilter) (stop func()) {
	return c.Call.WatchVideo(s, f).Stop
}
