// SPDX-License-Identifier: Apache-2.0

package router

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func mediaPod(name, ip string, free int32, change ...func(*callfleetv1.MediaPod)) *callfleetv1.MediaPod {
	mp := &callfleetv1.MediaPod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: name},
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

func TestParseRoute(t *testing.T) {
	tests := map[string]struct {
		want route
		ok   bool
	}{
		"/voice/reception/calls":                      {route{bot: Bot{"voice", "reception"}, kind: kindNewCall}, true},
		"/voice/reception/pods/reception-3/calls/u-1": {route{bot: Bot{"voice", "reception"}, mediaPod: "reception-3", kind: kindCallback}, true},
		"/voice/reception/calls/":                     {},
		"/voice/reception":                            {},
		"/voice//calls":                               {},
		"/voice/reception/pods/reception-3/calls":     {},
		"/voice/reception/pods/reception-3/calls/u/v": {},
		"/voice/reception/pods/reception-3/other/u":   {},
		"/" + strings.Repeat("x", 300) + "/b/calls":   {},
		"/": {},
		"/voice/reception/boots/reception-3/calls/u-1": {},
	}
	for path, tc := range tests {
		t.Run(path, func(t *testing.T) {
			got, ok := parseRoute(path)
			if ok != tc.ok || (ok && got != tc.want) {
				t.Errorf("parseRoute(%q) = %+v, %v; want %+v, %v", path, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestNewCallsGoWhereThereIsRoom(t *testing.T) {
	table := NewTable()
	table.Set(mediaPod("reception-0", "10.0.0.1", 3))
	table.Set(mediaPod("reception-1", "10.0.0.2", 9))
	table.Set(mediaPod("reception-2", "10.0.0.3", 0))
	table.Set(mediaPod("reception-3", "10.0.0.4", 20, draining))
	table.Set(mediaPod("reception-4", "10.0.0.5", 20, notReady))
	table.Set(mediaPod("reception-5", "", 20))
	bot := Bot{"voice", "reception"}
	if diff := cmp.Diff([]string{"10.0.0.2:9441", "10.0.0.1:9441"}, table.WithRoom(bot)); diff != "" {
		t.Errorf("pods with room, most free first (-want +got):\n%s", diff)
	}
	// A pod that drains still gets the notifications of its calls.
	if addr, known := table.Owner(bot, "reception-3"); addr != "10.0.0.4:9441" || !known {
		t.Errorf("owner of a draining pod's call = %q, %v", addr, known)
	}
	table.Delete(mediaPod("reception-1", "10.0.0.2", 9))
	if got := table.WithRoom(bot); len(got) != 1 {
		t.Errorf("after a pod is deleted %v have room, want one", got)
	}
	if table.Knows(Bot{"other", "reception"}) {
		t.Error("a bot of another namespace is known")
	}
}

// fleet is a router in front of pods that answer as told.
type fleet struct {
	router *Router
	table  *Table
	mu     sync.Mutex
	got    []string // pod, path and body of each request that arrived
	targ   map[string]string
}

// redirect sends the connections meant for a pod's address to a test server.
func (f *fleet) redirect(t *testing.T) {
	transport := f.router.proxy.Transport.(*podTransport).next.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = nil
	transport.Dial = func(network, addr string) (net.Conn, error) { //nolint:staticcheck // a plain function is all a test needs
		if to, ok := f.targ[addr]; ok {
			return dial(t.Context(), network, to)
		}
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
}

func newFleet(t *testing.T, pods map[string]int) *fleet {
	t.Helper()
	table := NewTable()
	f := &fleet{router: New(table, logr.Discard(), prometheus.NewRegistry()), table: table, targ: map[string]string{}}
	f.router.Synced()
	free := int32(10)
	for _, name := range []string{"reception-0", "reception-1", "reception-2"} {
		code, ok := pods[name]
		if !ok {
			continue
		}
		ip := "10.0.0." + name[len(name)-1:]
		table.Set(mediaPod(name, ip, free))
		free--
		if code == 0 {
			continue // nothing listens there
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			f.mu.Lock()
			defer f.mu.Unlock()
			if code < 0 { // takes the request and dies
				f.got = append(f.got, name+" died")
				panic(http.ErrAbortHandler)
			}
			f.got = append(f.got, name+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
			w.WriteHeader(code)
		}))
		t.Cleanup(srv.Close)
		f.targ[ip+":9441"] = srv.Listener.Addr().String()
	}
	f.redirect(t)
	return f
}

func (f *fleet) post(path, body string) *http.Response {
	req := httptest.NewRequest(http.MethodPost, "https://bots.contoso.com"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer t")
	rec := httptest.NewRecorder()
	f.router.ServeHTTP(rec, req)
	return rec.Result()
}

func TestForward(t *testing.T) {
	const callback = "/voice/reception/pods/reception-1/calls/u-1"
	tests := map[string]struct {
		pods map[string]int // name → status it answers; 0: unreachable
		path string
		body string
		code int
		got  []string
	}{
		"a callback reaches its owner": {
			pods: map[string]int{"reception-0": 202, "reception-1": 202}, path: callback, body: `{"a":1}`, code: 202,
			got: []string{"reception-1 " + callback + ` Bearer t {"a":1}`},
		},
		"the owner's refusal is passed on": {
			pods: map[string]int{"reception-1": 401}, path: callback, code: 401, got: []string{"reception-1 " + callback + " Bearer t "},
		},
		"a callback goes nowhere else when its owner is down": {
			pods: map[string]int{"reception-0": 202, "reception-1": 0}, path: callback, code: 503,
		},
		"a callback for a pod that never was": {
			pods: map[string]int{"reception-0": 202}, path: callback, code: 404,
		},
		"a new call goes to the pod with most room": {
			pods: map[string]int{"reception-0": 202, "reception-1": 202}, path: "/voice/reception/calls", body: "x", code: 202,
			got: []string{"reception-0 /voice/reception/calls Bearer t x"},
		},
		"a new call whose first pod is down goes to the next, body intact": {
			pods: map[string]int{"reception-0": 0, "reception-1": 202}, path: "/voice/reception/calls", body: "x", code: 202,
			got: []string{"reception-1 /voice/reception/calls Bearer t x"},
		},
		"a new call whose first pod is full goes to the next, body intact": {
			pods: map[string]int{"reception-0": 503, "reception-1": 202}, path: "/voice/reception/calls", body: "x", code: 202,
			got: []string{"reception-0 /voice/reception/calls Bearer t x", "reception-1 /voice/reception/calls Bearer t x"},
		},
		"a new call that a pod took before it died is not given to another": {
			pods: map[string]int{"reception-0": -1, "reception-1": 202}, path: "/voice/reception/calls", code: 503, got: []string{"reception-0 died"},
		},
		"all full":               {pods: map[string]int{"reception-0": 503}, path: "/voice/reception/calls", code: 503, got: []string{"reception-0 /voice/reception/calls Bearer t "}},
		"a bot that is not ours": {pods: map[string]int{"reception-0": 202}, path: "/voice/other/calls", code: 404},
		"no such path":           {pods: map[string]int{"reception-0": 202}, path: "/voice/reception", code: 404},
		"too large":              {pods: map[string]int{"reception-1": 202}, path: callback, body: strings.Repeat("x", maxBody+1), code: 413},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, tc.pods)
			resp := f.post(tc.path, tc.body)
			if resp.StatusCode != tc.code {
				t.Errorf("answer %d, want %d", resp.StatusCode, tc.code)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if diff := cmp.Diff(tc.got, f.got); diff != "" {
				t.Errorf("what the pods got (-want +got):\n%s", diff)
			}
			if tc.code == 503 && resp.Header.Get("Retry-After") == "" && len(f.got) == 0 {
				t.Error("a 503 of the router without Retry-After")
			}
		})
	}
}

func TestNothingIsRoutedBeforeTheFleetIsKnown(t *testing.T) {
	r := New(NewTable(), logr.Discard(), prometheus.NewRegistry())
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/voice/reception/pods/reception-0/calls/u", nil))
	if rec.Code != http.StatusServiceUnavailable {
		t.Errorf("answer %d before the first sync, want 503: a 404 would make the service give the call up", rec.Code)
	}
}

func TestOnlyPost(t *testing.T) {
	f := newFleet(t, map[string]int{"reception-0": 202})
	rec := httptest.NewRecorder()
	f.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/voice/reception/calls", nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "POST" {
		t.Errorf("GET answered %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{"/voice/reception/calls", "/a/b/pods/c/calls/d", "//calls", "/%2f/x/calls", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, ok := parseRoute(path)
		if ok && (r.bot.Namespace == "" || r.bot.Name == "" || (r.kind == kindCallback) != (r.mediaPod != "")) {
			t.Errorf("parseRoute(%q) = %+v", path, r)
		}
	})
}

func BenchmarkTableOwner(b *testing.B) {
	table := NewTable()
	for i := range 1000 {
		mp := mediaPod("reception-"+string(rune('a'+i%26)), "10.0.0.1", 5)
		table.Set(mp)
	}
	bot := Bot{"voice", "reception"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := table.Owner(bot, "reception-c"); !ok {
				b.Fatal("not found")
			}
		}
	})
}
