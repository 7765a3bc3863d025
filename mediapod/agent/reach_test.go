// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	probeNonce = "0123456789abcdef"
	probedUID  = "pod-uid"
	probedHost = "3.reception.media.contoso.com"
)

// certificates are an authority and what it signed for a name.
func certificates(t *testing.T, name string) (authority, leaf *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	made := func(template, by *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if by == nil {
			by = template
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	authority = made(&x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true}, nil)
	return authority, made(&x509.Certificate{DNSNames: []string{name}}, authority)
}

func TestWhatTheRouterMeetsIsJudged(t *testing.T) {
	authority, leaf := certificates(t, probedHost)
	_, misnamed := certificates(t, "x.example.com")
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	judge := reachJudge{
		podUID: probedUID, endpoint: &callfleetv1.Endpoint{Host: probedHost, Address: "20.0.0.4", Port: 28553}, own: leaf.Raw, roots: roots, now: time.Now(),
	}
	tests := map[string]struct {
		answer func(*selftest.Reach)
		judge  func(*reachJudge)
		reason string
		holds  string // what the message says
	}{
		"reached":           {func(*selftest.Reach) {}, nil, "Answered", "answered at " + probedHost + ", port 28553 (the name leads to 20.0.0.4)"},
		"not for us":        {func(r *selftest.Reach) { r.Nonce = "x" }, nil, "NotChecked", "something else"},
		"no address yet":    {func(r *selftest.Reach) { r.Hop, r.Detail = selftest.HopAddress, "not known" }, nil, "WaitingForAddress", "not known"},
		"DNS":               {func(r *selftest.Reach) { r.Hop = selftest.HopName }, nil, "NameNotResolved", "have DNS lead it to 20.0.0.4"},
		"connect":           {func(r *selftest.Reach) { r.Hop, r.Detail = selftest.HopConnect, "connection refused" }, nil, "NoAnswer", "connection refused; open the port for TCP and UDP"},
		"TLS":               {func(r *selftest.Reach) { r.Hop = selftest.HopTLS }, nil, "WrongAnswer", "no TLS with"},
		"HTTP":              {func(r *selftest.Reach) { r.Hop, r.Detail = selftest.HopExchange, "it says 404" }, nil, "WrongAnswer", "it says 404"},
		"another pod":       {func(r *selftest.Reach) { r.Proof = selftest.Prove(probeNonce, "other") }, nil, "WrongAnswer", "another media pod answers"},
		"no proof":          {func(r *selftest.Reach) { r.Proof = "" }, nil, "WrongAnswer", "another media pod answers"},
		"TLS ends before":   {func(r *selftest.Reach) { r.Shown[0] = misnamed.Raw }, nil, "UntrustedCertificate", "another certificate than the pod's"},
		"nothing shown":     {func(r *selftest.Reach) { r.Shown = nil }, nil, "UntrustedCertificate", "another certificate than the pod's"},
		"TLS, the name":     {func(r *selftest.Reach) { r.Shown[0] = misnamed.Raw }, func(j *reachJudge) { j.own = misnamed.Raw }, "NameMismatch", "have it issued for " + probedHost},
		"TLS, the chain":    {func(*selftest.Reach) {}, func(j *reachJudge) { j.roots = x509.NewCertPool() }, "UntrustedCertificate", "store the whole chain in tls.crt"},
		"garbage in it":     {func(r *selftest.Reach) { r.Shown = append(r.Shown, []byte("x")) }, nil, "UntrustedCertificate", "cannot be read"},
		"expired meanwhile": {func(*selftest.Reach) {}, func(j *reachJudge) { j.now = time.Now().Add(2 * time.Hour) }, "UntrustedCertificate", "expired"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			answer := selftest.Reach{Nonce: probeNonce, At: "20.0.0.4", Shown: [][]byte{leaf.Raw}, Proof: selftest.Prove(probeNonce, probedUID)}
			j := judge
			tc.answer(&answer)
			if tc.judge != nil {
				tc.judge(&j)
			}
			got := j.judge(probeNonce, answer)
			if got.reason != tc.reason || !strings.Contains(got.message, tc.holds) || got.ok != (tc.reason == "Answered") || got.known != (tc.reason != "NotChecked") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestOneLostProbeHoldsNobody plays probes one after the other. "+" is reached, "-" not, "?" nobody can say; a digit is how
// many calls there are from then on. What is wanted is whether the pod is held after each: "." it is not, "#" it is.
func TestOneLostProbeHoldsNobody(t *testing.T) {
	tests := map[string]struct{ probes, want, reachable string }{
		"reached at once":               {"+", ".", "T"},
		"never reached":                 {"----", "####", "FFFF"},
		"reached in the end":            {"--+", "##.", "FFT"},
		"one lost":                      {"+-+", "...", "TTT"},
		"two lost":                      {"+--+", "....", "TTTT"},
		"lost for good":                 {"+---", "...#", "TTTF"},
		"back again":                    {"+---+", "...#.", "TTTFT"},
		"lost with calls":               {"+2----", ".....", "TTTFF"},
		"lost, and the calls end":       {"+2---0-", "....#", "TTTFF"},
		"nobody can say":                {"????", "##..", "UUUU"},
		"nobody can say any more":       {"+????", ".....", "TTTTT"},
		"doubts do not count as losses": {"+-?-?+", "......", "TTTTTT"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var s reachState
			var held, reachable string
			calls := 0
			for _, c := range tc.probes {
				var r reached
				switch c {
				case '+':
					r = reached{known: true, ok: true, reason: "Answered"}
				case '-':
					r = reached{known: true, reason: "NoAnswer"}
				case '?':
					r = reached{reason: "NotChecked"}
				default:
					calls = int(c - '0')
					continue
				}
				mark := "."
				if s.note(r, calls) != nil {
					mark = "#"
				}
				held += mark
				switch m := s.report(r); {
				case m.Reachable == nil:
					reachable += "U"
				case *m.Reachable:
					reachable += "T"
				default:
					reachable += "F"
				}
			}
			if held != tc.want || reachable != tc.reachable {
				t.Errorf("%s: held %s, reachable %s; want %s, %s", tc.probes, held, reachable, tc.want, tc.reachable)
			}
		})
	}
}

// TestThePodAsksTheRouter: the pod's own answer at its media port, told by a router, opens the gate.
func TestThePodAsksTheRouter(t *testing.T) {
	authority, leaf := certificates(t, probedHost)
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	asked := 0
	router := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		at := httptest.NewRecorder()
		answerProbes(probedUID).ServeHTTP(at, r)
		var said selftest.Answer
		_ = json.NewDecoder(at.Body).Decode(&said)
		_ = json.NewEncoder(w).Encode(selftest.Reach{Nonce: said.Nonce, Shown: [][]byte{leaf.Raw}, Proof: said.Proofs[0]})
	}))
	defer router.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var told []health
	g := &gate{tell: func(h health) {
		if told = append(told, h); h.ready {
			stop()
		}
	}, held: &health{reason: "NotChecked"}}
	g.warmed(health{ready: true, reason: "Ready"})
	var last *callfleetv1.Reachability
	(&reacher{
		web: router.Client(), where: router.URL, known: func() bool { return true }, calls: func() int { return 0 }, clock: clock.RealClock{},
		facts: func() reachJudge {
			return reachJudge{podUID: probedUID, endpoint: &callfleetv1.Endpoint{Host: probedHost, Port: 1}, own: leaf.Raw, roots: roots, now: time.Now()}
		},
		report: func(m *callfleetv1.Reachability) { last = m },
	}).run(ctx, g.hold)
	if len(told) < 3 || told[0].ready || told[1].ready || !strings.Contains(told[1].message, "503") || !told[len(told)-1].ready {
		t.Errorf("told: %+v", told)
	}
	if last == nil || last.Reachable == nil || !*last.Reachable {
		t.Errorf("reported: %+v", last)
	}
}

func TestProbesAtTheMediaPortNeedANonce(t *testing.T) {
	for _, target := range []string{"/healthz", "/healthz?nonce=x", "/healthz?nonce=" + strings.Repeat("a", 65)} {
		w := httptest.NewRecorder()
		answerProbes(probedUID).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), probedUID) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
