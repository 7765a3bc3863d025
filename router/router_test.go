// SPDX-License-Identifier: Apache-2.0

package router

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func TestNothingIsRoutedBeforeTheFleetIsKnown(t *testing.T) {
	r := New(NewTable(), logr.Discard(), prometheus.NewRegistry())
	for _, path := range []string{callbackTo("r-0"), newCalls, "/voice/reception/healthz?nonce=0123456789abcdef"} {
		method := http.MethodPost
		if strings.Contains(path, "healthz") {
			method = http.MethodGet
		}
		req := httptest.NewRequest(method, path, nil)
		req.Header.Set("Authorization", "Bearer "+goodToken)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		if rec.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: answer %d before the first sync, want 503: a 404 would make the service give the call up", path, rec.Code)
		}
	}
}

func TestMethods(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: judging(202)})
	srv := serve(t, f.router)
	for path, allow := range map[string]string{
		newCalls: "POST", callbackTo("r-0"): "POST",
		"/voice/reception/healthz": "GET, HEAD",
		"/voice/reception/prompts/" + strings.Repeat("0f", 32) + "/menu/a": "GET, HEAD",
	} {
		resp := send(t, srv, http.MethodPut, path, goodToken, nil)
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != allow {
			t.Errorf("PUT %s answered %d, Allow %q", path, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}

// What carries nothing that could be a token is no pod's business.
func TestJunkBothersNoPod(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: judging(202)})
	srv := serve(t, f.router)
	for _, token := range []string{"", "x", "a.b.c"} {
		resp := send(t, srv, http.MethodPost, newCalls, token, strings.NewReader(strings.Repeat("x", 10<<20)))
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "Bearer" || !resp.Close {
			t.Errorf("token %q: answer %d, %v", token, resp.StatusCode, resp.Header)
		}
	}
	if resp := send(t, srv, http.MethodPost, newCalls, "x", strings.NewReader("short")); resp.Close {
		t.Error("the connection is closed after a short request without a token: the next one costs a handshake")
	}
	if got := f.arrived(); got != nil {
		t.Errorf("pods were bothered: %v", got)
	}
}

// Once a pod has found a token good its requests do not wait among those nobody has judged.
func TestGoodTokensHaveALaneOfTheirOwn(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9, answer: judging(202)})
	f.router.lanes = newLanes(map[laneClass]laneLimit{
		laneProven: laneLimits[laneProven], laneUnproven: {inFlight: 1, everywhere: 10},
	})
	srv := serve(t, f.router)
	post := func(path, token string) int {
		return send(t, srv, http.MethodPost, path, token, strings.NewReader("x")).StatusCode
	}
	if got := post(newCalls, goodToken); got != 202 {
		t.Fatalf("the first call: %d", got)
	}
	junk := laneKey{Bot{"voice", "reception"}, laneUnproven}
	if !f.router.lanes.enter(t.Context(), junk, sourceOf("192.0.2.1:1")) {
		t.Fatal("the lane is full without junk")
	}
	if got := post(newCalls, badToken); got != 503 {
		t.Errorf("an unknown token in a full lane: %d, want 503", got)
	}
	if got := post(callbackTo("r-0"), goodToken); got != 202 {
		t.Errorf("a known one beside it: %d, want 202", got)
	}
	f.router.lanes.leave(junk, sourceOf("192.0.2.1:1"))
	for range 2 {
		if got := post(newCalls, badToken); got != 401 {
			t.Errorf("a bad token: %d, want 401", got)
		}
	}
	if f.router.proven.has(f.router.proven.key(Bot{"voice", "reception"}, badToken)) {
		t.Error("a bad token is known as good")
	}
	if n := f.router.lanes.count(laneUnproven) + f.router.lanes.count(laneProven); n != 0 {
		t.Errorf("%d requests are still counted", n)
	}
}

func TestPrompts(t *testing.T) {
	const sound = "RIFF....WAVE"
	f := newFleet(t,
		aPod{name: "r-0", free: 9}, // away
		aPod{name: "r-1", free: 8, answer: saying(http.StatusServiceUnavailable)},
		aPod{name: "r-2", free: 0, answer: func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.wav", timeZero, strings.NewReader(sound))
		}})
	srv := serve(t, f.router)
	path := "/voice/reception/prompts/" + strings.Repeat("0f", 32) + "/menu/a.wav"
	for _, tc := range []struct {
		method string
		header []string
		code   int
		body   string
	}{
		{http.MethodGet, nil, 200, sound},
		{http.MethodHead, nil, 200, ""},
		{http.MethodGet, []string{"Range", "bytes=0-3"}, 206, "RIFF"},
	} {
		resp := send(t, srv, tc.method, path, "", nil, tc.header...)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != tc.code || string(body) != tc.body {
			t.Errorf("%s %v: %d %q, want %d %q", tc.method, tc.header, resp.StatusCode, body, tc.code, tc.body)
		}
	}
}

// TestSpokenPrompts: the pod that had one made is asked, draining or not, and no other.
func TestSpokenPrompts(t *testing.T) {
	f := newFleet(t,
		aPod{name: "r-0", free: 9, answer: func(http.ResponseWriter, *http.Request) { t.Error("another pod was asked") }},
		aPod{name: "r-1", change: []func(*callfleetv1.MediaPod){draining}, answer: func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.wav", timeZero, strings.NewReader("RIFF....WAVE"))
		}},
		aPod{name: "r-2"}) // away
	srv := serve(t, f.router)
	for pod, code := range map[string]int{"r-1": 200, "r-2": 503, "r-3": 404} {
		resp := send(t, srv, http.MethodGet, "/voice/reception/prompts/"+strings.Repeat("0f", 32)+"/_spoken/"+pod, "", nil)
		if resp.StatusCode != code {
			t.Errorf("%s: %d, want %d", pod, resp.StatusCode, code)
		}
	}
}

func TestSelfTest(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0", free: 9}, aPod{name: "r-1", free: 9})
	srv := serve(t, f.router)
	const nonce = "0123456789abcdef"
	ask := func(bot, nonce string) (*http.Response, selftest.Answer) {
		resp := send(t, srv, http.MethodGet, selftest.Path("voice", bot)+"?nonce="+nonce, "", nil)
		var answer selftest.Answer
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return resp, answer
	}
	for _, uid := range []string{"uid-of-r-0", "uid-of-r-1"} {
		if _, answer := ask("reception", nonce); !answer.Proves(nonce, []string{uid}) {
			t.Errorf("the router does not prove that it knows %s: %+v", uid, answer)
		}
	}
	if resp, answer := ask("sales", nonce); resp.StatusCode != 200 || answer.Nonce != nonce || answer.Proofs != nil {
		t.Errorf("of a bot without pods: %d %+v", resp.StatusCode, answer)
	}
	if resp, _ := ask("reception", "%3Cscript%3E"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an odd nonce: %d, want 400", resp.StatusCode)
	}
}

// Two routers that see the same MediaPods need not talk to each other: calls, their callbacks and junk come through either.
func TestReplicasBehaveAsOne(t *testing.T) {
	const calls = 60
	taking := func(seats int32) func(http.ResponseWriter, *http.Request) {
		var taken atomic.Int32
		return func(w http.ResponseWriter, r *http.Request) {
			isCall := strings.HasSuffix(r.URL.Path, newCalls)
			switch {
			case r.Header.Get("Authorization") != "Bearer "+goodToken:
				w.WriteHeader(http.StatusUnauthorized)
			case isCall && taken.Add(1) > seats:
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusAccepted)
			}
		}
	}
	pods := []aPod{
		{name: "r-0", free: 100, answer: taking(100)},
		{name: "r-1", free: 100, answer: taking(100)},
		{name: "r-2", free: 100, answer: taking(100)},
		{name: "r-3", free: 120, answer: taking(4)}, // has fewer seats than it last said
		{name: "r-4", free: 0, answer: taking(0)},
		{name: "r-5", free: 100, answer: taking(100), change: []func(*callfleetv1.MediaPod){draining}},
	}
	f := newFleet(t, pods...)
	second := f.replica()
	for i, p := range pods {
		second.table.Set(mediaPod(p.name, fmt.Sprintf("10.0.0.%d", i+1), p.free, p.change...))
	}
	routers := []*httptest.Server{serve(t, f.router), serve(t, second)}
	owner := func(call int) string { return fmt.Sprintf("r-%d", call%len(pods)) }
	var group sync.WaitGroup
	for i := range calls {
		one, other := routers[i%2], routers[(i+1)%2]
		group.Go(func() {
			if resp := send(t, one, http.MethodPost, newCalls, goodToken, strings.NewReader(fmt.Sprintf("call %d", i))); resp.StatusCode != 202 {
				t.Errorf("call %d: %d", i, resp.StatusCode)
			}
			// The callback of a call that came through one router comes through the other.
			if resp := send(t, other, http.MethodPost, callbackTo(owner(i)), goodToken, strings.NewReader(fmt.Sprintf("callback %d", i))); resp.StatusCode != 202 {
				t.Errorf("callback of call %d: %d", i, resp.StatusCode)
			}
		})
		group.Go(func() {
			if resp := send(t, other, http.MethodPost, newCalls, badToken, strings.NewReader("junk")); resp.StatusCode != 401 {
				t.Errorf("junk: %d", resp.StatusCode)
			}
		})
	}
	group.Wait()
	placed, got := map[string]int{}, map[string]int{}
	for _, line := range f.arrived() {
		pod, what, _ := strings.Cut(line, " ")
		var call int
		switch {
		case what == "": // was refused before its body was asked for
			continue
		case strings.HasPrefix(what, "call "):
			placed[pod]++
		default:
			if _, err := fmt.Sscanf(what, "callback %d", &call); err != nil || pod != owner(call) {
				t.Errorf("%s got %q", pod, what)
			}
		}
		got[what]++
	}
	for i := range calls {
		for _, what := range []string{fmt.Sprintf("call %d", i), fmt.Sprintf("callback %d", i)} {
			if got[what] != 1 {
				t.Errorf("%q was taken %d times, want once", what, got[what])
			}
		}
	}
	if len(got) != 2*calls {
		t.Errorf("%d different requests were taken, want %d", len(got), 2*calls)
	}
	if placed["r-3"] == 0 || placed["r-3"] > 4 || placed["r-4"] != 0 || placed["r-5"] != 0 {
		t.Errorf("the pod with most room got no call, or one got calls it has no seats for: %v", placed)
	}
	for _, pod := range []string{"r-0", "r-1", "r-2"} {
		// Each router spreads its half evenly, as it counts what it sent; requests that run side by side blur that a little.
		if n := placed[pod]; n < calls/6 || n > calls/2 {
			t.Errorf("calls are not spread: %v", placed)
			break
		}
	}
}
