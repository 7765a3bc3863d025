// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// history makes versions one after the other.
type history []version

func (h *history) pod(seats, used int32) {
	p := &callfleetv1.MediaPod{}
	p.Spec.Capacity.Seats, p.Status.Seats.Used = seats, used
	*h = append(*h, version{rv: uint64(len(*h) + 1), uid: "pod", name: "reception-0", pod: p, at: true})
}

func (h *history) podGone(drained bool) {
	p := &callfleetv1.MediaPod{}
	if drained {
		p.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn}
	}
	*h = append(*h, version{rv: uint64(len(*h) + 1), uid: "pod", name: "reception-0", pod: p, gone: true, at: true})
}

func (h *history) call(name string, phase callfleetv1.CallPhase, id string, end callfleetv1.EndReason) {
	s := &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	s.Status.Phase, s.Status.EndReason, s.Status.MediaPod = phase, end, "reception-0"
	if id != "" {
		s.Status.Call = &callfleetv1.CallRecord{ClaimedBy: "process", ID: id}
		if end != "" {
			s.Status.Call.End = &callfleetv1.CallEnd{Reason: end}
		}
	}
	*h = append(*h, version{rv: uint64(len(*h) + 1), uid: s.UID, name: "ms/" + name, call: s})
}

// A judge who sees nothing proves nothing.
func TestTheJudgeSeesWhatIsWrong(t *testing.T) {
	killed := weather{breaks: []step{{what: killOwn}}}
	for name, tc := range map[string]struct {
		weather weather
		happens func(*history)
		wrong   int
	}{
		"all is well": {happens: func(h *history) {
			h.pod(1, 0)
			h.call("a", callfleetv1.PhaseAssigned, "", "")
			h.call("a", callfleetv1.PhaseEstablished, "1", "")
			h.call("a", callfleetv1.PhaseCompleted, "1", callfleetv1.EndedByBot)
			h.call("b", callfleetv1.PhaseAssigned, "", "")
			h.call("b", callfleetv1.PhaseCompleted, "", callfleetv1.EndedByBot)
			h.podGone(true)
		}},
		"a final phase is left": {wrong: 1, happens: func(h *history) {
			h.call("a", callfleetv1.PhaseCompleted, "1", callfleetv1.EndedByBot)
			h.call("a", callfleetv1.PhasePending, "", "")
		}},
		"an end without a reason": {wrong: 1, happens: func(h *history) { h.call("a", callfleetv1.PhaseCompleted, "", "") }},
		"one call becomes another": {wrong: 1, happens: func(h *history) {
			h.call("a", callfleetv1.PhaseEstablished, "1", "")
			h.call("a", callfleetv1.PhaseEstablished, "2", "")
		}},
		"a call is forgotten": {wrong: 1, happens: func(h *history) {
			h.call("a", callfleetv1.PhaseEstablished, "1", "")
			h.call("a", callfleetv1.PhasePending, "", "")
		}},
		"two are bound to one seat": {wrong: 1, happens: func(h *history) {
			h.pod(1, 0)
			h.call("a", callfleetv1.PhaseAssigned, "", "")
			h.call("b", callfleetv1.PhaseAssigned, "", "")
		}},
		"a pod counts more than it has": {wrong: 1, happens: func(h *history) { h.pod(1, 2) }},
		"a pod goes under a call": {wrong: 1, happens: func(h *history) {
			h.pod(1, 1)
			h.call("a", callfleetv1.PhaseEstablished, "1", "")
			h.podGone(true)
		}},
		"a pod goes undrained":             {wrong: 1, happens: func(h *history) { h.pod(1, 0); h.podGone(false) }},
		"a pod is stopped":                 {wrong: 1, weather: killed, happens: func(h *history) { h.call("a", callfleetv1.PhaseFailed, "1", callfleetv1.EndPodStopped) }},
		"a pod is lost":                    {wrong: 1, happens: func(h *history) { h.call("a", callfleetv1.PhaseFailed, "1", callfleetv1.EndPodLost) }},
		"a pod is lost that we had killed": {weather: killed, happens: func(h *history) { h.call("a", callfleetv1.PhaseFailed, "1", callfleetv1.EndPodLost) }},
	} {
		t.Run(name, func(t *testing.T) {
			var h history
			tc.happens(&h)
			if wrong := replay(tc.weather, h); len(wrong) != tc.wrong {
				t.Errorf("found %d: %v; want %d", len(wrong), wrong, tc.wrong)
			}
		})
	}
}

func TestWhatTheServiceSawIsJudgedToo(t *testing.T) {
	// A pod of its own: those of the matrix may have been killed by now, which excuses them.
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	call := func(id, object string, from, to int) admin.Call {
		return admin.Call{ID: id, Direction: "incoming", Created: at(from), Established: at(from), Ended: at(to),
			CallbackURI: fmt.Sprintf("https://localhost/voice/reception/pods/judged-0/calls/%s", object)}
	}
	one, later, same := call("1", "a", 0, 10), call("2", "b", 10, 20), call("3", "a", 5, 6)
	known := map[string]bool{"1": true, "2": true, "3": true}
	seats := map[string]int32{"judged-0": 1}
	lossy := weather{mix: admin.Chaos{ReplyLost: .1}}
	for name, tc := range map[string]struct {
		wrong []string
		want  int
	}{
		"one after the other":                  {append(twice(weather{}, []admin.Call{one, later}, known), oversold([]admin.Call{one, later}, seats, known, at(0))...), 0},
		"two calls of one object":              {twice(weather{}, []admin.Call{one, same}, known), 1},
		"one of them unknown, replies lost":    {twice(lossy, []admin.Call{one, same}, map[string]bool{"1": true}), 0},
		"one of them unknown, nothing is lost": {twice(weather{}, []admin.Call{one, same}, map[string]bool{"1": true}), 1},
		"two on one seat":                      {oversold([]admin.Call{one, same}, seats, known, at(0)), 1},
		"no Call for it":                       {unrecorded(weather{}, []admin.Call{one}, map[string]bool{}), 1},
		"its process was killed":               {unrecorded(weather{breaks: []step{{what: killTheirs}}}, []admin.Call{one}, map[string]bool{}), 0},
	} {
		if len(tc.wrong) != tc.want {
			t.Errorf("%s: found %v, want %d", name, tc.wrong, tc.want)
		}
	}
}

func TestABadTokenAndAnUntoldTransferAreSeen(t *testing.T) {
	bad := admin.Notification{Done: true, Status: 202, Faults: []string{admin.Reorder, admin.BadToken}}
	refused, good := bad, bad
	refused.Status, good.Faults = 401, []string{admin.Reorder}
	if wrong := trusted([]admin.Notification{bad, refused, good}); len(wrong) != 1 {
		t.Errorf("found %v, want the one that was accepted", wrong)
	}
	moved := admin.Call{ID: "1", Result: &admin.Result{Subcode: gracefulTransfer}}
	for name, tc := range map[string]struct {
		weather weather
		end     callfleetv1.EndReason
		wrong   int
	}{
		"told":               {end: callfleetv1.EndTransferred},
		"told otherwise":     {end: callfleetv1.EndRemoteHungUp, wrong: 1},
		"told in a bad time": {weather: weather{seed: 1}, end: callfleetv1.EndRemoteHungUp},
	} {
		var h history
		h.call("a", callfleetv1.PhaseCompleted, "1", tc.end)
		if wrong := mistold(tc.weather, []admin.Call{moved}, h); len(wrong) != tc.wrong {
			t.Errorf("%s: found %v, want %d", name, wrong, tc.wrong)
		}
	}
}

func TestWhatTheBotCouldNotKnowIsToldApart(t *testing.T) {
	var h history
	for name, stood := range map[string]bool{"a": true, "b": false} {
		c := &callfleetv1.Call{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
		c.Spec.Incoming = &callfleetv1.IncomingCall{ID: name}
		c.Status.Call = &callfleetv1.CallRecord{ID: name, End: &callfleetv1.CallEnd{Reason: callfleetv1.EndAnsweredTooLate}}
		if stood {
			c.Status.Call.EstablishedTime = &metav1.MicroTime{}
		}
		h = append(h, version{uid: c.UID, name: "call/" + name, call: c})
	}
	if late := unawares(h); len(late) != 1 || !late["b"] {
		t.Errorf("unawares of %v, want of b alone", late)
	}
}

func TestEverythingIsDrawn(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(9) {
		w := forecast(seed + 1)
		if w.legacy {
			drawn["old format"]++
		}
		for what, p := range map[string]float64{admin.BotFailing: w.mix.BotFailing, admin.BotReplyLost: w.mix.BotReplyLost, admin.BadToken: w.mix.BadToken} {
			if p > 0 {
				drawn[what]++
			}
		}
		for n := range 112 {
			p := draw(seed+1, n)
			drawn[p.about]++
			drawn[p.caller]++
			for _, a := range p.acts {
				drawn[a.what]++
			}
			if p.bot == theirMedia && p.plays {
				drawn["the service plays"]++
			}
		}
	}
	want := []string{meets, taken, makes, keeps, callerForMany, callerRedirected, "old format", "the service plays", admin.BotFailing, admin.BotReplyLost, admin.BadToken}
	for _, what := range append(append(want, inCall...), throughPod...) {
		if drawn[what] == 0 {
			t.Errorf("in nine rounds nobody does this: %s", what)
		}
	}
	t.Log(drawn)
}

func TestARoundIsDrawnTheSameEveryTime(t *testing.T) {
	for seed := range uint64(20) {
		if a, b := forecast(seed).String(), forecast(seed).String(); a != b {
			t.Errorf("%s, and then %s", a, b)
		}
		for n := range 50 {
			if a, b := draw(seed, n).String(), draw(seed, n).String(); a != b {
				t.Errorf("%s, and then %s", a, b)
			}
		}
	}
	broken := weather{}
	for seed := range uint64(8) {
		broken.breaks = append(broken.breaks, forecast(seed + 1).breaks[0])
	}
	for _, what := range []string{killOwn, killTheirs, killManager, killRouter, noAPIServer, rotateKeys, rollOut, scaleIn} {
		if !broken.brings(what) {
			t.Errorf("nothing in the first eight rounds does this: %s", what)
		}
	}
}
