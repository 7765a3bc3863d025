// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	dto "github.com/prometheus/client_model/go"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
)

// counter reads one value of the engine's metrics.
func counter(t testing.TB, u *engineUnderTest, name, label, value string) float64 {
	t.Helper()
	families, err := u.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label && l.GetValue() == value {
					return valueOf(m)
				}
			}
		}
	}
	return 0
}

func valueOf(m *dto.Metric) float64 { return m.GetCounter().GetValue() + m.GetGauge().GetValue() }

func TestRenewedCertificateIsPickedUp(t *testing.T) {
	u := serve(t)
	old := u.roots.Load()
	u.request(t, "OPTIONS", u.origin()+"/whip/x", "", nil)
	u.renew(t)
	u.request(t, "OPTIONS", u.origin()+"/whip/x", "", nil) // trusts only the new one

	_, err := tls.Dial("tcp", u.Addr().String(), &tls.Config{RootCAs: old})
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) {
		t.Errorf("the old certificate is still served: %v", err)
	}
	if _, err := tls.Dial("tcp", u.Addr().String(), &tls.Config{RootCAs: u.roots.Load(), MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestMetrics(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "secret-call-id", Behavior: Behavior{Echo: true}})
	f := newFarSide(t, u, codec.G722).call(call)
	f.speak(recordingOf(t, "prompt.wav")[:16000])
	eventually(t, time.Second, "fifty packets back", func() bool { return f.count() >= 50 })

	check := func(connected float64) {
		t.Helper()
		for _, m := range []struct {
			name, label, value string
			want               float64
		}{
			{"callfleet_media_calls", "state", "Connected", connected},
			{"callfleet_media_packets_total", "direction", "in", 50},
			{"callfleet_media_packets_total", "direction", "out", 50},
			{"callfleet_media_bytes_total", "direction", "in", 50 * 172},
			{"callfleet_media_bytes_total", "direction", "out", 50 * 172},
		} {
			if got := counter(t, u, m.name, m.label, m.value); got != m.want {
				t.Errorf("%s{%s=%q} is %v, want %v", m.name, m.label, m.value, got, m.want)
			}
		}
	}
	check(1)
	call.Close()
	check(0) // what was counted stays
	families, err := u.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if s := family.String(); strings.Contains(s, "secret-call-id") {
			t.Errorf("a call's id is in the metrics: %s", s)
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	u := serve(t)
	clip := wav.Clip{SampleRate: 16000, Samples: recordingOf(t, "prompt.wav")}
	behaviors := []Behavior{{}, {Echo: true}, {Play: &Play{Clip: clip, Loop: true}}}
	var sides []*farSide
	for i, b := range behaviors {
		call := newCall(t, u, CallOptions{ID: string(rune('a' + i)), Behavior: b})
		f := newFarSide(t, u, codec.G722).call(call)
		sides = append(sides, f)
		f.speak(clip.Samples[:8000])
	}
	newCall(t, u, CallOptions{ID: "never-answered"})
	u.stop()
	if _, err := u.NewCall(CallOptions{ID: "late"}); err == nil {
		t.Error("a closed engine takes calls")
	}
	for _, f := range sides {
		_ = f.pc.GracefulClose()
	}
	defer func() {
		if t.Failed() {
			buf := make([]byte, 1<<20)
			t.Logf("%s", buf[:runtime.Stack(buf, true)])
		}
	}()
	eventually(t, 5*time.Second, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= before })

	// The ports are free again.
	again, err := New(Config{BindAddr: u.Addr().Addr(), Port: u.Addr().Port(), GetCertificate: u.cfg.GetCertificate, Log: logr.Discard(), Registerer: u.registry})
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

func TestTokensAreNotLogged(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	log := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, prefix+args)
	}, funcr.Options{Verbosity: 10})
	u := serve(t, func(c *Config) { c.Log = log })
	call := newCall(t, u, CallOptions{ID: "logged", Behavior: Behavior{Echo: true}})
	_, token := call.Endpoint()
	f := newFarSide(t, u, codec.G722).call(call)
	u.request(t, "DELETE", f.location+"x", "", bearer(token))
	call.Close()
	u.stop()
	mu.Lock()
	defer mu.Unlock()
	if len(lines) == 0 {
		t.Error("nothing is logged at all")
	}
	for _, l := range lines {
		if strings.Contains(l, token) {
			t.Errorf("the token is logged: %s", l)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	local := netip.MustParseAddr("127.0.0.1")
	tests := map[string]struct {
		cfg  Config
		says string
	}{
		"no address":      {Config{GetCertificate: certificate}, "no address"},
		"every address":   {Config{BindAddr: netip.IPv4Unspecified(), GetCertificate: certificate}, "not one address"},
		"no certificate":  {Config{BindAddr: local}, "no certificate"},
		"a mapped port":   {Config{BindAddr: local, GetCertificate: certificate, PublicPort: 1}, "make the two equal"},
		"another family":  {Config{BindAddr: local, GetCertificate: certificate, PublicIP: netip.MustParseAddr("2001:db8::1")}, "same family"},
		"a port in use":   {Config{BindAddr: local, GetCertificate: certificate, Port: serve(t).Addr().Port()}, "address already in use"},
		"not our address": {Config{BindAddr: netip.MustParseAddr("192.0.2.1"), GetCertificate: certificate}, "opening the media ports"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := New(tc.cfg)
			if err == nil {
				e.close()
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}

func TestCallsAreChecked(t *testing.T) {
	u := serve(t)
	newCall(t, u, CallOptions{ID: "taken"})
	clip := wav.Clip{SampleRate: 16000, Samples: make([]int16, 320)}
	for name, o := range map[string]CallOptions{
		"no id":          {},
		"a path":         {ID: "a/b"},
		"dots":           {ID: ".."},
		"too long":       {ID: strings.Repeat("a", 129)},
		"taken":          {ID: "taken"},
		"echo and play":  {ID: "x", Behavior: Behavior{Echo: true, Play: &Play{Clip: clip}}},
		"an empty clip":  {ID: "x", Behavior: Behavior{Play: &Play{Clip: wav.Clip{SampleRate: 16000}}}},
		"a clip of none": {ID: "x", Behavior: Behavior{Play: &Play{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := u.NewCall(o); err == nil {
				t.Error("it is taken")
			}
		})
	}
}

func TestPublicAddress(t *testing.T) {
	u := serve(t, func(c *Config) { c.PublicHost = "media.example.com" })
	call := newCall(t, u, CallOptions{ID: "public"})
	host := func() string { url, _ := call.Endpoint(); return strings.TrimPrefix(url, "https://") }
	port := u.Addr().String()[len("127.0.0.1"):]
	if got, want := host(), "media.example.com"+port+"/whip/public"; got != want {
		t.Errorf("endpoint %s, want %s", got, want)
	}
	if err := u.SetPublic("pod-0.example.com", netip.MustParseAddr("203.0.113.7"), 0); err != nil {
		t.Fatal(err)
	}
	if got, want := host(), "pod-0.example.com"+port+"/whip/public"; got != want {
		t.Errorf("endpoint %s, want %s", got, want)
	}
	if err := u.SetPublic("wrong.example.com", netip.MustParseAddr("203.0.113.8"), 1); err == nil {
		t.Error("a port that is mapped was taken")
	}
	_, token := call.Endpoint()
	f := newFarSide(t, u, codec.G722)
	resp, answer := u.request(t, http.MethodPost, u.origin()+"/whip/public", f.offer(nil), bearer(token))
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", resp.Status, answer)
	}
	if !strings.Contains(answer, " 203.0.113.7 "+port[1:]+" typ host") || strings.Contains(answer, " 127.0.0.1 ") {
		t.Errorf("candidates of\n%s", answer)
	}
}

// Pods of a development cluster have loopback addresses each of its own, and a
// cluster may be of IPv6.
func TestEveryLocalAddressWorks(t *testing.T) {
	for _, addr := range []string{"127.64.3.5", "::1"} {
		t.Run(addr, func(t *testing.T) {
			if l, err := net.Listen("tcp", net.JoinHostPort(addr, "0")); err != nil {
				t.Skipf("this machine has no %s: %v", addr, err)
			} else {
				_ = l.Close()
			}
			u := serve(t, func(c *Config) { c.BindAddr = netip.MustParseAddr(addr) })
			if got := u.Addr().Addr().String(); got != addr {
				t.Fatalf("bound to %s", got)
			}
			call := newCall(t, u, CallOptions{ID: "local"})
			newFarSide(t, u, codec.G722).call(call)
			eventually(t, time.Second, "connected", func() bool { return call.State() == StateConnected })
		})
	}
}
