// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// left is what a process that was killed has left of a call, for another to go on with.
func left(d *flowDesk) *memory {
	return &memory{object: d.m.write(func(st *callfleetv1.CallStatus) { st.Call.ClaimedBy = "old-process" })}
}

// successor is another pod's process, with the key of the bot, which has the call bound to it.
func successor(t *testing.T, d *flowDesk) *flowDesk {
	t.Helper()
	m := left(d)
	a, calls := seat(t, m, serviceHosted)
	next := &flowDesk{agent: a, calls: calls, m: m, shelf: d.shelf}
	next.web, next.log = equip(t, a, d.shelf, d.agent.sealer)
	return next
}

// TestAKilledProcessLosesNoVariable: another goes on at the step it was at, with the keys it had, and says the prompt again.
func TestAKilledProcessLosesNoVariable(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	d.calls.call(t, "uid-1").press("73")
	await(t, "the keys to be kept", func() bool {
		state, err := d.agent.sealer.open("uid-1", d.m.status().Flow.Sealed)
		return err == nil && strings.Contains(string(state), `"73"`)
	})
	// A later version is for later calls.
	d.shelf.put(t, "reception", strings.ReplaceAll(reception, "pin.wav", "other.wav"))

	next := successor(t, d)
	next.agent.changed(next.m.newest())
	call := next.calls.call(t, "uid-1")
	await(t, "the flow to be told to go on", func() bool { return has(next.m.status().Timeline, eventFlowResumed) })
	call.press("91")
	await(t, "the end", func() bool { c := next.m.status().Call; return c.End != nil })
	if asks := next.web.asked(); len(asks) != 1 || asks[0].Data["pin"] != "7391" {
		t.Errorf("asked %+v", asks)
	}
	if got := call.played(); slices.Contains(got, "hello.wav") || slices.Contains(got, "other.wav") {
		t.Errorf("played %v", got)
	}
	if st := next.m.status(); st.Flow.End != callfleetv1.FlowHungUp || st.Flow.Sealed != "" || st.Flow.Steps != 4 || st.Call.End.Reason != callfleetv1.EndFlowEnded {
		t.Errorf("flow %+v, end %+v", st.Flow, st.Call.End)
	}
}

// TestAPromptIsSaidAgainByWhoeverHasTheCall: nobody knows how much of it was heard.
func TestAPromptIsSaidAgainByWhoeverHasTheCall(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	await(t, "the state of listening", func() bool {
		state, err := d.agent.sealer.open("uid-1", d.m.status().Flow.Sealed)
		return err == nil && strings.Contains(string(state), `"listening"`)
	})
	next := successor(t, d)
	next.m.write(func(st *callfleetv1.CallStatus) {
		state, err := d.agent.sealer.open("uid-1", st.Flow.Sealed)
		if err != nil {
			t.Error(err)
		}
		// As it was while the prompt was heard.
		under := strings.Replace(string(state), `"phase":"listening"`, `"phase":"prompting","playing":2`, 1)
		if st.Flow.Sealed, err = d.agent.sealer.seal("uid-1", []byte(under)); err != nil {
			t.Error(err)
		}
	})
	next.agent.changed(next.m.newest())
	call := next.calls.call(t, "uid-1")
	await(t, "the prompt", func() bool { return slices.Equal(call.played(), []string{"pin.wav"}) })
}

// TestAWebhookIsRepeatedUnderTheSameKey: the process was killed while it asked, and nobody knows whether it was heard.
func TestAWebhookIsRepeatedUnderTheSameKey(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.web.hangs = true
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	d.calls.call(t, "uid-1").press("7391")
	await(t, "the question", func() bool { return len(d.web.asked()) == 1 })
	// It was written down before it was asked.
	if f := d.m.status().Flow; f.Step != "check" {
		t.Fatalf("asked while the status has step %q: another process would ask under another key", f.Step)
	}
	next := successor(t, d)
	next.agent.changed(next.m.newest())
	await(t, "the end", func() bool { c := next.m.status().Call; return c.End != nil })
	first, again := d.web.asked()[0], next.web.asked()
	if len(again) != 1 || again[0].Key != first.Key || again[0].ID != first.ID || again[0].Data["pin"] != "7391" {
		t.Errorf("asked %+v, then %+v", first, again)
	}
	if !strings.HasPrefix(first.Key, "uid-1/reception/check/") {
		t.Errorf("key %q", first.Key)
	}
}

// TestAWebhookDoesNotWaitForAnAPIServerThatIsGone.
func TestAWebhookDoesNotWaitForAnAPIServerThatIsGone(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	d.m.goAway(true)
	d.calls.call(t, "uid-1").press("7391")
	await(t, "the question", func() bool { return len(d.web.asked()) == 1 })
	d.m.goAway(false)
	await(t, "the end", func() bool { c := d.m.status().Call; return c.End != nil })
}

// TestAStoppingProcessHandsItsFlowsOn with the rest of the call.
func TestAStoppingProcessHandsItsFlowsOn(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	d.calls.call(t, "uid-1").press("7")
	d.agent.stop()
	if !d.agent.waitIdle(t.Context()) {
		t.Fatal("not idle")
	}
	st := d.m.status()
	if st.Flow == nil || st.Flow.End != "" || st.Flow.Sealed == "" || st.Call.ClaimedBy != "" {
		t.Errorf("flow %+v, call %+v", st.Flow, st.Call)
	}
}

// TestWhatAProcessCannotGoOnFrom ends the call, and says why; what is over is left alone.
func TestWhatAProcessCannotGoOnFrom(t *testing.T) {
	tests := map[string]struct {
		change func(*testing.T, *flowDesk, *callfleetv1.FlowStatus)
		say    string
	}{
		"another key": {
			change: func(t *testing.T, d *flowDesk, _ *callfleetv1.FlowStatus) {
				other := filepath.Join(t.TempDir(), "stateKey")
				if err := os.WriteFile(other, []byte("fedcba9876543210fedcba9876543210"), 0o600); err != nil {
					t.Fatal(err)
				}
				d.agent.sealer = sealer{file: other}
			},
			say: "not sealed with the bot's key",
		},
		"nothing sealed":        {change: func(_ *testing.T, _ *flowDesk, f *callfleetv1.FlowStatus) { f.Sealed = "" }, say: "left nothing to go on from"},
		"somebody's own words":  {change: func(_ *testing.T, _ *flowDesk, f *callfleetv1.FlowStatus) { f.Sealed = "???" }, say: "not what a pod has written"},
		"a version that is not": {change: func(_ *testing.T, _ *flowDesk, f *callfleetv1.FlowStatus) { f.Revision = "reception-gone" }, say: "reception-gone"},
		"it is over": {change: func(_ *testing.T, _ *flowDesk, f *callfleetv1.FlowStatus) {
			f.End, f.Sealed = callfleetv1.FlowReturned, ""
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFlowDesk(t, &memory{object: runs(session(), "reception")})
			d.shelf.put(t, "reception", reception)
			d.agent.changed(d.m.newest())
			await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
			next := successor(t, d)
			next.m.write(func(st *callfleetv1.CallStatus) { tc.change(t, next, st.Flow) })
			next.agent.changed(next.m.newest())
			await(t, "the adoption", func() bool { return has(next.m.status().Timeline, "Adopted") })
			if tc.say == "" {
				if next.calls.call(t, "uid-1").leaving() || len(next.calls.call(t, "uid-1").acted()) > 0 {
					t.Error("the flow goes on")
				}
				return
			}
			await(t, "the end", func() bool { c := next.m.status().Call; return c.End != nil })
			st := next.m.status()
			if st.Call.End.Reason != callfleetv1.EndFlowFailed || !strings.Contains(st.Call.End.Message, tc.say) || st.Flow.End != callfleetv1.FlowFailed || st.Flow.Step != "pin" {
				t.Errorf("end %+v, flow %+v", st.Call.End, st.Flow)
			}
		})
	}
}

// TestAFlowThatWasNotToldOfBeginsAnew: the process was killed before it wrote.
func TestAFlowThatWasNotToldOfBeginsAnew(t *testing.T) {
	d := newFlowDesk(t, &memory{object: runs(orphaned("reception-0", "old-process"), "reception")})
	d.shelf.put(t, "reception", reception)
	d.agent.changed(d.m.newest())
	await(t, "the flow to wait", func() bool { return d.m.step() == "pin" })
	if got := d.calls.call(t, "uid-1").played(); got[0] != "hello.wav" {
		t.Errorf("played %v", got)
	}
}
