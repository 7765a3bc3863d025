// SPDX-License-Identifier: Apache-2.0

package router

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// BenchmarkForward is the way of a callback of 2 KB through the router to a pod and back, over loopback, the pod's own work
// included; the metric x-direct is how many times the time it takes without a router.
func BenchmarkForward(b *testing.B) {
	f := newFleet(b)
	pod := httptest.NewServer(http.HandlerFunc(judging(http.StatusAccepted)))
	b.Cleanup(pod.Close)
	f.table.Set(mediaPod("r-0", "10.0.0.1", 9))
	f.dial["10.0.0.1:9441"] = pod.Listener.Addr().String()
	body := strings.Repeat("x", 2000)
	request := func(path string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://bots.contoso.com"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+goodToken)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Microsoft-Skype-Chain-Id", "5b3c1c2e-0000-4000-8000-000000000001")
		return r
	}
	direct := func() {
		r := request(callbackTo("r-0"))
		r.RequestURI = ""
		r.URL.Host = pod.Listener.Addr().String()
		resp, err := f.router.transport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusAccepted {
			b.Fatal(resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	f.dial[pod.Listener.Addr().String()] = pod.Listener.Addr().String()
	direct()
	const rounds = 300
	start := time.Now()
	for range rounds {
		direct()
	}
	alone := time.Since(start) / rounds

	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		f.router.ServeHTTP(w, request(callbackTo("r-0")))
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(alone), "x-direct")
}

// BenchmarkJunk is what a request costs that has no token, and one for an unknown bot.
func BenchmarkJunk(b *testing.B) {
	for name, token := range map[string]string{"no token": "", "unknown bot": goodToken} {
		b.Run(name, func(b *testing.B) {
			f := newFleet(b)
			r := httptest.NewRequest(http.MethodPost, "http://bots.contoso.com"+newCalls, nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.router.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
