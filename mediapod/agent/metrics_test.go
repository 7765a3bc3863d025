// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/callfleet/callfleet/graph"
)

func TestCodesAreFewClasses(t *testing.T) {
	for code, want := range map[int]string{0: "none", 200: "2xx", 204: "2xx", 302: "3xx", 404: "4xx", 429: "429", 503: "5xx"} {
		if got := codeClass(code); got != want {
			t.Errorf("code %d is of class %s, want %s", code, got, want)
		}
	}
}

func TestRequestsAreCountedByOperationAndClass(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	m.asked(graph.Exchange{Operation: "create call", StatusCode: 201, Took: time.Second})
	m.asked(graph.Exchange{Operation: "create call", StatusCode: 200, Took: time.Second})
	m.asked(graph.Exchange{Operation: "create call", StatusCode: 429, Took: time.Second})
	m.asked(graph.Exchange{Operation: "hang up"})

	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	transport := logins{login.Client(), m.tokens}
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, login.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := transport.Do(req); err == nil {
			_ = resp.Body.Close()
		}
		login.Close() // the second finds nobody
	}
	for name, want := range map[string]int{"callfleet_graph_request_seconds": 3, "callfleet_token_request_seconds": 2} {
		if got, err := testutil.GatherAndCount(reg, name); err != nil || got != want {
			t.Errorf("%s has %d series (%v), want %d", name, got, err, want)
		}
	}
}

func TestTheCertificateThatIsShownTellsWhenItExpires(t *testing.T) {
	until := time.Unix(1_900_000_000, 0)
	for name, test := range map[string]struct {
		shown getCertificate
		want  float64
	}{
		"valid": {func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{{0}}, Leaf: &x509.Certificate{NotAfter: until}}, nil
		}, 1_900_000_000},
		"none yet":   {func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }, 0},
		"unreadable": {func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no file") }, 0},
		"not parsed": {func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{{0}}}, nil
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			newMetrics(reg).certificate(test.shown)
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			got := -1.0
			for _, f := range families {
				if f.GetName() == "callfleet_mediapod_certificate_expiry_timestamp_seconds" {
					got = f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			if got != test.want {
				t.Errorf("it is told to expire at %g, want %g", got, test.want)
			}
		})
	}
}

func TestRecordingsThatFailAreCountedAmongThoseThatWait(t *testing.T) {
	u := &uploads{waiting: map[string]*upload{"a": {failing: true}, "b": {}}, late: map[string]*subject{"c": nil}}
	if waiting, failing := u.count(); waiting != 3 || failing != 1 {
		t.Errorf("%d wait and %d fail, want 3 and 1", waiting, failing)
	}
}
