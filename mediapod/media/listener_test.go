// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
)

// guarded is a call that those with a token known here may listen in to.
func guarded(id string, behavior Behavior, tell func(string, bool)) CallOptions {
	return CallOptions{ID: id, Behavior: behavior, OnListener: tell, Authorize: func(_ context.Context, token string) (string, error) {
		switch token {
		case "grace", "linus":
			return token, nil
		case "mallory":
			return "", ErrForbidden
		case "outage":
			return "", ErrUnavailable
		case "fault":
			return "", errors.New("the judge has lost its mind")
		}
		return "", ErrUnauthenticated
	}}
}

func listenURL(c *Call) string {
	return c.ListenURL()
}

func TestListenersAreSentTheCallAndHeardByNone(t *testing.T) {
	t.Parallel()
	u := serve(t)
	var mu sync.Mutex
	var told []string
	bot, person := recordingOf(t, "prompt.wav"), recordingOf(t, "standup.wav")
	call := newCall(t, u, guarded("guarded", Behavior{}, func(who string, on bool) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, map[bool]string{true: "+", false: "-"}[on]+who)
	}))
	f := newFarSide(t, u, codec.G722).call(call)
	grace := newFarSide(t, u, codec.G722).callAt(listenURL(call), "grace")
	linus := newFarSide(t, u, codec.PCMU).callAt(listenURL(call), "linus")
	eventually(t, 5*time.Second, "two listen", func() bool { return call.Listeners() == 2 })
	go linus.speak(person) // whom nobody hears

	go f.speak(person)
	<-call.Play(clipIn(t, bot), PlayOptions{}).Done()
	eventually(t, 10*time.Second, "packets for both", func() bool { return grace.count() > 50 && linus.count() > 50 })
	if r, err := measure.Compare(person, f.heard(), audio.SampleRate); err == nil && r.Correlation > 0.3 {
		t.Errorf("the far side heard the listener: %+v", r)
	}

	if resp, _ := u.request(t, "DELETE", grace.location, "", bearer("linus")); resp.StatusCode != http.StatusNotFound {
		t.Errorf("one listener ends another: %s", resp.Status)
	}
	if resp, _ := u.request(t, "DELETE", grace.location, "", bearer("grace")); resp.StatusCode != http.StatusOK {
		t.Errorf("DELETE: %s", resp.Status)
	}
	eventually(t, 2*time.Second, "one listens", func() bool { return call.Listeners() == 1 })
	call.Close()
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(told, " "); len(told) != 4 || !strings.HasSuffix(got, "-grace -linus") {
		t.Errorf("told of %s", got)
	}
}

func TestWhoMayListen(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, guarded("guarded", Behavior{}, nil))
	open := newCall(t, u, CallOptions{ID: "open"})
	_, whip := call.Endpoint()
	for name, tc := range map[string]struct {
		call   *Call
		token  string
		status int
	}{
		"who may":             {call, "grace", 201},
		"a stranger":          {call, "nobody", 401},
		"without a token":     {call, "", 401},
		"who may not":         {call, "mallory", 403},
		"the far side":        {call, whip, 401},
		"when nobody can say": {call, "outage", 503},
		"when it goes wrong":  {call, "fault", 500},
		"where nobody may":    {open, "grace", 403},
	} {
		t.Run(name, func(t *testing.T) {
			offer := newFarSide(t, u, codec.G722).offer(nil)
			resp, body := u.request(t, "POST", listenURL(tc.call), offer, bearer(tc.token))
			if resp.StatusCode != tc.status {
				t.Errorf("%s: %s, want %d", resp.Status, body, tc.status)
			}
			if tc.token != "" && strings.Contains(body, tc.token) {
				t.Error("the token is in the answer")
			}
		})
	}
	for range maxListeners {
		u.request(t, "POST", listenURL(call), newFarSide(t, u, codec.G722).offer(nil), bearer("grace"))
	}
	if resp, _ := u.request(t, "POST", listenURL(call), newFarSide(t, u, codec.G722).offer(nil), bearer("grace")); resp.StatusCode != 503 {
		t.Errorf("one too many: %s", resp.Status)
	}
	if call.State() != StateNew || call.Listeners() != 0 {
		t.Errorf("with offers alone, the call is %s and %d listen", call.State(), call.Listeners())
	}
}
