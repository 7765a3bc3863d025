// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/bridge"
	"github.com/callfleet/callfleet/mediapod/bridge/bridgetest"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/teamsim/whip"
)

const podName = "0.reception.media.contoso.com"

func newTestPlatform(t *testing.T) (*platform, *bridgetest.Bridge) {
	t.Helper()
	b := bridgetest.Start(t)
	config := &callfleetv1.FleetConfig{
		Identity: callfleetv1.BotIdentity{AppID: controllertest.AppID, Cloud: callfleetv1.CloudPublic},
		Media:    callfleetv1.Media{PlatformPorts: &callfleetv1.PortRange{From: 50000, To: 50499}},
	}
	own, _ := certificateFor(t, podName)
	shown := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil }
	return newPlatform(bridge.New(b.Port()), config, 28550, shown, clock.RealClock{}, testr.New(t)), b
}

// TestThePlatformIsAskedForAndTold: what the process says of itself follows what the bridge says of its platform.
func TestThePlatformIsAskedForAndTold(t *testing.T) {
	p, b := newTestPlatform(t)
	turned := func() bool {
		select {
		case <-p.turned:
			return true
		default:
			return false
		}
	}
	look := func(problem string, health media.Health, news bool) {
		t.Helper()
		p.look(t.Context())
		if why := p.problem(); problem == "" && why != "" || !strings.Contains(why, problem) {
			t.Errorf("problem %q, want %q", why, problem)
		}
		if got := p.health(); got != health {
			t.Errorf("health %s, want %s", got, health)
		}
		if got := turned(); got != news {
			t.Errorf("told of a change: %t, want %t", got, news)
		}
	}
	look("address is not known", media.Normal, false)
	if b.Settings() != nil {
		t.Error("the bridge is asked before there is anything to tell it")
	}
	p.moved(&callfleetv1.Endpoint{Host: "20.0.0.4", Address: "20.0.0.4", Port: 28550})
	look("set media.endpoint.domain", media.Normal, true)
	p.moved(&callfleetv1.Endpoint{Host: podName, Address: "20.0.0.4", Port: 28550})
	b.Set("Starting", "", "it loads")
	look("is starting: it loads", media.Normal, true)
	b.Set("Ready", "Normal", "")
	look("", media.Normal, true)
	look("", media.Normal, false)
	s := b.Settings()
	if s["serviceFqdn"] != podName || s["instancePublicIPAddress"] != "20.0.0.4" || s["instanceInternalPort"] != 28550.0 || s["applicationId"] != controllertest.AppID {
		t.Errorf("settings %v", s)
	}
	if ports, _ := s["mediaPortRange"].(map[string]any); ports["from"] != 50000.0 || ports["to"] != 50499.0 {
		t.Errorf("media ports %v", s["mediaPortRange"])
	}
	b.Set("Ready", "HeavilyLoaded", "")
	look("", media.HeavilyLoaded, false)
	b.Set("Ready", "Overloaded", "")
	look("", media.Overloaded, false)
	if got := (platformEngine{&ears{}, p}).Health(); got != media.Overloaded {
		t.Errorf("the engine beside an overloaded platform is %s", got)
	}
	b.Set("Failed", "", "no certificate")
	look("has failed: no certificate", media.Normal, true)
	b.Stop()
	look("does not answer", media.Normal, true)
}

// TestAPlatformIsHandedTheCertificate that the pod has, and a renewed one when there is one: a bridge that starts anew takes it.
func TestAPlatformIsHandedTheCertificate(t *testing.T) {
	p, b := newTestPlatform(t)
	first, _ := certificateFor(t, podName)
	second, _ := certificateFor(t, podName)
	own, problem := first, error(nil)
	p.certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, problem }
	p.moved(&callfleetv1.Endpoint{Host: podName, Address: "20.0.0.4", Port: 28550})
	handed := func() map[string]any {
		t.Helper()
		p.look(t.Context())
		if why := p.problem(); why != "" {
			t.Fatal(why)
		}
		return b.Settings()["certificate"].(map[string]any)
	}
	before := handed()
	if want := fmt.Sprintf("%X", sha1.Sum(first.Certificate[0])); before["thumbprint"] != want || before["password"] == "" {
		t.Errorf("thumbprint %v, want %s; password %v", before["thumbprint"], want, before["password"])
	}
	if again := handed(); again["pfx"] != before["pfx"] {
		t.Error("it is made anew each second")
	}
	own = second
	if after := handed(); after["thumbprint"] != fmt.Sprintf("%X", sha1.Sum(second.Certificate[0])) || after["pfx"] == before["pfx"] {
		t.Errorf("after the renewal it is handed %v", after["thumbprint"])
	}
	problem = errors.New("the disk is away")
	if p.look(t.Context()); !strings.Contains(p.problem(), "cannot be handed to the media platform: the disk is away") {
		t.Errorf("problem %q", p.problem())
	}
}

// TestAPodIsReadyWithItsPlatform, and again not.
func TestAPodIsReadyWithItsPlatform(t *testing.T) {
	why, again := "the platform is starting", make(chan struct{}, 1)
	w := warmth{
		credential: &login{}, scope: graph.Public.Scope(), keys: &keys{}, unreachable: func() string { return "" }, clock: clock.RealClock{},
		platform: func() string { return why }, again: again,
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan health)
	go w.run(ctx, func(h health) { told <- h })
	for _, want := range []health{
		{reason: callfleetv1.ReasonPlatformNotReady, message: "the platform is starting"}, {ready: true, reason: callfleetv1.ReasonReady},
		{reason: callfleetv1.ReasonPlatformNotReady, message: "it has failed"},
	} {
		if got := <-told; got != want {
			t.Errorf("health %+v, want %+v", got, want)
		}
		// The next look is not for a second, or a minute, unless it is told.
		if why = "it has failed"; !want.ready {
			why = ""
		}
		wake(again)
	}
}

// TestCallsHaveTheirPlaceAtThePlatform: the ones that are made and the ones that come in get its blob, and it hears of their ends.
func TestCallsHaveTheirPlaceAtThePlatform(t *testing.T) {
	t.Run("a meeting", func(t *testing.T) {
		b := newBench(t, 20)
		p, played := newTestPlatform(t)
		p.moved(&callfleetv1.Endpoint{Host: podName, Address: "20.0.0.4", Port: 28550})
		b.agent.mu.Lock()
		b.agent.platform = p
		b.agent.mu.Unlock()
		s := b.bind(b.session("live"))
		b.awaitSession(s, "Established", established)
		uid := string(s.UID)
		if call := played.Calls()[uid]; call.WHIP.Token != "token" || call.WHIP.URL != "https://192.0.2.1:8445/whip/x" || call.WHIP.ServerName != podName || !slices.Equal(call.Modalities, []string{"Audio"}) {
			t.Errorf("the bridge was asked for %+v", call)
		}
		b.service.mu.Lock()
		blob := b.service.joins[0].Blob
		b.service.mu.Unlock()
		if blob != bridgetest.Blob(uid) {
			t.Errorf("blob %q", blob)
		}
		b.update(s, func(s *callfleetv1.MeetingSession) { s.Spec.DesiredState = callfleetv1.DesiredEnded })
		await(t, "the bridge to hear of the end", func() bool { return slices.Equal(played.Closed(), []string{uid}) })

		played.Refuse("the platform is overloaded")
		st := b.awaitSession(b.bind(b.session("refused")), "its end", endedWith(callfleetv1.EndServiceError))
		if !st.Call.End.Retryable || !strings.Contains(st.Call.End.Message, "the platform is overloaded") {
			t.Errorf("end %+v", st.Call.End)
		}
	})
	t.Run("one that comes in", func(t *testing.T) {
		a, calls := seat(t, &memory{}, withRules(answerAll))
		p, played := newTestPlatform(t)
		a.platform = p
		p.moved(&callfleetv1.Endpoint{Host: podName, Address: "20.0.0.4", Port: 28550})
		in := ring("call-7")
		d := a.incoming(in)
		if d.Answer == nil || d.Answer.Blob != "" || d.Answer.Locate == nil {
			t.Fatalf("decision %+v", d.Answer)
		}
		if len(played.Calls()) != 0 {
			t.Error("deciding about a call waited for the bridge")
		}
		uid := d.Answer.UID
		if blob, err := d.Answer.Locate(t.Context()); err != nil || blob != bridgetest.Blob(uid) {
			t.Errorf("blob %q, error %v", blob, err)
		}
		call := calls.answer(in, d)
		a.mu.Lock()
		r := a.runners[uid]
		a.mu.Unlock()
		r.starts <- call
		call.establishAnswered()
		call.end(signaling.End{Reason: signaling.EndRemoteHungUp})
		await(t, "the bridge to hear of the end", func() bool { return slices.Equal(played.Closed(), []string{uid}) })
	})
}

// TestABridgeConnectsToTheEngine: with nothing but what it is asked, a bridge on the pod's own address has the call's media, WebRTC
// both ways, and checks the certificate of the pod's public name.
func TestABridgeConnectsToTheEngine(t *testing.T) {
	certificate, roots := certificateFor(t, podName)
	engine, err := media.New(media.Config{
		BindAddr: netip.MustParseAddr("127.0.0.1"), Log: logr.Discard(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- engine.Serve(serving) }()
	defer func() { stop(); <-served }()

	p, played := newTestPlatform(t)
	p.moved(&callfleetv1.Endpoint{Host: podName, Address: "20.0.0.4", Port: 28550})
	connected := make(chan *whip.Leg, 1)
	played.OnCall(func(_ string, c bridgetest.Call) {
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: c.WHIP.ServerName}}}
		leg, err := whip.Dial(t.Context(), whip.Config{MPURI: c.WHIP.URL, Token: c.WHIP.Token, HTTP: web, Log: logr.Discard()})
		if err != nil {
			t.Errorf("the bridge cannot connect: %v", err)
			close(connected)
			return
		}
		<-leg.Connected()
		connected <- leg
	})
	sound, err := engineCalls{engine}.NewCall(media.CallOptions{ID: "c1", Behavior: media.Behavior{Echo: true}})
	if err != nil {
		t.Fatal(err)
	}
	held, locate := p.open("c1", sound, []graph.Modality{graph.ModalityAudio})
	if _, err := locate(t.Context()); err != nil {
		t.Fatal(err)
	}
	leg := <-connected
	if leg == nil {
		t.FailNow()
	}
	defer leg.Close()
	await(t, "the engine to have its far side", func() bool { return held.State() == media.StateConnected })
	held.Close()
	if !slices.Equal(played.Closed(), []string{"c1"}) {
		t.Errorf("the bridge heard of the ends of %v", played.Closed())
	}
}

// certificateFor makes a certificate of a name, and the roots that vouch for it.
func certificateFor(t *testing.T, name string) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}
