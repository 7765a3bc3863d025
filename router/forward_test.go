// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func TestWhoGetsWhat(t *testing.T) {
	full := saying(http.StatusServiceUnavailable)
	big := strings.Repeat("x", maxReplay+1)
	tests := map[string]struct {
		pods  []aPod
		path  string
		token string
		body  string
		code  int
		got   []string // nil: nobody got anything
	}{
		"a new call goes to the pod with most room": {
			pods: []aPod{{name: "r-0", free: 3, answer: judging(202)}, {name: "r-1", free: 9, answer: judging(202)}},
			path: newCalls, body: "x", code: 202, got: []string{"r-1 x"},
		},
		"a full pod hands over without having had the body": {
			pods: []aPod{{name: "r-0", free: 9, answer: full}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0", "r-1 x"},
		},
		"a pod that finds out only then that it is full hands over too": {
			pods: []aPod{{name: "r-0", free: 9, answer: lateFull}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: "xyz", code: 202, got: []string{"r-0 xyz", "r-1 xyz"},
		},
		"but not with more than is kept": {
			pods: []aPod{{name: "r-0", free: 9, answer: lateFull}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: big, code: 503, got: []string{""},
		},
		"a pod that cannot be reached is passed over": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: "x", code: 202, got: []string{"r-1 x"},
		},
		"once the body is out, nobody else is asked: two would answer one call": {
			pods: []aPod{{name: "r-0", free: 9, answer: dying}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: "x", code: 503, got: []string{"r-0 x"},
		},
		"when all are full one is told to be the last": {
			pods: []aPod{{name: "r-0", free: 9, answer: lastOnly}, {name: "r-1", free: 8, answer: lastOnly}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0", "r-1", "r-0 x last"},
		},
		"three full pods do not make the bot busy while a fourth has seats": {
			pods: []aPod{{name: "r-0", free: 9, answer: lastOnly}, {name: "r-1", free: 8, answer: lastOnly}, {name: "r-2", free: 7, answer: lastOnly},
				{name: "r-3", free: 6, answer: judging(202)}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0", "r-1", "r-2", "r-3 x"},
		},
		"the last is one that was not asked: it may have a seat by now": {
			pods: []aPod{{name: "r-0", free: 9, answer: lastOnly}, {name: "r-1", free: 0, answer: judging(202)}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0", "r-1 x last"},
		},
		"but rather one that was asked than one that drains": {
			pods: []aPod{{name: "r-0", free: 9, answer: lastOnly}, {name: "r-1", change: []func(*callfleetv1.MediaPod){draining}, answer: lastOnly}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0", "r-0 x last"},
		},
		"no seat anywhere": {
			pods: []aPod{{name: "r-0", answer: lastOnly}, {name: "r-1", change: []func(*callfleetv1.MediaPod){draining}, answer: lastOnly}},
			path: newCalls, body: "x", code: 202, got: []string{"r-0 x last"},
		},
		"the last may be one that drains, if none is Ready": {
			pods: []aPod{{name: "r-0", free: 5}, {name: "r-1", change: []func(*callfleetv1.MediaPod){draining}, answer: lastOnly}},
			path: newCalls, body: "x", code: 202, got: []string{"r-1 x last"},
		},
		"a fleet that is away": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8}}, path: newCalls, body: "x", code: 503,
		},
		"a bad token is refused by the first pod, and its body stays where it is": {
			pods: []aPod{{name: "r-0", free: 9, answer: judging(202)}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, token: badToken, body: "junk", code: 401, got: []string{"r-0"},
		},
		"a token whose key is not known yet bothers one pod only": {
			pods: []aPod{{name: "r-0", free: 9, answer: saying(http.StatusServiceUnavailable, headerUnjudged, "true")}, {name: "r-1", free: 8, answer: judging(202)}},
			path: newCalls, body: "junk", code: 503, got: []string{"r-0"},
		},
		"another bot's path": {pods: []aPod{{name: "r-0", free: 9, answer: judging(202)}}, path: "/other/reception/calls", body: "x", code: 404},
		"an empty body":      {pods: []aPod{{name: "r-0", free: 9, answer: judging(400)}}, path: newCalls, code: 400, got: []string{"r-0"}},

		"a callback reaches its owner": {
			pods: []aPod{{name: "r-0", free: 9, answer: judging(202)}, {name: "r-1", free: 8, answer: judging(202)}},
			path: callbackTo("r-1"), body: `{"a":1}`, code: 202, got: []string{`r-1 {"a":1}`},
		},
		"also while it drains, or is not Ready": {
			pods: []aPod{{name: "r-0", answer: judging(202), change: []func(*callfleetv1.MediaPod){draining, notReady}}},
			path: callbackTo("r-0"), body: "x", code: 202, got: []string{"r-0 x"},
		},
		"the owner's refusal is passed on": {
			pods: []aPod{{name: "r-0", answer: full}, {name: "r-1", answer: judging(202)}}, path: callbackTo("r-0"), body: "x", code: 503, got: []string{"r-0"},
		},
		"a callback goes nowhere else when its owner is away": {
			pods: []aPod{{name: "r-0", free: 9, answer: judging(202)}, {name: "r-1"}}, path: callbackTo("r-1"), body: "x", code: 503,
		},
		"a callback for a pod that never was": {
			pods: []aPod{{name: "r-0", free: 9, answer: judging(202)}}, path: callbackTo("r-7"), body: "x", code: 404,
		},

		"service-hosted: the owner comes first": {
			pods: []aPod{{name: "r-0", free: 9, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-1"), body: "x", code: 202, got: []string{"r-1 x"},
		},
		"service-hosted: any pod takes the callback of one that is gone": {
			pods: []aPod{{name: "r-0", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-7"), body: "x", code: 202, got: []string{"r-0 x"},
		},
		"service-hosted: or of one that cannot be reached": {
			pods: []aPod{{name: "r-0", free: 9, change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-0"), body: "x", code: 202, got: []string{"r-1 x"},
		},
		"service-hosted: a pod knows who has the call now": {
			pods: []aPod{{name: "r-0", free: 9, answer: saying(421, headerOwner, "r-1"), change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-7"), body: "x", code: 202, got: []string{"r-0", "r-1 x"},
		},
		"service-hosted: the owner in the path knows it too": {
			pods: []aPod{{name: "r-0", free: 9, answer: saying(421, headerOwner, "r-1"), change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-0"), body: "x", code: 202, got: []string{"r-0", "r-1 x"},
		},
		"service-hosted: pods that point at each other are asked three times in all": {
			pods: []aPod{{name: "r-0", free: 9, answer: saying(421, headerOwner, "r-1"), change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: saying(421, headerOwner, "r-0"), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-0"), body: "x", code: 503, got: []string{"r-0", "r-1", "r-0"},
		},
		"service-hosted: an owner nobody knows": {
			pods: []aPod{{name: "r-0", free: 9, answer: saying(421, headerOwner, "r-9"), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-7"), body: "x", code: 503, got: []string{"r-0"},
		},
		"service-hosted: later, says a pod": {
			pods: []aPod{{name: "r-0", free: 9, answer: full, change: []func(*callfleetv1.MediaPod){hosted}},
				{name: "r-1", free: 1, answer: judging(202), change: []func(*callfleetv1.MediaPod){hosted}}},
			path: callbackTo("r-7"), body: "x", code: 503, got: []string{"r-0"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, tc.pods...)
			token := tc.token
			if token == "" {
				token = goodToken
			}
			resp := send(t, serve(t, f.router), http.MethodPost, tc.path, token, strings.NewReader(tc.body))
			if resp.StatusCode != tc.code {
				t.Errorf("answer %d, want %d", resp.StatusCode, tc.code)
			}
			got := f.arrived()
			if len(tc.got) == 1 && tc.got[0] == "" {
				if len(got) != 1 {
					t.Errorf("%d pods were asked, want one", len(got))
				}
			} else if diff := cmp.Diff(tc.got, got); diff != "" {
				t.Errorf("what the pods got (-want +got):\n%s", diff)
			}
			if resp.Header.Get(headerUnjudged) != "" {
				t.Error("what a pod says to the router is told outside")
			}
			if unjudged := name == "a token whose key is not known yet bothers one pod only"; tc.path == newCalls && tc.code != 401 && !unjudged && !resp.Close {
				t.Error("the connection is kept after a new call: a balancer would send all calls to one router")
			}
			if tc.code == 503 && len(got) == 0 && resp.Header.Get("Retry-After") == "" {
				t.Error("a 503 of the router without Retry-After")
			}
			if resp.Header.Get(headerOwner) != "" {
				t.Error("the name of a pod is told outside")
			}
		})
	}
}

func TestRedirectsArePassedThrough(t *testing.T) {
	for _, code := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		f := newFleet(t, aPod{name: "r-0", free: 9, answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			saying(code, "Location", "https://emea.contoso.com/voice/reception/calls")(w, r)
		}})
		resp := send(t, serve(t, f.router), http.MethodPost, newCalls, goodToken, strings.NewReader("x"))
		if resp.StatusCode != code || resp.Header.Get("Location") != "https://emea.contoso.com/voice/reception/calls" {
			t.Errorf("%d came out as %d to %q", code, resp.StatusCode, resp.Header.Get("Location"))
		}
		if got := f.arrived(); len(got) != 1 {
			t.Errorf("the router followed the redirect itself: %v", got)
		}
	}
}

func TestHeaders(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Callfleet-Secret", "x")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}})
	resp := send(t, serve(t, f.router), http.MethodPost, newCalls, goodToken, strings.NewReader("{}"),
		"Callfleet-Last", "true", "callfleet-owner", "x", "X-Forwarded-For", "6.6.6.6", "Connection", "X-Drop", "X-Drop", "1",
		"Content-Type", "application/json", "X-Microsoft-Skype-Chain-ID", "chain", "Upgrade", "websocket", "Proxy-Authorization", "x")
	body, _ := io.ReadAll(resp.Body)
	if string(body) != `{"ok":true}` || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Callfleet-Secret") != "" {
		t.Errorf("answer %q, %v", body, resp.Header)
	}
	f.mu.Lock()
	got := f.headers[0]
	f.mu.Unlock()
	for _, name := range []string{"Callfleet-Last", "Callfleet-Owner", "X-Forwarded-For", "X-Drop", "Connection", "Upgrade", "Proxy-Authorization"} {
		if got.Get(name) != "" {
			t.Errorf("%s came through from outside: %q", name, got.Get(name))
		}
	}
	for name, want := range map[string]string{"X-Microsoft-Skype-Chain-Id": "chain", "Content-Type": "application/json", "Expect": "100-continue"} {
		if got.Get(name) != want {
			t.Errorf("%s is %q at the pod, want %q", name, got.Get(name), want)
		}
	}
}

// A sender that sends slowly is streamed: the pod has the first part before the last is sent.
func TestBodiesAreStreamed(t *testing.T) {
	first := make(chan string, 1)
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: func(w http.ResponseWriter, r *http.Request) {
		part := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, part)
		first <- string(part)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}})
	body, sender := io.Pipe()
	go func() {
		_, _ = sender.Write([]byte("first"))
		select {
		case got := <-first:
			_, _ = sender.Write([]byte(", then the rest after " + got))
			_ = sender.Close()
		case <-time.After(10 * time.Second):
			_ = sender.CloseWithError(fmt.Errorf("the pod did not get the first part before the last was sent"))
		}
	}()
	resp := send(t, serve(t, f.router), http.MethodPost, callbackTo("r-0"), goodToken, body)
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("answer %d", resp.StatusCode)
	}
}

// A pod closes connections that were idle long; a callback that meets one is sent again, for it has nowhere else to go.
func TestStaleConnections(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: judging(202)})
	srv := serve(t, f.router)
	for i := range 20 {
		if resp := send(t, srv, http.MethodPost, callbackTo("r-0"), goodToken, strings.NewReader("x")); resp.StatusCode != 202 {
			t.Fatalf("callback %d: answer %d", i, resp.StatusCode)
		}
		f.closeIdle(t)
	}
	if got := len(f.arrived()); got != 20 {
		t.Errorf("%d callbacks arrived, want 20", got)
	}
}

func TestBodyLimits(t *testing.T) {
	unknownLength := func(n int) io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", n))) }
	for name, tc := range map[string]struct {
		path string
		body io.Reader
		code int
		got  int
	}{
		"a new call as long as may be":   {newCalls, strings.NewReader(strings.Repeat("x", maxNewCall)), 202, 1},
		"one that says it is longer":     {newCalls, strings.NewReader(strings.Repeat("x", maxNewCall+1)), 413, 0},
		"one that does not say how long": {newCalls, unknownLength(maxNewCall), 202, 1},
		"and is longer":                  {newCalls, unknownLength(maxNewCall + 1), 413, 1},
		"a roster":                       {callbackTo("r-0"), strings.NewReader(strings.Repeat("x", maxCallback)), 202, 1},
		"a roster beyond belief":         {callbackTo("r-0"), strings.NewReader(strings.Repeat("x", maxCallback+1)), 413, 0},
		"10 MB that do not say how long": {callbackTo("r-0"), unknownLength(10 << 20), 413, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, aPod{name: "r-0", free: 9, answer: judging(202)})
			resp := send(t, serve(t, f.router), http.MethodPost, tc.path, goodToken, tc.body)
			if resp.StatusCode != tc.code {
				t.Errorf("answer %d, want %d", resp.StatusCode, tc.code)
			}
			if tc.code == 413 && !resp.Close {
				t.Error("the rest of the body is waited for")
			}
		})
	}
}
