// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// goodToken is what the pods of these tests accept; badToken has the shape of a token and no more.
const (
	goodToken = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJib3QifQ.Z29vZA"
	badToken  = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJib3QifQ.YmFk"
	newCalls  = "/voice/reception/calls"
)

func callbackTo(pod string) string { return "/voice/reception/pods/" + pod + "/calls/u-1" }

func mediaPod(name, ip string, free int32, change ...func(*callfleetv1.MediaPod)) *callfleetv1.MediaPod {
	mp := &callfleetv1.MediaPod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       callfleetv1.MediaPodSpec{BotRef: callfleetv1.BotReference{Name: "reception"}},
		Status: callfleetv1.MediaPodStatus{PodIP: ip, Seats: callfleetv1.Seats{Free: free},
			Conditions: []metav1.Condition{{Type: callfleetv1.ConditionReady, Status: metav1.ConditionTrue}}},
	}
	for _, c := range change {
		c(mp)
	}
	return mp
}

func draining(mp *callfleetv1.MediaPod) {
	mp.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn}
}

func notReady(mp *callfleetv1.MediaPod) { mp.Status.Conditions[0].Status = metav1.ConditionFalse }

func hosted(mp *callfleetv1.MediaPod) { mp.Spec.Media.Hosting = callfleetv1.HostingService }

// aPod is a media pod of a test.
type aPod struct {
	name   string
	free   int32
	change []func(*callfleetv1.MediaPod)
	// answer is what it does; nil: nothing listens at its address.
	answer func(w http.ResponseWriter, r *http.Request)
}

// judging does what every pod does: token first, then the body, then the code.
func judging(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+goodToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(code)
	}
}

// saying answers without a look at the body.
func saying(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// lateFull takes the body and says then that it is full.
func lateFull(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// dying takes the body and dies.
func dying(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// lastOnly is full, but disposes of calls nobody else takes.
func lastOnly(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(headerLast) != "true" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	judging(http.StatusAccepted)(w, r)
}

// fleet is a router, or several, in front of pods.
type fleet struct {
	router  *Router
	table   *Table
	dial    map[string]string // address of a pod → where it listens in truth
	servers []*httptest.Server

	mu      sync.Mutex
	got     []string // pod, method and body of each request that reached one, and whether it was told to be the last
	headers []http.Header
}

func newFleet(t testing.TB, pods ...aPod) *fleet {
	t.Helper()
	f := &fleet{dial: map[string]string{}}
	f.router, f.table = f.replica(), nil
	f.table = f.router.table
	for i, p := range pods {
		f.add(t, i, p)
	}
	return f
}

// replica is one more router before the same pods, with an empty table.
func (f *fleet) replica() *Router {
	r := New(NewTable(), logr.Discard(), prometheus.NewRegistry())
	transport := r.transport.(*http.Transport)
	real := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to, ok := f.dial[addr]; ok {
			return real(ctx, network, to)
		}
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
	r.Synced()
	return r
}

func (f *fleet) add(t testing.TB, i int, p aPod) {
	ip := fmt.Sprintf("10.0.0.%d", i+1)
	f.table.Set(mediaPod(p.name, ip, p.free, p.change...))
	if p.answer == nil {
		return
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// In a copy: a server whose request has another body than it gave it does not know any more that nobody asked for it.
		read, watched := &recordedBody{ReadCloser: r.Body}, *r
		watched.Body = read
		defer func() {
			line := p.name
			if read.text.Len() > 0 {
				line += " " + read.text.String()
			}
			if r.Header.Get(headerLast) != "" {
				line += " last"
			}
			f.mu.Lock()
			f.got, f.headers = append(f.got, line), append(f.headers, r.Header)
			f.mu.Unlock()
		}()
		p.answer(w, &watched)
	}))
	f.servers = append(f.servers, srv)
	t.Cleanup(srv.Close)
	f.dial[ip+":9441"] = srv.Listener.Addr().String()
}

type recordedBody struct {
	io.ReadCloser
	text strings.Builder
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.text.Write(p[:min(n, 100)])
	return n, err
}

// arrived is what reached the pods.
func (f *fleet) arrived() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

// serve puts a router behind a real listener.
func serve(t testing.TB, r *Router) *httptest.Server {
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return srv
}

// send sends a request to a router over the network.
func send(t testing.TB, srv *httptest.Server, method, path, token string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

var noRedirects = &http.Client{
	Transport:     &http.Transport{ExpectContinueTimeout: 0},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// closeIdle closes the pods' side of kept connections, as their idle time-out does.
func (f *fleet) closeIdle(t testing.TB) {
	t.Helper()
	for _, srv := range f.servers {
		srv.Config.SetKeepAlivesEnabled(false) // closes the idle ones
		srv.Config.SetKeepAlivesEnabled(true)
	}
}
