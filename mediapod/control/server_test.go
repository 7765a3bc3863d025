// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const guidText = "1fdd12d0-4620-44ed-baec-459b611f84b2"

// TestWhatABodyAsksFor reaches the call.
func TestWhatABodyAsksFor(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	e := serve(t, ns, calls{h}, nil)
	user, token := account(t, ns, "operator", mayControl())
	hello := graph.MediaInfo{URI: "https://bots.contoso.com/prompts/hello.wav", ResourceID: "digest"}
	inMap := `{"configMap":{"name":"prompts","key":"hello.wav"}}`
	tests := map[string]struct {
		action wire.Action
		body   string
		want   signaling.Action
	}{
		"transfer": {"transfer", `{"to":{"user":"` + guidText + `"}}`, signaling.Transfer{
			Target: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: guidText}}}}},
		"consultative transfer": {"transfer", `{"to":{"phone":"+12065550100"},"replacesCallID":"call-1"}`, signaling.Transfer{
			Target: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}}, ReplacesCallID: "call-1"}},
		"transfer of a participant": {"transfer", `{"to":{"user":"` + guidText + `"},"participant":"p1"}`, signaling.Transfer{
			Target:     graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: guidText}}},
			Transferee: &graph.ParticipantInfo{ParticipantID: "p1"}}},
		"play": {"play", `{"prompts":[` + inMap + `,{"url":"https://cdn.contoso.com/a.wav"}]}`, signaling.PlayPrompt{
			Prompts: []graph.MediaInfo{hello, {URI: "https://cdn.contoso.com/a.wav", ResourceID: "digest"}}}},
		"stop":             {"stop", ``, signaling.StopMedia{}},
		"record, as it is": {"record", `{}`, signaling.Record{}},
		"record": {"record", `{"prompt":` + inMap + `,"bargeIn":true,"initialSilence":"3s","maxSilence":"4s","maxDuration":"2m","noBeep":true,"stopTones":"#1"}`,
			signaling.Record{Prompt: &hello, BargeIn: true, InitialSilence: 3 * time.Second, MaxSilence: 4 * time.Second, MaxDuration: 2 * time.Minute,
				NoBeep: true, StopTones: []graph.Tone{"pound", "tone1"}}},
		"dtmf":               {"dtmf", `{"tones":"1*A","delay":"300ms"}`, signaling.SendTones{Tones: []graph.Tone{"tone1", "star", "a"}, Delay: 300 * time.Millisecond}},
		"subscribe to tones": {"subscribe-tones", `{}`, signaling.SubscribeToTones{}},
		"mute":               {"mute-participant", `{"participant":"p1"}`, signaling.MuteParticipant{ID: "p1"}},
		"remove":             {"remove-participant", `{"participant":"p1"}`, signaling.RemoveParticipant{ID: "p1"}},
		"hold":               {"hold-start", `{"participant":"p1"}`, signaling.StartHoldMusic{ID: "p1"}},
		"hold with a prompt": {"hold-start", `{"participant":"p1","prompt":` + inMap + `}`, signaling.StartHoldMusic{ID: "p1", Prompt: &hello}},
		"take off hold":      {"hold-stop", `{"participant":"p1"}`, signaling.StopHoldMusic{ID: "p1"}},
		"large gallery":      {"large-gallery", ``, signaling.LargeGallery{}},
	}
	done := map[wire.Action]bool{}
	for name, tc := range tests {
		done[tc.action] = true
		t.Run(name, func(t *testing.T) {
			e.t = t
			h.result = signaling.Result{Message: "Done.", Operation: &graph.Operation{ID: "op1", Status: graph.OperationCompleted, CompletionReason: "completedSuccessfully", RecordingAccessToken: "secret"}}
			var got wire.Outcome
			if code := e.call(http.MethodPost, wire.ActionPath("u1", tc.action), token, tc.body, &got); code != 200 {
				t.Fatalf("%d", code)
			}
			by, asked := h.last()
			if diff := cmp.Diff(tc.want, asked); diff != "" || by != user {
				t.Errorf("by %s (-want +got):\n%s", by, diff)
			}
			want := wire.Outcome{Action: tc.action, By: user, Message: "Done.", Operation: &wire.Operation{ID: "op1", Status: "completed", Reason: "completedSuccessfully"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
	for action := range wire.Requests {
		if !done[action] {
			t.Errorf("action %s is not tried", action)
		}
	}
}

// TestABodyThatIsNotRight is refused with what is wrong, before anything is done.
func TestABodyThatIsNotRight(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	e := serve(t, ns, calls{h}, nil)
	_, token := account(t, ns, "operator", mayControl())
	long := `{"prompts":[{"url":"https://cdn.contoso.com/` + strings.Repeat("a", maxBody) + `"}]}`
	tests := map[string]struct {
		action, body string
		change       func(*http.Request)
		code         int
		says         string
	}{
		"no such action":           {"dance", `{}`, nil, 404, "no such action"},
		"not JSON":                 {"play", `{"prompts":`, nil, 400, "cannot be read"},
		"an unknown member":        {"dtmf", `{"tones":"1","loud":true}`, nil, 400, `unknown field "loud"`},
		"a member in capitals":     {"dtmf", `{"Tones":"1"}`, nil, 400, `unknown field "Tones"`},
		"a member twice":           {"dtmf", `{"tones":"1","tones":"2"}`, nil, 400, "duplicate field"},
		"more than one body":       {"dtmf", `{"tones":"1"}{"tones":"2"}`, nil, 400, "cannot be read"},
		"a list":                   {"dtmf", `[]`, nil, 400, "cannot be read"},
		"something for nothing":    {"stop", `{"all":true}`, nil, 400, "unknown field"},
		"not said to be JSON":      {"dtmf", `{"tones":"1"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "application/json"},
		"too large":                {"play", long, nil, 413, "larger than"},
		"a prompt of another kind": {"play", `{"prompts":[{"configMap":{"name":"prompts","key":"cd.wav"}}]}`, nil, 400, "44,100 Hz"},
		"a key there is not":       {"dtmf", `{"tones":"1x"}`, nil, 400, "no key 'x'"},
		"nobody":                   {"transfer", `{}`, nil, 400, "exactly one of user, phone and application"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e.t = t
			var got wire.Refusal
			changes := []func(*http.Request){}
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			code := e.call(http.MethodPost, wire.ActionPath("u1", wire.Action(tc.action)), token, tc.body, &got, changes...)
			if code != tc.code || !strings.Contains(got.Message, tc.says) || got.Reason == "" {
				t.Errorf("%d %+v, want %d %q", code, got, tc.code, tc.says)
			}
		})
	}
	if _, asked := h.last(); asked != nil {
		t.Errorf("done all the same: %v", asked)
	}
	var got wire.Refusal
	for _, r := range [][2]string{{"GET", "/"}, {"GET", "/v1/calls/u1/stop"}, {"DELETE", "/v1/calls"}, {"POST", "/v1/calls/u1"}} {
		if code := e.call(r[0], r[1], token, "", &got); code != 404 || got.Reason != wire.ReasonNotFound {
			t.Errorf("%v: %d %+v", r, code, got)
		}
	}
}

// TestWhyAnActionWasNotDone is told in the words of signalling, and nothing else of what went wrong.
func TestWhyAnActionWasNotDone(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	e := serve(t, ns, calls{h}, nil)
	_, token := account(t, ns, "operator", mayControl())
	failed := func(f signaling.ActionFailure) error { return &signaling.ActionError{Failure: f, Message: "It is so."} }
	tests := map[string]struct {
		err    error
		code   int
		reason wire.Reason
		says   string
	}{
		"invalid":         {failed(signaling.ActionInvalid), 400, wire.ReasonInvalid, "It is so."},
		"not possible":    {failed(signaling.ActionNotPossible), 409, wire.ReasonNotPossible, "It is so."},
		"not established": {failed(signaling.ActionNotEstablished), 409, wire.ReasonNotEstablished, "It is so."},
		"not found":       {failed(signaling.ActionNotFound), 404, wire.ReasonNotFound, "It is so."},
		"refused":         {failed(signaling.ActionRefused), 422, wire.ReasonRefused, "It is so."},
		"uncertain":       {failed(signaling.ActionUncertain), 504, wire.ReasonUncertain, "It is so."},
		"something else":  {errors.New("secret"), 500, wire.ReasonUnavailable, "Its log says what."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e.t, h.err = t, tc.err
			var got wire.Refusal
			code := e.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &got)
			if code != tc.code || got.Reason != tc.reason || !strings.Contains(got.Message, tc.says) || strings.Contains(got.Message, "secret") {
				t.Errorf("%d %+v", code, got)
			}
		})
	}
}

// TestAnIncomingCallIsFoundByItsObject: the pod knew it before there was an object.
func TestAnIncomingCallIsFoundByItsObject(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	e := serve(t, ns, calls{
		{kind: "MeetingSession", namespace: ns, name: "reception-0123456789", uid: "u1"},
		{kind: "Call", namespace: ns, name: "reception-0123456789", uid: "derived"},
	}, nil)
	_, token := account(t, ns, "operator", mayControl())
	for path, want := range map[string]int{
		"/v1/calls/object-uid/stop?call=reception-0123456789": 200,
		"/v1/calls/object-uid/stop?call=another":              404,
		"/v1/calls/object-uid/stop":                           404,
	} {
		var got map[string]any
		if code := e.call(http.MethodPost, path, token, "", &got); code != want {
			t.Errorf("%s: %d %v, want %d", path, code, got, want)
		}
	}
}

// TestNobodyIsWaitedForByACallerWhoWentAway: the action is told that its context is done.
func TestNobodyIsWaitedForByACallerWhoWentAway(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1", waiting: make(chan struct{}), gaveUp: make(chan struct{})}
	e := serve(t, ns, calls{h}, nil)
	_, token := account(t, ns, "operator", mayControl())
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+wire.ActionPath("u1", wire.ActionStop), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
	go func() {
		<-h.waiting
		leave()
	}()
	if _, err := e.client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	select {
	case <-h.gaveUp:
	case <-time.After(controllertest.Patience):
		t.Error("the action goes on waiting")
	}
}

// TestTooManyAtOnce are turned away.
func TestTooManyAtOnce(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	e := serve(t, ns, calls{{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}}, nil)
	_, token := account(t, ns, "operator", mayControl())
	for range atOnce {
		e.server.slots <- struct{}{}
	}
	var got wire.Refusal
	if code := e.call(http.MethodGet, wire.CallsPath, token, "", &got); code != 503 || got.Reason != wire.ReasonUnavailable {
		t.Errorf("%d %+v", code, got)
	}
	<-e.server.slots
	var list wire.HeldList
	if code := e.call(http.MethodGet, wire.CallsPath, token, "", &list); code != 200 {
		t.Errorf("%d with a place free", code)
	}
}

// breaking is a recording that breaks off.
type breaking struct{ io.Reader }

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("connection reset")
	}
	return n, err
}

// TestARecordingIsHandedOn as it comes, to those who may control its call, also after the call.
func TestARecordingIsHandedOn(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "Call", namespace: ns, name: "sales", uid: "derived"}
	held := calls{h}
	pod := &changing{held}
	e := serve(t, ns, nil, func(c *Config) { c.Calls = pod })
	_, token := account(t, ns, "operator", mayControl())
	_, stranger := account(t, ns, "stranger", mayControl("other"))
	h.result = signaling.Result{RecordingID: "op1", Message: "The caller hung up."}
	var made wire.Outcome
	if code := e.call(http.MethodPost, "/v1/calls/object-uid/record?call=sales", token, "{}", &made); code != 200 || made.Recording != "op1" {
		t.Fatalf("%d %+v", code, made)
	}
	sound := strings.Repeat("sound", 100_000)
	get := func(path, token string, from io.Reader) (int, string, error) {
		h.result = signaling.Result{Recording: io.NopCloser(from)}
		req, err := http.NewRequest(http.MethodGet, e.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
		resp, err := e.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw), err
	}
	byObject := wire.RecordingPath("object-uid", "op1") + "?call=sales"
	if code, got, err := get(byObject, token, strings.NewReader(sound)); code != 200 || got != sound || err != nil {
		t.Errorf("during the call: %d, %d bytes, %v", code, len(got), err)
	}
	if _, asked := h.last(); asked != (signaling.FetchRecording{ID: "op1"}) {
		t.Errorf("asked for %v", asked)
	}
	if code, _, err := get(wire.RecordingPath("derived", "op1"), token, breaking{strings.NewReader(sound)}); err == nil {
		t.Errorf("one that breaks off looks whole: %d", code)
	}
	pod.calls = nil
	if code, got, err := get(wire.RecordingPath("derived", "op1"), token, strings.NewReader(sound)); code != 200 || got != sound || err != nil {
		t.Errorf("after the call: %d, %d bytes, %v", code, len(got), err)
	}
	if code, got, _ := get(wire.RecordingPath("derived", "op1"), stranger, strings.NewReader(sound)); code != 403 {
		t.Errorf("a stranger: %d %.100s", code, got)
	}
	if code, got, _ := get(wire.RecordingPath("derived", "op2"), token, strings.NewReader(sound)); code != 404 {
		t.Errorf("another recording: %d %.100s", code, got)
	}
	e.clock.Step(keepRecordings + 1)
	if code, got, _ := get(wire.RecordingPath("derived", "op1"), token, strings.NewReader(sound)); code != 404 {
		t.Errorf("much later: %d %.100s", code, got)
	}
}

// changing is a pod whose calls change.
type changing struct{ calls }
