// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// memory is an API server that holds one session and can be made to misbehave.
type memory struct {
	mu         sync.Mutex
	session    *callfleetv1.MeetingSession
	loseAnswer bool          // of the next write, which is done all the same
	gate       chan struct{} // writes wait for it, if set
}

func (m *memory) getSession(context.Context, string) (*callfleetv1.MeetingSession, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session.DeepCopy(), nil
}

func (m *memory) patchSession(_ context.Context, before, after *callfleetv1.MeetingSession) (*callfleetv1.MeetingSession, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before.ResourceVersion != m.session.ResourceVersion {
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "meetingsessions"}, before.Name, errors.New("changed meanwhile"))
	}
	m.session.Status = *after.Status.DeepCopy()
	m.bump()
	if m.loseAnswer {
		m.loseAnswer = false
		return nil, errors.New("connection reset by peer")
	}
	return m.session.DeepCopy(), nil
}

func (m *memory) bump() {
	n, _ := strconv.Atoi(m.session.ResourceVersion)
	m.session.ResourceVersion = strconv.Itoa(n + 1)
}

// write is what somebody else writes.
func (m *memory) write(change func(*callfleetv1.MeetingSession)) *callfleetv1.MeetingSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.session)
	m.bump()
	return m.session.DeepCopy()
}

func (m *memory) status() callfleetv1.CallStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session.DeepCopy().Status.CallStatus
}

// desk is one ready agent and one session bound to its pod, both in memory. The test plays the watch.
func desk(t *testing.T) (*Agent, *service, *memory) {
	t.Helper()
	life, die := context.WithCancel(context.Background())
	m := &memory{session: &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{
		Namespace: "voice", Name: "standup", UID: "uid-1", ResourceVersion: "10",
	}}}
	m.session.Spec.Meeting.JoinMeetingID = &callfleetv1.JoinMeetingID{ID: "123456789012"}
	m.session.Status.MediaPod, m.session.Status.Phase = "reception-0", callfleetv1.PhaseAssigned
	a := newAgent(life, "reception-0", "pod-uid", clock.RealClock{}, testr.New(t), newMetrics(prometheus.NewRegistry()))
	calls := newService()
	a.sessions, a.calls, a.sound = m, calls, &ears{state: media.StateConnected}
	pod := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Name: "reception-0", ResourceVersion: "5"}}
	pod.Spec.Capacity.Seats = 20
	a.podChanged(pod)
	a.setHealth(health{ready: true})
	t.Cleanup(func() {
		die()
		await(t, "calls to stop with the process", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.runners)+len(a.pending) == 0
		})
	})
	return a, calls, m
}

func (m *memory) awaitPhase(t *testing.T, want callfleetv1.CallPhase) {
	t.Helper()
	await(t, string(want), func() bool { return m.status().Phase == want })
}

func TestAClaimWhoseAnswerIsLostIsCarriedOut(t *testing.T) {
	a, calls, m := desk(t)
	m.loseAnswer = true
	bound := m.status()
	if bound.Call != nil {
		t.Fatal("claimed already")
	}
	s, _ := m.getSession(t.Context(), "standup")
	a.sessionChanged(s)
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	if n := calls.joined(); n != 1 {
		t.Errorf("%d calls were made, want one", n)
	}
}

func TestABindingThatComesBackWhileTheOldCallLeavesIsClaimed(t *testing.T) {
	rebind := func(s *callfleetv1.MeetingSession) {
		s.Status.Call, s.Status.Phase = nil, callfleetv1.PhaseAssigned
	}
	tests := map[string]func(*Agent, *memory){
		"taken away and given back": func(a *Agent, m *memory) {
			s, _ := m.getSession(t.Context(), "standup")
			a.sessionGone(s)
			a.sessionChanged(m.write(rebind))
		},
		"both while the watch was broken": func(a *Agent, m *memory) { a.sessionChanged(m.write(rebind)) },
	}
	for name, move := range tests {
		t.Run(name, func(t *testing.T) {
			a, calls, m := desk(t)
			calls.holdEnd = true
			s, _ := m.getSession(t.Context(), "standup")
			a.sessionChanged(s)
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			old := calls.call(t, "uid-1")
			move(a, m)
			await(t, "the old call to be left", old.leaving)
			if n := calls.joined(); n != 1 {
				t.Fatalf("%d calls at once", n)
			}
			old.end(signaling.EndFor(signaling.EndedByBot))
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			if n := calls.joined(); n != 2 {
				t.Errorf("%d calls were made, want a second one for the second binding", n)
			}
		})
	}
}

func TestACallIsLeftWhoseSessionWasGivenUpElsewhere(t *testing.T) {
	finished := func(s *callfleetv1.MeetingSession) {
		s.Status.Phase = callfleetv1.PhaseFailed
		s.Status.Call.End = &callfleetv1.CallEnd{Reason: callfleetv1.EndPodLost, Failed: true}
	}
	tests := map[string]func(*Agent, *memory, *fakeCall){
		"the watch tells": func(a *Agent, m *memory, _ *fakeCall) { a.sessionChanged(m.write(finished)) },
		"a write tells": func(_ *Agent, m *memory, c *fakeCall) {
			m.write(finished)
			c.change(func(s *signaling.Snapshot) { s.InLobby = 1 })
		},
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			a, calls, m := desk(t)
			s, _ := m.getSession(t.Context(), "standup")
			a.sessionChanged(s)
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			c := calls.call(t, "uid-1")
			giveUp(a, m, c)
			await(t, "the call to be left", c.leaving)
			await(t, "the seat to be free", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.runners) == 0 })
			if st := m.status(); st.Phase != callfleetv1.PhaseFailed || st.Call.End == nil || st.Call.End.Reason != callfleetv1.EndPodLost {
				t.Errorf("a finished session was written over: %s, %+v", st.Phase, st.Call.End)
			}
		})
	}
}

func TestAClaimThatLandsAfterTheGracePeriodMakesNoCall(t *testing.T) {
	a, calls, m := desk(t)
	m.gate = make(chan struct{})
	s, _ := m.getSession(t.Context(), "standup")
	a.sessionChanged(s)
	a.stop()
	a.stopCalls()
	close(m.gate)
	await(t, "the end to be told", func() bool { c := m.status().Call; return c != nil && c.End != nil })
	if end := m.status().Call.End; end.Reason != callfleetv1.EndPodStopped || calls.joined() != 0 {
		t.Errorf("end %+v after %d calls", end, calls.joined())
	}
}

// TestARefusalAlwaysSaysWhy, even if what it was for has passed since.
func TestARefusalAlwaysSaysWhy(t *testing.T) {
	a, _, m := desk(t)
	s, _ := m.getSession(t.Context(), "standup")
	a.act(s, verdictRefuse)
	c := meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionAssigned)
	if c == nil || !strings.HasPrefix(c.Message, "the pod was not ready a moment ago") {
		t.Errorf("condition %+v", c)
	}
}

func TestAnOldVersionOfThePodUndoesNothing(t *testing.T) {
	a, _, _ := desk(t)
	drained := a.pod.DeepCopy()
	drained.ResourceVersion, drained.Spec.Drain = "7", &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn}
	late := a.pod.DeepCopy()
	late.ResourceVersion = "6"
	a.podChanged(drained)
	a.podChanged(late)
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok, _ := a.admits(); ok {
		t.Error("a pod that drains admits a call after a late version of it came")
	}
}
