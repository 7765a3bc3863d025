// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func podNamed(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "voice", Name: name}
}

func TestDecide(t *testing.T) {
	type builder = *controllertest.SessionBuilder
	ready := podFacts{name: podNamed("reception-0"), ready: true, capacity: 2, media: &v1alpha1.Media{}, instance: "i"}
	other := podFacts{name: podNamed("reception-1"), ready: true, capacity: 2, media: &v1alpha1.Media{}, instance: "j"}
	found := botFacts{exists: true}
	boundAt := func(b builder, at time.Time) builder {
		return b.BoundTo("reception-0").With(func(ms *v1alpha1.MeetingSession) {
			ms.Status.Attempts = 1
			ms.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAssigned, Status: "True", LastTransitionTime: metav1.NewTime(at)}}
		})
	}
	silentSince := func(b builder, at time.Time) builder {
		return b.With(func(ms *v1alpha1.MeetingSession) {
			ms.Status.Conditions = append(ms.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionNeedsAttention, Status: "True", Reason: v1alpha1.ReasonAgentSilent, LastTransitionTime: metav1.NewTime(at),
			})
		})
	}
	rejoining := func(b builder, attempts int32, at time.Time) builder {
		return b.With(func(ms *v1alpha1.MeetingSession) {
			ms.Status.Attempts = attempts
			ms.Status.Timeline = record(nil, at, eventRejoining, "")
		})
	}
	deleted := func(b builder) builder {
		return b.With(func(ms *v1alpha1.MeetingSession) { ms.DeletionTimestamp = &metav1.Time{Time: noon} })
	}
	finishedAt := func(b builder, at time.Time) builder {
		return b.Phase(v1alpha1.PhaseCompleted).With(func(ms *v1alpha1.MeetingSession) { ms.Status.FinishedTime = &metav1.Time{Time: at} })
	}
	cases := map[string]struct {
		session func(builder) builder
		facts   facts
		want    verdict
		reason  string // of a wait, or of an end
		next    time.Duration
	}{
		"a seat is looked for": {facts: facts{bot: found, fleet: []podFacts{ready}}, want: place},
		"no pods":              {facts: facts{bot: found}, want: wait, reason: "NoSeat"},
		"only pods that drain or are not ready": {
			facts: facts{bot: found, fleet: []podFacts{{name: podNamed("a"), ready: true, leaving: true, capacity: 1, media: &v1alpha1.Media{}}, {name: podNamed("b"), capacity: 1, media: &v1alpha1.Media{}}}},
			want:  wait, reason: "NoSeat",
		},
		"startTime is ahead": {
			session: func(b builder) builder { return b.Start(noon.Add(time.Minute)).End(noon.Add(time.Hour)) },
			facts:   facts{bot: found, fleet: []podFacts{ready}}, want: wait, reason: "Scheduled", next: time.Minute,
		},
		"startTime is now": {
			session: func(b builder) builder { return b.Start(noon) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: place,
		},
		"no bot":              {facts: facts{fleet: []podFacts{ready}}, want: wait, reason: "BotNotFound"},
		"the bot goes":        {facts: facts{bot: botFacts{exists: true, deleting: true}, fleet: []podFacts{ready}}, want: wait, reason: "BotNotFound"},
		"another is there":    {facts: facts{bot: found, fleet: []podFacts{ready}, rival: "x"}, want: wait, reason: "AlreadyInMeeting"},
		"endTime wakes it up": {session: func(b builder) builder { return b.End(noon.Add(time.Hour)) }, facts: facts{bot: found}, want: wait, reason: "NoSeat", next: time.Hour},
		"endTime has passed":  {session: func(b builder) builder { return b.End(noon) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: finish, reason: "NoSeatInTime"},
		"deleted and unbound": {session: deleted, facts: facts{bot: found, fleet: []podFacts{ready}}, want: finish, reason: "SessionDeleted"},
		"deleted and bound":   {session: func(b builder) builder { return deleted(boundAt(b, noon)) }, facts: facts{holder: &ready}, want: finish, reason: "SessionDeleted"},
		"deleted and in call": {session: func(b builder) builder { return deleted(boundAt(b, noon).ClaimedBy("i")) }, facts: facts{holder: &ready}, want: keep},
		"given time to claim": {session: func(b builder) builder { return boundAt(b, noon.Add(-5*time.Second)) }, facts: facts{holder: &ready}, want: keep, next: 10 * time.Second},
		"claim came too late": {session: func(b builder) builder { return boundAt(b, noon.Add(-claimWithin)) }, facts: facts{holder: &ready, fleet: []podFacts{ready, other}}, want: place},
		"nowhere else to go":  {session: func(b builder) builder { return boundAt(b, noon.Add(-claimWithin)) }, facts: facts{holder: &ready, fleet: []podFacts{ready}}, want: wait, reason: "PodRefused", next: refusalLasts},
		"the pod is gone":     {session: func(b builder) builder { return boundAt(b, noon) }, facts: facts{}, want: wait, reason: "NoSeat"},
		"back-off of one":     {session: func(b builder) builder { return rejoining(b, 1, noon) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: keep, next: time.Second},
		"back-off of four":    {session: func(b builder) builder { return rejoining(b, 4, noon) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: keep, next: 8 * time.Second},
		"back-off is capped":  {session: func(b builder) builder { return rejoining(b, 99, noon) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: keep, next: rejoinMax},
		"back-off is over":    {session: func(b builder) builder { return rejoining(b, 4, noon.Add(-8*time.Second)) }, facts: facts{bot: found, fleet: []podFacts{ready}}, want: place},
		"a call goes on":      {session: func(b builder) builder { return boundAt(b, noon).ClaimedBy("i") }, facts: facts{holder: &ready}, want: keep},
		"a call has ended": {session: func(b builder) builder {
			return boundAt(b, noon).ClaimedBy("i").Ended(v1alpha1.EndMeetingEnded, false, false)
		}, facts: facts{holder: &ready}, want: finish, reason: "MeetingEnded"},
		"by a fault": {session: func(b builder) builder {
			return boundAt(b, noon).ClaimedBy("i").Ended(v1alpha1.EndMediaLost, true, true)
		}, facts: facts{holder: &ready}, want: rejoin, reason: "MediaLost", next: time.Second},
		"by a fault that stays": {session: func(b builder) builder {
			return boundAt(b, noon).ClaimedBy("i").Ended(v1alpha1.EndPermissionMissing, true, false)
		}, facts: facts{holder: &ready}, want: finish, reason: "PermissionMissing"},
		"by a fault, and may not rejoin": {
			session: func(b builder) builder {
				return boundAt(b, noon).Rejoin(v1alpha1.RejoinNever, 3).Ended(v1alpha1.EndMediaLost, true, true)
			},
			facts: facts{holder: &ready}, want: finish, reason: "MediaLost",
		},
		"by a fault, the last of the attempts": {
			session: func(b builder) builder {
				return boundAt(b, noon).Rejoin(v1alpha1.RejoinOnFailure, 1).Ended(v1alpha1.EndMediaLost, true, true)
			},
			facts: facts{holder: &ready}, want: finish, reason: "MediaLost",
		},
		"by a fault after endTime": {
			session: func(b builder) builder { return boundAt(b, noon).End(noon).Ended(v1alpha1.EndMediaLost, true, true) },
			facts:   facts{holder: &ready}, want: finish, reason: "MediaLost",
		},
		"the agent is silent": {session: func(b builder) builder { return boundAt(b, noon).ClaimedBy("gone") }, facts: facts{holder: &ready}, want: keep, reason: "AgentSilent", next: silenceAllowed},
		"for a while now": {session: func(b builder) builder {
			return silentSince(boundAt(b, noon).ClaimedBy("gone"), noon.Add(-20*time.Second))
		}, facts: facts{holder: &ready}, want: keep, reason: "AgentSilent", next: 10 * time.Second},
		"for too long": {session: func(b builder) builder {
			return silentSince(boundAt(b, noon).ClaimedBy("gone"), noon.Add(-silenceAllowed))
		}, facts: facts{holder: &ready}, want: rejoin, reason: "PodLost", next: time.Second},
		"and back again": {session: func(b builder) builder {
			return silentSince(boundAt(b, noon).ClaimedBy("i"), noon.Add(-silenceAllowed))
		}, facts: facts{holder: &ready}, want: keep},
		"the pod of a call is gone":  {session: func(b builder) builder { return boundAt(b, noon).ClaimedBy("i") }, want: rejoin, reason: "PodLost", next: time.Second},
		"endTime passes in a call":   {session: func(b builder) builder { return boundAt(b, noon).End(noon).ClaimedBy("i") }, facts: facts{holder: &ready}, want: keep, next: overdueAfter},
		"and long ago":               {session: func(b builder) builder { return boundAt(b, noon).End(noon.Add(-overdueAfter)).ClaimedBy("i") }, facts: facts{holder: &ready}, want: finish, reason: "EndTimeReached"},
		"over, and kept":             {session: func(b builder) builder { return finishedAt(b, noon) }, want: rest},
		"over, and kept a while":     {session: func(b builder) builder { return finishedAt(b, noon).TTL(60) }, want: rest, next: time.Minute},
		"over, and kept long enough": {session: func(b builder) builder { return finishedAt(b, noon.Add(-time.Minute)).TTL(60) }, want: expire},
		"over, and deleted already":  {session: func(b builder) builder { return deleted(finishedAt(b, noon.Add(-time.Minute)).TTL(60)) }, want: rest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := controllertest.Session("voice", "standup", "reception").UID("me")
			if tc.session != nil {
				b = tc.session(b)
			}
			ms := b.Object()
			s := meetingSessions.subject(ms)
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
			if ms.Status.Phase != b.Object().Status.Phase {
				t.Error("deciding changed the session")
			}
			// What was decided holds: applied, and decided again at the same time, nothing changes any more.
			if d.verdict == place {
				d = decision{verdict: bind, pod: d.candidates[0].Name.Name, refused: d.refused}
				tc.facts.holder = &podFacts{name: podNamed(d.pod), ready: true, media: &v1alpha1.Media{}}
			}
			if d.refused != nil {
				tc.facts.refusals = append(tc.facts.refusals, *d.refused)
				tc.facts.bot = found
			}
			apply(s, d, noon)
			first := ms.DeepCopy()
			apply(s, decide(s, tc.facts, noon), noon)
			if !equalStatus(first, ms) {
				t.Errorf("the second pass changed the status from\n%s\nto\n%s", controllertest.Dump(first), controllertest.Dump(ms))
			}
		})
	}
}

func TestRivals(t *testing.T) {
	at := func(name string, created time.Duration, change func(*controllertest.SessionBuilder)) *subject {
		b := controllertest.Session("voice", name, "reception").UID(name).With(func(ms *v1alpha1.MeetingSession) {
			ms.CreationTimestamp = metav1.NewTime(noon.Add(created))
		})
		if change != nil {
			change(b)
		}
		return meetingSessions.subject(b.Object())
	}
	in := func(b *controllertest.SessionBuilder) { b.BoundTo("reception-0") }
	cases := map[string]struct {
		me    *subject
		other *subject
		want  string
	}{
		"myself":                  {at("me", 0, nil), at("me", 0, nil), ""},
		"an older one":            {at("me", 0, nil), at("other", -1, nil), "other"},
		"a younger one":           {at("me", 0, nil), at("other", time.Second, nil), ""},
		"of one age, by UID":      {at("me", 0, nil), at("a", 0, nil), "a"},
		"a younger one inside":    {at("me", 0, nil), at("other", time.Second, in), "other"},
		"an older one, me inside": {at("me", 0, in), at("other", -time.Second, nil), ""},
		"an older one, finished":  {at("me", 0, nil), at("other", -time.Second, func(b *controllertest.SessionBuilder) { b.Phase(v1alpha1.PhaseFailed) }), ""},
		"an older one, later":     {at("me", 0, nil), at("other", -time.Second, func(b *controllertest.SessionBuilder) { b.Start(noon.Add(time.Hour)) }), ""},
		"an older one, ending":    {at("me", 0, nil), at("other", -time.Second, func(b *controllertest.SessionBuilder) { b.DesiredState(v1alpha1.DesiredEnded) }), ""},
		"one that rejoins": {at("me", 0, nil), at("other", time.Second, func(b *controllertest.SessionBuilder) {
			b.With(func(ms *v1alpha1.MeetingSession) { ms.Status.Attempts = 1 })
		}), "other"},
		"one that leaves, not yet": {at("me", 0, nil), at("other", time.Second, func(b *controllertest.SessionBuilder) { in(b); b.DesiredState(v1alpha1.DesiredEnded) }), "other"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rivalOf(tc.me, []*subject{tc.me, tc.other}, noon); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMessagesOfAFleet(t *testing.T) {
	down := func(name, reason, message string) podFacts {
		return podFacts{name: podNamed(name), reason: reason, message: message, capacity: 20, media: &v1alpha1.Media{}}
	}
	up := podFacts{name: podNamed("reception-0"), ready: true, capacity: 20, media: &v1alpha1.Media{}}
	cases := map[string]struct {
		fleet []podFacts
		want  string
	}{
		"empty":     {nil, "no free seat: reception has no media pods that take calls. "},
		"full":      {[]podFacts{up}, "no free seat: reception has 1 of 1 pods ready and all of their 20 seats are taken. "},
		"half down": {[]podFacts{up, down("reception-1", "CredentialsRejected", "expired")}, "1 of 2 pods ready and all of their 20 seats are taken; reception-1: CredentialsRejected (expired). "},
		"many down": {[]podFacts{down("a", "", ""), down("b", "X", ""), down("c", "X", ""), down("d", "X", "")}, "0 of 4 pods ready; a: not reported yet; b: X; c: X; and 1 more. "},
		"draining":  {[]podFacts{{name: podNamed("a"), ready: true, leaving: true, capacity: 9, media: &v1alpha1.Media{}}}, "no media pods that take calls"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := noSeatMessage(meetingSessions.subject(controllertest.Session("voice", "standup", "reception").Object()), tc.fleet); !strings.Contains(got, tc.want) {
				t.Errorf("%q lacks %q", got, tc.want)
			}
		})
	}
}

// TestAStrainedPodIsLookedPast as long as it is strained, whatever its seats; and those who wait are told why.
func TestAStrainedPodIsLookedPast(t *testing.T) {
	for load, usable := range map[v1alpha1.PodLoad]bool{"": true, v1alpha1.LoadNormal: true, v1alpha1.LoadHeavy: false, v1alpha1.LoadOver: false} {
		mp := controllertest.MediaPod("voice", "reception", 0).Ready().With(func(mp *v1alpha1.MediaPod) {
			mp.Status.Agent.Load, mp.Status.Agent.Message = load, "give it more CPU"
		}).Object()
		p := podFactsOf(mp)
		if p.usable() != usable {
			t.Errorf("load %q: usable %t", load, p.usable())
		}
		if text := p.describe(); !usable && text != "reception-0: "+string(load)+" (give it more CPU)" {
			t.Errorf("load %q is told as %q", load, text)
		}
	}
}

func equalStatus(a, b *v1alpha1.MeetingSession) bool {
	return apiequality.Semantic.DeepEqual(a.Status, b.Status)
}
