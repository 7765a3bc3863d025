// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// orphaned is a session whose service-hosted call some process made; holder is the pod it is bound to.
func orphaned(holder, claimedBy string) *subject {
	s := session()
	s.status.MediaPod, s.status.Phase, s.status.Attempts = holder, callfleetv1.PhaseEstablished, 1
	s.status.Call = &callfleetv1.CallRecord{
		ClaimedBy: claimedBy, Hosting: callfleetv1.HostingService, ID: "call-1", ChainID: "chain-1", ScenarioID: "scenario-1", State: "established",
		CreatedTime: microTime(time.Unix(1000, 0)), EstablishedTime: microTime(time.Unix(1001, 0)),
	}
	s.status.Participants = &callfleetv1.Participants{Count: 2}
	s.status.RecordingStatus = callfleetv1.Recording
	return s
}

func microTime(t time.Time) *metav1.MicroTime { m := metav1.NewMicroTime(t); return &m }

func TestWhoseCallsGoOnHere(t *testing.T) {
	tests := map[string]struct {
		object *subject
		change func(*Agent, *subject)
		adopts bool
		check  func(*testing.T, callfleetv1.CallStatus)
	}{
		"bound here by the controller":    {object: orphaned("reception-0", ""), adopts: true},
		"left by the process before this": {object: orphaned("reception-0", "old-process"), adopts: true},
		"on a pod that drains, for it was here": {
			object: orphaned("reception-0", "old-process"), adopts: true,
			change: func(a *Agent, _ *subject) { a.pod.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn} },
		},
		"though there is no token yet": {object: orphaned("reception-0", ""), adopts: true, change: func(a *Agent, _ *subject) { a.health.ready = false }},
		"without a seat it goes to another pod": {
			object: orphaned("reception-0", "old-process"), change: func(a *Agent, _ *subject) { a.pod.Spec.Capacity.Seats = 0 },
			check: func(t *testing.T, st callfleetv1.CallStatus) {
				if c := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionAssigned); c == nil || c.Reason != callfleetv1.ReasonPodRefused || st.Call.ClaimedBy != "" || st.Call.End != nil {
					t.Errorf("condition %+v, call %+v", c, st.Call)
				}
			},
		},
		"whose id nobody knows is lost": {
			object: orphaned("reception-0", "old-process"), change: func(_ *Agent, s *subject) { s.status.Call.ID = "" },
			check: func(t *testing.T, st callfleetv1.CallStatus) {
				if st.Call.End == nil || st.Call.End.Reason != callfleetv1.EndPodLost {
					t.Errorf("end %+v", st.Call.End)
				}
			},
		},
		"whose media was here is lost": {
			object: orphaned("reception-0", "old-process"), change: func(_ *Agent, s *subject) { s.status.Call.Hosting = callfleetv1.HostingApplication },
			check: func(t *testing.T, st callfleetv1.CallStatus) {
				if st.Call.End == nil || st.Call.End.Reason != callfleetv1.EndPodLost {
					t.Errorf("end %+v", st.Call.End)
				}
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{object: tc.object}
			a, calls := seat(t, m, serviceHosted)
			if tc.change != nil {
				tc.change(a, m.object)
			}
			a.changed(m.newest())
			await(t, "a write", func() bool { _, n := m.writes(); return n > 0 })
			if !tc.adopts {
				tc.check(t, m.status())
				return
			}
			await(t, "the adoption", func() bool { return calls.adopted() == 1 })
			want := signaling.AdoptRequest{
				UID: "uid-1", CallID: "call-1", ChainID: "chain-1", ScenarioID: "scenario-1", Group: true,
				Before: signaling.AdoptedState{Established: time.Unix(1001, 0), State: graph.StateEstablished, Recording: graph.Recording},
			}
			got := calls.adopts[0]
			got.OnChange = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			await(t, "the timeline to tell", func() bool { return has(m.status().Timeline, "Adopted") })
			st := m.status()
			if st.Call.ClaimedBy != a.instance || st.Call.End != nil || !st.Call.EstablishedTime.Time.Equal(time.Unix(1001, 0)) || st.Participants == nil || st.Attempts != 1 {
				t.Errorf("status %+v, call %+v", st, st.Call)
			}
			if len(calls.joins) != 0 || len(calls.hungUp) != 0 {
				t.Error("the call was made anew, or hung up")
			}
		})
	}
}

func has(timeline []callfleetv1.TimelineEvent, event string) bool {
	for _, e := range timeline {
		if e.Event == event {
			return true
		}
	}
	return false
}

// TestOrphans: a notification came for a call that is not held here.
func TestOrphans(t *testing.T) {
	const other = "reception-7"
	tests := map[string]struct {
		object *subject
		to     string // the pod the notification was addressed to
		change func(*Agent, *memory)
		want   signaling.Orphan
		adopts bool
	}{
		"nobody's, of a pod that is gone": {to: other, want: signaling.Orphan{Abandoned: true}},
		"nobody's yet":                    {to: other, change: func(_ *Agent, m *memory) { m.pods = map[string]*callfleetv1.MediaPod{other: {}} }},
		"nobody's, at this pod's address": {to: "reception-0"},
		"of a session that is over": {
			object: orphaned(other, "x"), to: other, want: signaling.Orphan{Abandoned: true},
			change: func(_ *Agent, m *memory) { m.object.status.Phase = callfleetv1.PhaseCompleted },
		},
		"with media of its own":            {object: orphaned(other, "x"), to: other, change: func(_ *Agent, m *memory) { m.object.status.Call.Hosting = callfleetv1.HostingApplication }},
		"the API server is away":           {object: orphaned(other, "x"), to: other, change: func(_ *Agent, m *memory) { m.away = true }, want: signaling.Orphan{Later: true}},
		"of a pod that does not answer":    {object: orphaned(other, "x"), to: other, want: signaling.Orphan{Adopted: true}, adopts: true},
		"waiting for a seat":               {object: orphaned("", ""), to: other, want: signaling.Orphan{Adopted: true}, adopts: true},
		"released, its pod asked no more":  {object: orphaned(other, ""), to: other, want: signaling.Orphan{Adopted: true}, adopts: true, change: func(_ *Agent, m *memory) { refuse(m.object.status, time.Now(), "it stops", 1) }},
		"bound here, by the watch unknown": {object: orphaned("reception-0", ""), to: other, want: signaling.Orphan{Adopted: true}, adopts: true},
		"adopted elsewhere": {
			object: orphaned("reception-3", "x"), to: other, want: signaling.Orphan{Owner: "reception-3"},
			change: func(_ *Agent, m *memory) { m.pods = map[string]*callfleetv1.MediaPod{"reception-3": {}} },
		},
		"adopted elsewhere, and lost there too": {object: orphaned("reception-3", "x"), to: other, want: signaling.Orphan{Adopted: true}, adopts: true},
		"no seat":                               {object: orphaned(other, "x"), to: other, change: func(a *Agent, _ *memory) { a.pod.Spec.Capacity.Seats = 0 }, want: signaling.Orphan{Later: true}},
		"the pod is emptied": {
			object: orphaned(other, "x"), to: other, want: signaling.Orphan{Later: true},
			change: func(a *Agent, _ *memory) { a.pod.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn} },
		},
		"the pod stops": {object: orphaned(other, "x"), to: other, change: func(a *Agent, _ *memory) { a.stop() }, want: signaling.Orphan{Later: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{object: tc.object}
			a, calls := seat(t, m, serviceHosted)
			if tc.change != nil {
				tc.change(a, m)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if diff := cmp.Diff(tc.want, a.orphan(ctx, "uid-1", tc.to)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			calls.mu.Lock()
			defer calls.mu.Unlock()
			if adopted := len(calls.adopts) == 1; adopted != tc.adopts {
				t.Fatalf("adopted: %v", adopted)
			}
			if st := m.status(); tc.adopts && (st.MediaPod != "reception-0" || st.Call.ClaimedBy != a.instance) {
				t.Errorf("bound to %q, claimed by %q", st.MediaPod, st.Call.ClaimedBy)
			}
		})
	}
}

// TestTwoPodsThatAdoptAtOnce: one has the call, and the other is told to come back.
func TestTwoPodsThatAdoptAtOnce(t *testing.T) {
	m := &memory{object: orphaned("reception-7", "x"), pods: map[string]*callfleetv1.MediaPod{"reception-0": {}, "reception-1": {}}}
	one, oneCalls := seat(t, m, serviceHosted)
	two, twoCalls := seat(t, m, serviceHosted, func(p *callfleetv1.MediaPod) { p.Name = "reception-1" })
	two.name = "reception-1"
	answers := make(chan signaling.Orphan)
	for _, a := range []*Agent{one, two} {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			answers <- a.orphan(ctx, "uid-1", "reception-7")
		}()
	}
	first, second := <-answers, <-answers
	if first.Adopted == second.Adopted {
		t.Errorf("%+v and %+v", first, second)
	}
	oneCalls.mu.Lock()
	twoCalls.mu.Lock()
	defer oneCalls.mu.Unlock()
	defer twoCalls.mu.Unlock()
	if n := len(oneCalls.adopts) + len(twoCalls.adopts); n != 1 {
		t.Errorf("adopted %d times", n)
	}
}

func awaitEstablished(t *testing.T, m *memory) {
	t.Helper()
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
}

// TestAStoppingProcessHandsItsCallsOn, and hangs up none that can go on elsewhere.
func TestAStoppingProcessHandsItsCallsOn(t *testing.T) {
	m := &memory{object: session()}
	a, calls := seat(t, m, serviceHosted)
	a.changed(m.newest())
	awaitEstablished(t, m)
	a.stop()
	if !a.waitIdle(t.Context()) {
		t.Fatal("not idle")
	}
	st := m.status()
	if st.Call.ClaimedBy != "" || st.Call.End != nil || st.Call.ID != "call-1" || st.Phase != callfleetv1.PhaseEstablished || st.MediaPod != "reception-0" {
		t.Errorf("status %+v, call %+v", st, st.Call)
	}
	if c := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionAssigned); c == nil || c.Reason != callfleetv1.ReasonPodRefused {
		t.Errorf("the controller is not told to find another pod: %+v", c)
	}
	if !has(st.Timeline, "Released") {
		t.Errorf("timeline %+v", st.Timeline)
	}
	if len(calls.released) != 1 {
		t.Errorf("released %v", calls.released)
	}
	a.changed(m.newest())
	if calls.adopted() != 0 {
		t.Error("a stopping process took its call back")
	}
}

// TestACallThatIsTakenOverIsLetGo: whoever lost it, though it lives, must not end it for everybody.
func TestACallThatIsTakenOverIsLetGo(t *testing.T) {
	takenOver := func(pod, by string) func(*callfleetv1.CallStatus) {
		return func(st *callfleetv1.CallStatus) { st.MediaPod, st.Call.ClaimedBy = pod, by }
	}
	tests := map[string]struct {
		change func(*callfleetv1.CallStatus)
		tell   func(*Agent, *memory, *fakeCall)
		hangUp bool
	}{
		"the watch says it is bound elsewhere":   {change: takenOver("reception-1", "y"), tell: func(a *Agent, m *memory, _ *fakeCall) { a.gone(m.newest()) }},
		"the watch says it waits for a pod":      {change: takenOver("", ""), tell: func(a *Agent, m *memory, _ *fakeCall) { a.gone(m.newest()) }},
		"the watch says nobody has it":           {change: takenOver("reception-0", "y"), tell: func(a *Agent, m *memory, _ *fakeCall) { a.changed(m.newest()) }},
		"a write says so":                        {change: takenOver("reception-1", "y"), tell: func(_ *Agent, _ *memory, c *fakeCall) { c.change(func(s *signaling.Snapshot) { s.InLobby = 3 }) }},
		"the session was taken from its meeting": {change: func(st *callfleetv1.CallStatus) { st.MediaPod, st.Call = "", nil }, tell: func(a *Agent, m *memory, _ *fakeCall) { a.gone(m.newest()) }, hangUp: true},
		"another attempt has begun elsewhere": {
			change: func(st *callfleetv1.CallStatus) {
				st.MediaPod, st.Call.ClaimedBy, st.Call.ScenarioID = "reception-1", "y", "another"
			},
			tell: func(a *Agent, m *memory, _ *fakeCall) { a.gone(m.newest()) }, hangUp: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{object: session()}
			a, calls := seat(t, m, serviceHosted)
			a.changed(m.newest())
			awaitEstablished(t, m)
			call := calls.call(t, "uid-1")
			m.write(tc.change)
			before, _ := m.writes()
			tc.tell(a, m, call)
			await(t, "the call to be let go", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return a.runners["uid-1"] == nil || calls.adopted() > 0
			})
			if call.leaving() != tc.hangUp {
				t.Errorf("hung up: %v", call.leaving())
			}
			if after, _ := m.writes(); after != before {
				t.Error("something was written about a call of somebody else")
			}
		})
	}
}

// TestAllCallsOfAKilledPodGoOn, against a real API server: the controller has bound them here anew.
func TestAllCallsOfAKilledPodGoOn(t *testing.T) {
	const n = 200
	b := newBenchOf(t, n, func(p *callfleetv1.MediaPod) {
		p.Spec.Media = callfleetv1.Media{Hosting: callfleetv1.HostingService}
	})
	for i := range n {
		s := b.session(fmt.Sprintf("call-%d", i))
		b.patch(s, func(st *callfleetv1.CallStatus) {
			*st = *orphaned(b.pod.Name, "").status.DeepCopy()
			st.MediaPod = b.pod.Name
			st.Call.ID = "call-of-" + s.Name
		})
	}
	list := &callfleetv1.MeetingSessionList{}
	await(t, "every call to go on", func() bool {
		if b.api.List(t.Context(), list, client.InNamespace(b.ns)) != nil {
			return false
		}
		for i := range list.Items {
			if st := list.Items[i].Status; st.Call == nil || st.Call.ClaimedBy != b.agent.instance || !has(st.Timeline, "Adopted") {
				return false
			}
		}
		return len(list.Items) == n
	})
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	if len(b.service.adopts) != n || len(b.service.joins) != 0 || len(b.service.hungUp) != 0 {
		t.Errorf("adopted %d, made %d, hung up %d", len(b.service.adopts), len(b.service.joins), len(b.service.hungUp))
	}
	for i := range list.Items {
		if st := list.Items[i].Status; st.Call.End != nil || st.Attempts != 1 {
			t.Errorf("%s: end %+v, attempts %d", list.Items[i].Name, st.Call.End, st.Attempts)
		}
	}
}
