// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestDecideAboutCalls: what is different about Calls, and about calls whose media the service handles.
func TestDecideAboutCalls(t *testing.T) {
	type builder = *controllertest.CallBuilder
	const app, service = v1alpha1.HostingApplication, v1alpha1.HostingService
	ready := podFacts{name: podNamed("reception-0"), ready: true, capacity: 2, media: &v1alpha1.Media{}, instance: "i"}
	other := podFacts{name: podNamed("reception-1"), ready: true, capacity: 2, media: &v1alpha1.Media{}, instance: "j"}
	down := podFacts{name: podNamed("reception-0"), capacity: 2, media: &v1alpha1.Media{}}
	found := botFacts{exists: true}
	out := func() builder { return controllertest.Call("voice", "lunch", "reception").UID("me").Created(noon) }
	group := func(policy v1alpha1.RejoinPolicy) builder {
		return out().To(v1alpha1.Identity{User: controllertest.UserID}, v1alpha1.Identity{User: controllertest.AppID}).With(func(c *v1alpha1.Call) { c.Spec.Rejoin.Policy = policy })
	}
	in := func() builder {
		return controllertest.IncomingCall("voice", "lunch", "reception").UID("me").Created(noon)
	}
	answered := func(b builder) builder {
		return b.With(func(c *v1alpha1.Call) {
			c.Spec.Incoming.AnsweredBy = &v1alpha1.AnsweringProcess{MediaPod: "reception-0", Instance: "i"}
		})
	}
	held := func(b builder, hosting v1alpha1.Hosting) builder {
		return b.Held("reception-0", "i", hosting).Condition(v1alpha1.ConditionAssigned, "True", v1alpha1.ReasonBound, "")
	}
	ringing := func(b builder, hosting v1alpha1.Hosting) builder {
		return held(b, hosting).With(func(c *v1alpha1.Call) { c.Status.Call.EstablishedTime = nil })
	}
	unsent := func(b builder) builder {
		return b.With(func(c *v1alpha1.Call) { c.Status.Call.EstablishedTime, c.Status.Call.ID = nil, "" })
	}
	// orphaned for so long, bound to a pod for so long ("" for none).
	orphaned := func(b builder, since time.Duration, pod string, bound time.Duration) builder {
		return held(b, service).With(func(c *v1alpha1.Call) {
			c.Status.Call.ClaimedBy, c.Status.MediaPod = "", pod
			c.Status.Timeline = record(c.Status.Timeline, noon.Add(-since), eventAdopting, "")
			c.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-bound))
		})
	}
	letGo := func(b builder) builder {
		return held(b, service).With(func(c *v1alpha1.Call) { c.Status.Call.ClaimedBy = "" })
	}
	deleted := func(b builder) builder {
		return b.With(func(c *v1alpha1.Call) { c.DeletionTimestamp = &metav1.Time{Time: noon} })
	}
	finished := func(b builder, ago time.Duration) builder {
		return b.Phase(v1alpha1.PhaseCompleted).With(func(c *v1alpha1.Call) { c.Status.FinishedTime = &metav1.Time{Time: noon.Add(-ago)} })
	}
	silent := func(b builder, since time.Duration) builder {
		return b.With(func(c *v1alpha1.Call) {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionNeedsAttention, Status: "True", Reason: v1alpha1.ReasonAgentSilent, LastTransitionTime: metav1.NewTime(noon.Add(-since)),
			})
		})
	}
	cases := map[string]struct {
		call   builder
		facts  facts
		want   verdict
		reason string // of a wait, or of an end
		next   time.Duration
	}{
		"an outgoing one needs a seat":         {call: out(), facts: facts{bot: found, fleet: []podFacts{ready}}, want: place},
		"and waits for one":                    {call: out(), facts: facts{bot: found}, want: wait, reason: "NoSeat"},
		"to many, by a fault while ringing":    {call: ringing(out(), app).Ended(v1alpha1.EndServiceError, true, true), facts: facts{holder: &ready}, want: rejoin, reason: "ServiceError", next: time.Second},
		"by a fault, once answered":            {call: held(out(), app).Ended(v1alpha1.EndMediaLost, true, true), facts: facts{holder: &ready}, want: finish, reason: "MediaLost"},
		"declined":                             {call: ringing(out(), app).Ended(v1alpha1.EndCallDeclined, true, false), facts: facts{holder: &ready}, want: finish, reason: "CallDeclined"},
		"lost once answered":                   {call: held(out(), app), want: finish, reason: "PodLost"},
		"lost while ringing":                   {call: ringing(out(), app), want: finish, reason: "PodLost"},
		"lost before anything was sent":        {call: unsent(held(out(), app)), want: rejoin, reason: "PodLost", next: time.Second},
		"a group, by a fault, once answered":   {call: held(group(v1alpha1.RejoinOnFailure), app).Ended(v1alpha1.EndMediaLost, true, true), facts: facts{holder: &ready}, want: finish, reason: "MediaLost"},
		"a group that rings again, by a fault": {call: held(group(v1alpha1.RejoinRingAgain), app).Ended(v1alpha1.EndMediaLost, true, true), facts: facts{holder: &ready}, want: rejoin, reason: "MediaLost", next: time.Second},
		"and is lost":                          {call: held(group(v1alpha1.RejoinRingAgain), app), want: rejoin, reason: "PodLost", next: time.Second},
		"and is lost while ringing":            {call: ringing(group(v1alpha1.RejoinRingAgain), app), want: rejoin, reason: "PodLost", next: time.Second},
		"and is left by all":                   {call: held(group(v1alpha1.RejoinRingAgain), app).Ended(v1alpha1.EndEveryoneLeft, false, false), facts: facts{holder: &ready}, want: finish, reason: "EveryoneLeft"},
		"and has had its attempts":             {call: held(group(v1alpha1.RejoinRingAgain), app).With(func(c *v1alpha1.Call) { c.Status.Attempts = 3 }), want: finish, reason: "PodLost"},
		"an outgoing one is kept":              {call: finished(out(), 1000*time.Hour), want: rest},

		"one that came in, and nobody has told yet": {call: in(), facts: facts{bot: found, fleet: []podFacts{ready}}, want: idle, next: toldWithin},
		"and was deleted":                              {call: deleted(in()), facts: facts{bot: found, fleet: []podFacts{ready}}, want: idle, next: toldWithin},
		"and is to end":                                {call: in().DesiredState(v1alpha1.DesiredEnded), facts: facts{bot: found, fleet: []podFacts{ready}}, want: idle, next: toldWithin},
		"and was bound by hand":                        {call: in().BoundTo("reception-0"), facts: facts{holder: &ready, fleet: []podFacts{ready}}, want: idle, next: toldWithin},
		"and nobody told in time":                      {call: in().Created(noon.Add(-toldWithin)), facts: facts{bot: found, fleet: []podFacts{ready}}, want: finish, reason: "PodLost"},
		"nobody told, but the one who answered lives":  {call: answered(in().Created(noon.Add(-time.Hour))), facts: facts{holder: &ready}, want: idle, next: toldWithin},
		"and another process runs there by now":        {call: answered(in().Created(noon.Add(-time.Hour))), facts: facts{holder: &other}, want: finish, reason: "PodLost"},
		"and its pod is gone":                          {call: answered(in().Created(noon.Add(-toldWithin))), want: finish, reason: "PodLost"},
		"one that came in goes on":                     {call: held(in(), app), facts: facts{holder: &ready}, want: keep},
		"and its end is told":                          {call: held(in(), app).Ended(v1alpha1.EndRemoteHungUp, false, false), facts: facts{holder: &ready}, want: finish, reason: "RemoteHungUp"},
		"it is not made again":                         {call: ringing(in(), app).Ended(v1alpha1.EndServiceError, true, true), facts: facts{holder: &ready}, want: finish, reason: "ServiceError"},
		"lost with its pod":                            {call: held(in(), app), want: finish, reason: "PodLost"},
		"lost with its process, perhaps":               {call: held(in(), app), facts: facts{holder: &other}, want: keep, reason: "AgentSilent", next: silenceAllowed},
		"lost with its process":                        {call: silent(held(in(), app), silenceAllowed), facts: facts{holder: &other}, want: finish, reason: "PodLost"},
		"kept for an hour":                             {call: finished(in(), time.Minute), want: rest, next: 59 * time.Minute},
		"and no longer":                                {call: finished(in(), time.Hour), want: expire},
		"but as long as the rule says":                 {call: finished(in(), time.Minute).TTL(60), want: expire},
		"hosted by the service, its pod is gone":       {call: held(in(), service), facts: facts{fleet: []podFacts{other}}, want: place},
		"its process has ended":                        {call: held(in(), service), facts: facts{holder: &down, fleet: []podFacts{down, other}}, want: place},
		"and nobody has a seat":                        {call: held(in(), service), facts: facts{holder: &down, fleet: []podFacts{down}}, want: wait, reason: "Adopting", next: serviceForgets},
		"another process runs, which may adopt it":     {call: held(in(), service), facts: facts{holder: &other, fleet: []podFacts{other}}, want: keep, reason: "AgentSilent", next: silenceAllowed},
		"and does not":                                 {call: silent(held(in(), service), silenceAllowed), facts: facts{holder: &other, fleet: []podFacts{ready}}, want: place},
		"its pod let go of it":                         {call: letGo(in()), facts: facts{holder: &ready, fleet: []podFacts{ready, other}}, want: place},
		"and nobody else has a seat":                   {call: letGo(in()), facts: facts{holder: &ready, fleet: []podFacts{ready}}, want: wait, reason: "Adopting", next: refusalLasts},
		"it waits to be adopted":                       {call: orphaned(in(), time.Minute, "", 0), facts: facts{bot: found, fleet: []podFacts{down}}, want: wait, reason: "Adopting", next: serviceForgets - time.Minute},
		"also to be hung up":                           {call: deleted(orphaned(in(), time.Minute, "", 0)), facts: facts{bot: found, fleet: []podFacts{ready}}, want: place},
		"a seat is free":                               {call: orphaned(in(), time.Minute, "", 0), facts: facts{bot: found, fleet: []podFacts{ready}}, want: place},
		"a pod is to adopt it":                         {call: orphaned(in(), time.Minute, "reception-0", time.Second), facts: facts{holder: &ready}, want: keep, next: claimWithin - time.Second},
		"and does not in time":                         {call: orphaned(in(), time.Minute, "reception-0", claimWithin), facts: facts{holder: &ready, fleet: []podFacts{ready, other}}, want: place},
		"so long the service keeps no call":            {call: orphaned(in(), serviceForgets, "", 0), facts: facts{bot: found, fleet: []podFacts{down}}, want: finish, reason: "PodLost"},
		"and the bot is gone":                          {call: orphaned(in(), time.Minute, "", 0), facts: facts{fleet: []podFacts{down}}, want: finish, reason: "PodLost"},
		"and the bot goes":                             {call: orphaned(in(), time.Minute, "", 0), facts: facts{bot: botFacts{exists: true, deleting: true}}, want: wait, reason: "Adopting", next: serviceForgets - time.Minute},
		"hosted by the service, not made yet":          {call: unsent(held(out(), service)), want: rejoin, reason: "PodLost", next: time.Second},
		"hosted by the service, an outgoing one":       {call: held(out(), service), facts: facts{fleet: []podFacts{other}}, want: place},
		"whose end is told goes nowhere":               {call: held(in(), service).Ended(v1alpha1.EndRemoteHungUp, false, false), want: finish, reason: "RemoteHungUp"},
		"an outgoing orphan is not made again":         {call: orphaned(out(), serviceForgets, "", 0), facts: facts{bot: found}, want: finish, reason: "PodLost"},
		"a pod refuses to adopt it":                    {call: orphaned(in(), time.Minute, "reception-0", 0).Condition(v1alpha1.ConditionAssigned, "False", v1alpha1.ReasonPodRefused, "full"), facts: facts{holder: &ready, fleet: []podFacts{ready, other}}, want: place},
		"held by another pod than it was last told of": {call: held(in(), service).BoundTo("reception-1").ClaimedBy("j"), facts: facts{holder: &other}, want: keep},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := tc.call.Object()
			before := c.DeepCopy()
			s := calls.subject(c)
			d := decide(s, tc.facts, noon)
			reason := d.reason
			switch {
			case d.end != nil:
				reason = string(d.end.Reason)
			case d.attention != "":
				reason = d.attention
			}
			if d.verdict != tc.want || reason != tc.reason {
				t.Errorf("%s/%s, want %s/%s", d.verdict, reason, tc.want, tc.reason)
			}
			if got := d.pause(noon); got != tc.next {
				t.Errorf("looked at again in %s, want %s", got, tc.next)
			}
			if !apiequality.Semantic.DeepEqual(before, c) {
				t.Error("deciding changed the call")
			}
			// What was decided holds, and a call that goes on is not forgotten.
			goesOn := s.adoptable()
			if d.verdict == place {
				d = decision{verdict: bind, pod: d.candidates[0].Name.Name, refused: d.refused, handOver: d.handOver}
				tc.facts.holder = &podFacts{name: podNamed(d.pod), ready: true, media: &v1alpha1.Media{}}
			}
			if d.refused != nil {
				tc.facts.refusals = append(tc.facts.refusals, *d.refused)
			}
			if !tc.facts.bot.exists && d.verdict == wait {
				tc.facts.bot = found
			}
			apply(s, d, noon)
			first := c.DeepCopy()
			apply(s, decide(s, tc.facts, noon), noon)
			if !apiequality.Semantic.DeepEqual(first.Status, c.Status) {
				t.Errorf("the second pass changed the status from\n%s\nto\n%s", controllertest.Dump(first), controllertest.Dump(c))
			}
			if goesOn && d.verdict != finish && (c.Status.Call.ID != before.Status.Call.ID || c.Status.Phase != before.Status.Phase || c.Status.Attempts != before.Status.Attempts) {
				t.Errorf("the call goes on, and its status became\n%s", controllertest.Dump(c))
			}
			want := v1alpha1.CallOutgoing
			if s.incoming {
				want = v1alpha1.CallIncoming
			}
			if wrote := !slices.Contains([]verdict{idle, rest, expire}, d.verdict); wrote && c.Status.Direction != want {
				t.Errorf("direction %q", c.Status.Direction)
			}
		})
	}
}

// A MeetingSession whose media the service handles is adopted too, and rejoins only when the service has given it up.
func TestDecideAboutOrphanedSessions(t *testing.T) {
	ready := podFacts{name: podNamed("reception-1"), ready: true, capacity: 2, media: &v1alpha1.Media{}, instance: "j"}
	session := func(claimedBy string) *subject {
		return meetingSessions.subject(controllertest.Session("voice", "standup", "reception").UID("me").BoundTo("reception-0").
			ClaimedBy(claimedBy).HostedBy(v1alpha1.HostingService).With(func(ms *v1alpha1.MeetingSession) {
			ms.Status.Call.ID, ms.Status.Attempts = "call", 1
		}).Object())
	}
	if d := decide(session("i"), facts{fleet: []podFacts{ready}}, noon); d.verdict != place || d.handOver == "" {
		t.Errorf("its pod is gone: %s", d.verdict)
	}
	s := session("")
	s.status.MediaPod = ""
	s.status.Timeline = record(nil, noon.Add(-serviceForgets), eventAdopting, "")
	if d := decide(s, facts{bot: botFacts{exists: true}, fleet: []podFacts{ready}}, noon); d.verdict != rejoin {
		t.Errorf("the service has given it up: %s", d.verdict)
	}
	s.status.Timeline = record(s.status.Timeline, noon, eventAdopted, "")
	s.status.Call.ClaimedBy, s.status.MediaPod = "j", "reception-1"
	if d := decide(s, facts{holder: &ready}, noon); d.verdict != keep || d.attention != "" {
		t.Errorf("another pod has adopted it: %s %s", d.verdict, d.attention)
	}
}
