// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"

	"k8s.io/utils/ptr"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// Who would share the call of a policy recording is judged as a call that came in for it would be: Jane is recorded already.
func TestWhoMayShareACallOfPolicyRecording(t *testing.T) {
	const bob, eve = "aa000000-0000-4000-8000-00000000000b", "aa000000-0000-4000-8000-00000000000e"
	from := func(users ...callfleetv1.GUID) *callfleetv1.CallerMatch {
		return &callfleetv1.CallerMatch{Users: users}
	}
	rules := []callfleetv1.IncomingRule{
		{From: from(jane, bob), PolicyRecording: ptr.To(true), Action: callfleetv1.IncomingAnswer, ParticipantCapacity: 100},
		{From: from(eve), PolicyRecording: ptr.To(true), Action: callfleetv1.IncomingAnswer, Call: &callfleetv1.IncomingTemplate{Muted: true}},
		{From: &callfleetv1.CallerMatch{Kinds: []callfleetv1.CallerKind{callfleetv1.CallerGuest}}, Action: callfleetv1.IncomingRedirect, Redirect: &callfleetv1.RedirectTo{}},
		{Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy},
	}
	user := func(id string) graph.IdentitySet { return graph.IdentitySet{User: &graph.Identity{ID: id}} }
	anew := signaling.Joining{}
	for name, c := range map[string]struct {
		change func(*Agent)
		in     signaling.Incoming
		uid    string
		want   signaling.Joining
	}{
		"by the same rule":                  {in: signaling.Incoming{From: user(bob)}, want: signaling.Joining{Share: true}},
		"by another rule":                   {in: signaling.Incoming{From: user(eve)}, want: anew},
		"whom the rules reject":             {in: signaling.Incoming{From: user("mallory")}, want: signaling.Joining{Reject: graph.RejectBusy}},
		"whom no rule knows":                {change: func(a *Agent) { a.book.rules = a.book.rules[:1] }, in: signaling.Incoming{From: user(eve)}, want: signaling.Joining{Reject: graph.RejectForbidden}},
		"who is redirected":                 {in: signaling.Incoming{From: graph.IdentitySet{Guest: &graph.Identity{ID: bob}}}, want: anew},
		"a call this pod does not hold":     {in: signaling.Incoming{From: user(bob)}, uid: "another", want: anew},
		"on a pod that is emptied":          {change: func(a *Agent) { a.pod.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainRollout} }, in: signaling.Incoming{From: user(bob)}, want: anew},
		"rejected on a pod that is emptied": {change: func(a *Agent) { a.pod.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainRollout} }, in: signaling.Incoming{From: user("mallory")}, want: signaling.Joining{Reject: graph.RejectBusy}},
		"before the rules are prepared":     {change: func(a *Agent) { a.book = nil }, in: signaling.Incoming{From: user(bob)}, want: anew},
		"whose calls are taken in elsewhere": {
			change: func(a *Agent) {
				a.book.redirects = []callfleetv1.RegionRedirect{{Countries: []string{"US"}, URL: "https://us.contoso.com/voice/reception/calls"}}
			},
			in: signaling.Incoming{From: user(bob), Country: "US"}, want: signaling.Joining{Location: "https://us.contoso.com/voice/reception/calls"},
		},
		"with all seats taken": {change: func(a *Agent) { a.pod.Spec.Capacity.Seats = 1 }, in: signaling.Incoming{From: user(bob)}, want: signaling.Joining{Share: true}},
	} {
		t.Run(name, func(t *testing.T) {
			a, calls := seat(t, &memory{}, withRules(rules...))
			in := ring("call-7")
			in.PolicyRecording = true
			pickUp(t, a, calls, in)
			a.mu.Lock()
			if c.change != nil {
				c.change(a)
			}
			a.mu.Unlock()
			uid := incomingUID("call-7")
			if c.uid != "" {
				uid = c.uid
			}
			c.in.PolicyRecording = true
			if got := a.joining(uid, c.in); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
