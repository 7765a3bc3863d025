// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// TestACallRunsItsFlowToTheEnd, and nothing that anybody can read has the caller's PIN in it.
func TestACallRunsItsFlowToTheEnd(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(outgoing(callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}}), "reception")})
	revision := d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to ask for the PIN", func() bool { return d.m.step() == "pin" })
	call := d.calls.call(t, d.m.newest().uid)
	if got := call.played(); !slices.Equal(got, []string{"hello.wav", "pin.wav"}) {
		t.Errorf("played %v", got)
	}
	if f := d.m.status().Flow; f.Name != "reception" || f.Revision != revision || f.Sealed == "" || f.End != "" {
		t.Errorf("status.flow %+v", f)
	}
	call.press("73")
	await(t, "the keys to be kept", func() bool {
		f := d.m.status().Flow
		state, err := d.agent.sealer.open(d.m.newest().uid, f.Sealed)
		return err == nil && strings.Contains(string(state), `"73"`)
	})
	call.press("91")
	await(t, "the end", func() bool { c := d.m.status().Call; return c != nil && c.End != nil })
	st := d.m.status()
	if st.Call.End.Reason != callfleetv1.EndFlowEnded || st.Call.End.Failed {
		t.Errorf("end %+v", st.Call.End)
	}
	if f := st.Flow; f.End != callfleetv1.FlowHungUp || f.Sealed != "" || f.Step != "bye" || f.Steps != 4 {
		t.Errorf("status.flow %+v", f)
	}
	if asks := d.web.asked(); len(asks) != 1 || asks[0].Data["pin"] != "7391" {
		t.Errorf("asked %+v", asks)
	}
	for _, event := range []string{eventFlowStarted, eventFlowStep, eventFlowEnded} {
		if !has(st.Timeline, event) {
			t.Errorf("the timeline has no %s: %+v", event, st.Timeline)
		}
	}
	told, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(told), d.log.text()} {
		for _, secret := range []string{"7391", "Ada"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
	}
}

// TestAFlowThatCannotGoOnEndsTheCall, and the end says why and what to do.
func TestAFlowThatCannotGoOnEndsTheCall(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "doorman")})
	d.shelf.put(t, "doorman", `
start: away
steps:
- {name: away, redirect: {targets: [{user: 550fae72-d251-43ec-868c-373732c2704f}]}}
`)
	d.agent.changed(d.m.newest())
	await(t, "the end", func() bool { c := d.m.status().Call; return c != nil && c.End != nil })
	end := d.m.status().Call.End
	if end.Reason != callfleetv1.EndFlowFailed || !end.Failed || end.Retryable || !strings.Contains(end.Message, "redirect") || !strings.Contains(end.Message, "Mend CallFlow doorman") {
		t.Errorf("end %+v", end)
	}
	if f := d.m.status().Flow; f.End != callfleetv1.FlowFailed || f.Message == "" || f.Sealed != "" {
		t.Errorf("status.flow %+v", f)
	}
}

func TestACallThatEndsBeforeItsFlowKeepsItsOwnReason(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	d.calls.call(t, "uid-1").end(signaling.EndFor(signaling.EndRemovedFromMeeting))
	await(t, "the end", func() bool { return d.m.status().Call.End != nil })
	st := d.m.status()
	if st.Call.End.Reason != callfleetv1.EndRemovedFromMeeting || st.Flow.End != callfleetv1.FlowCallerHungUp || st.Flow.Sealed != "" {
		t.Errorf("end %+v, flow %+v", st.Call.End, st.Flow)
	}
}

// TestWhatAFlowWantsIsWantedBesideTheSpec: recording is announced as long as it lasts, and the bot is muted.
func TestWhatAFlowWantsIsWantedBesideTheSpec(t *testing.T) {
	object := runs(session(), "voicemail")
	object.spec.Invite = []callfleetv1.Invitee{{Identity: callfleetv1.Identity{Phone: "+12065550100"}}}
	d := newFlowDesk(t, &memory{object: object})
	d.shelf.put(t, "voicemail", `
start: hush
steps:
- {name: hush, mute: {muted: true}, next: record}
- {name: record, record: {variable: message}, next: join}
- {name: join, invite: {user: 550fae72-d251-43ec-868c-373732c2704f, onFailure: bye}, next: bye}
- {name: bye, return: {}}
`)
	d.agent.changed(d.m.newest())
	call := d.calls.call(t, "uid-1")
	await(t, "the announcement", func() bool { w := call.wanted(); return w.Recording == graph.Recording && w.Muted })
	for _, a := range call.acted() {
		if _, is := a.(signaling.Record); is {
			t.Fatal("it records before the service has taken in that the call is recorded")
		}
	}
	call.mu.Lock()
	call.act = func(a signaling.Action) (signaling.Result, error) {
		if _, is := a.(signaling.Record); is {
			return signaling.Result{Operation: &graph.Operation{CompletionReason: "initialSilenceTimeout"}}, nil
		}
		return signaling.Result{}, nil
	}
	call.mu.Unlock()
	call.change(func(s *signaling.Snapshot) { s.Recording = graph.Recording })
	await(t, "the invitation", func() bool { return len(call.wanted().Invite) == 2 })
	if w := call.wanted(); w.Recording != "" || !w.Muted || w.Invite[0].Identity.Phone == nil || w.Invite[1].Identity.User.ID != jane {
		t.Errorf("wants %+v", w)
	}
	invited := call.wanted().Invite[1]
	call.change(func(s *signaling.Snapshot) {
		s.Invites = []signaling.Invite{{Who: invited, State: signaling.InviteJoined}}
	})
	await(t, "the invitation to be settled", func() bool { return len(call.wanted().Invite) == 1 })
	call.change(func(s *signaling.Snapshot) { s.Invites = nil })
	await(t, "the flow to return", func() bool { f := d.m.status().Flow; return f != nil && f.End == callfleetv1.FlowReturned })
	if call.leaving() {
		t.Error("the bot has left")
	}
}

// TestAFlowRunsWhereTheMediaIsInThePod, with nothing sealed: the call goes with its process.
func TestAFlowRunsWhereTheMediaIsInThePod(t *testing.T) {
	m := &memory{object: runs(session(), "short")}
	a, _ := seat(t, m)
	shelf := &flowShelf{}
	equip(t, a, shelf, flowKey(t))
	shelf.put(t, "short", `
start: hush
steps:
- {name: hush, mute: {muted: true}, next: ask}
- {name: ask, webhook: {url: "https://pins.example.com", sets: [name], onError: bye}, next: wait}
- {name: wait, collect: {variable: key, max: 1, timeout: 60s}, next: bye}
- {name: bye, hangup: {}}
`)
	sound := a.sound.(*ears)
	a.changed(m.newest())
	await(t, "the flow to wait", func() bool { return m.step() == "wait" })
	if f := m.status().Flow; f.Sealed != "" {
		t.Errorf("status.flow %+v", f)
	}
	sound.mu.Lock()
	press := sound.onKey
	sound.mu.Unlock()
	press(media.Key{Label: '5', Pressed: true})
	await(t, "the end", func() bool { return m.status().Call.End != nil })
	if st := m.status(); st.Call.End.Reason != callfleetv1.EndFlowEnded || st.Flow.End != callfleetv1.FlowHungUp {
		t.Errorf("end %+v, flow %+v", st.Call.End, st.Flow)
	}
}

func incomingRule(flow string) callfleetv1.IncomingRule {
	return callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{FlowRef: &callfleetv1.FlowReference{Name: flow}}}
}

const doorman = `
start: who
variables: {vip: "550fae72-d251-43ec-868c-373732c2704f"}
steps:
- name: who
  branch:
    cases: [{when: "caller.id == vars.vip", next: away}, {when: "caller.kind == 'Phone'", next: no}]
    else: note
- {name: away, redirect: {targets: [{user: 550fae72-d251-43ec-868c-373732c2704f}], ringSeconds: 30}}
- {name: no, hangup: {}}
- {name: note, set: {seen: "yes"}, next: pin}
- {name: pin, collect: {variable: pin, max: 1, timeout: 60s}, next: no}
`

// TestAFlowSeesToACallBeforeItIsAnswered, from memory alone: the API server is away.
func TestAFlowSeesToACallBeforeItIsAnswered(t *testing.T) {
	d := newFlowDesk(t, &memory{}, withRules(incomingRule("doorman")))
	d.shelf.put(t, "doorman", doorman)
	d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
	d.shelf.fail(errAway)
	if d := d.agent.incoming(ring("call-1")); d.Redirect == nil || d.Redirect.TimeoutSeconds != 30 || d.Redirect.Targets[0].Identity.User.ID != jane {
		t.Errorf("a VIP: %+v", d)
	}
	phone := ring("call-2")
	phone.From = graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}
	if d := d.agent.incoming(phone); d.Reject != graph.RejectNone || d.Answer != nil {
		t.Errorf("a telephone: %+v", d)
	}
	if n := d.agent.live(); n != 0 {
		t.Errorf("%d calls are held that were not answered", n)
	}
	other := ring("call-3")
	other.From.User.ID = controllertest.AppID
	call := pickUp(t, d.agent, d.calls, other)
	<-time.After(50 * time.Millisecond)
	if len(call.acted()) != 0 {
		t.Error("the flow went on before the call was answered")
	}
	call.establishAnswered()
	await(t, "the flow to go on", func() bool { return d.m.step() == "pin" })
	state, err := d.agent.sealer.open(incomingUID("call-3"), d.m.status().Flow.Sealed)
	if err != nil || !strings.Contains(string(state), `"seen":"yes"`) {
		t.Errorf("what was set before the answer: %s, %v", state, err)
	}
	if f := d.m.status().Flow; f.Steps != 3 {
		t.Errorf("%d steps", f.Steps)
	}
}

// TestRulesRunTheNewestVersion, and a call that goes on keeps its own.
func TestRulesRunTheNewestVersion(t *testing.T) {
	d := newFlowDesk(t, &memory{}, withRules(incomingRule("reception")))
	first := d.shelf.put(t, "reception", reception)
	d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
	call := pickUp(t, d.agent, d.calls, ring("call-1"))
	call.establishAnswered()
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	second := d.shelf.put(t, "reception", strings.ReplaceAll(reception, "hello.wav", "welcome.wav"))
	d.agent.flows.changed(d.shelf.flows["reception"].DeepCopy())
	select {
	case <-d.agent.rulesWake:
	default:
		t.Error("the rules are not prepared anew")
	}
	d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
	if v := d.agent.book.behaviors[0].behavior.flow; v.revision != second {
		t.Errorf("new calls run %s, want %s", v.revision, second)
	}
	call.press("7391")
	await(t, "the end", func() bool { return d.m.status().Call.End != nil })
	if f := d.m.status().Flow; f.Revision != first || f.End != callfleetv1.FlowHungUp {
		t.Errorf("status.flow %+v", f)
	}
}

// TestThePromptsOfRulesAreAtHand, so that a caller hears them though the API server is away; and they are not looked at each minute.
func TestThePromptsOfRulesAreAtHand(t *testing.T) {
	d := newFlowDesk(t, &memory{}, withRules(incomingRule("reception")))
	d.shelf.put(t, "reception", reception)
	book := d.agent.prepareRules(t.Context(), d.agent.pod)
	if n := d.agent.flowSounds.(*sounds).asked.Load(); n != 0 {
		t.Errorf("the rules wait for %d prompts", n)
	}
	for range 3 {
		d.agent.warmFlows(t.Context(), book)
	}
	if n := d.agent.flowSounds.(*sounds).asked.Load(); n != 2 {
		t.Errorf("%d prompts were looked for, and there are 2", n)
	}
}

// TestAVersionThatWasThereIsGoodEnough while the API server is away.
func TestAVersionThatWasThereIsGoodEnough(t *testing.T) {
	d := newFlowDesk(t, &memory{}, withRules(incomingRule("reception")))
	revision := d.shelf.put(t, "reception", reception)
	d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
	d.shelf.fail(errAway)
	d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
	if p := d.agent.book.behaviors[0]; p.err != nil || p.behavior.flow.revision != revision {
		t.Errorf("%+v", p)
	}
}

// TestACallWhoseFlowIsNotThereSaysSo, whether it may come or not.
func TestACallWhoseFlowIsNotThereSaysSo(t *testing.T) {
	tests := map[string]struct {
		err       error
		say       string
		retryable bool
	}{
		"there is none":      {say: `CallFlow "reception" does not exist`},
		"it may not be read": {err: errForbidden, say: "mediapod_role.yaml"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
			d.shelf.fail(tc.err)
			d.agent.changed(d.m.newest())
			await(t, "the end", func() bool { c := d.m.status().Call; return c != nil && c.End != nil })
			if end := d.m.status().Call.End; end.Reason != callfleetv1.EndInvalidBehavior || end.Retryable != tc.retryable || !strings.Contains(end.Message, tc.say) {
				t.Errorf("end %+v", end)
			}
		})
	}
}

// TestAnAttemptBeginsItsFlowAnew: that of the attempt before is over.
func TestAnAttemptBeginsItsFlowAnew(t *testing.T) {
	object := runs(session(), "reception")
	object.status.Flow = &callfleetv1.FlowStatus{Name: "reception", End: callfleetv1.FlowFailed, Message: "no"}
	d := newFlowDesk(t, &memory{object: object})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	if f := d.m.status().Flow; f.End != "" || f.Message != "" {
		t.Errorf("status.flow %+v", f)
	}
}

// TestTroubleOfAFlowIsTold, and quotes nobody.
func TestTroubleOfAFlowIsTold(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.sealer = sealer{file: "/nowhere"}
	d.agent.changed(d.m.newest())
	await(t, "the flow to go on all the same", func() bool { return d.m.step() == "pin" })
	await(t, "the timeline to tell", func() bool { return has(d.m.status().Timeline, eventFlowTrouble) })
	if n := strings.Count(d.log.text(), "cannot be kept"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
}
