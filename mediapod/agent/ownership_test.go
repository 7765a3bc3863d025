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
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/meeting"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// memory is an API server that holds one object and can be made to misbehave.
type memory struct {
	mu         sync.Mutex
	object     *subject      // nil: there is none
	loseAnswer bool          // of the next write, which is done all the same
	away       bool          // nothing is answered
	refuse     error         // what the next creation is answered, once
	gate       chan struct{} // writes wait for it, if set
	creates    int
	patches    int
	pods       map[string]*callfleetv1.MediaPod
}

var errAway = errors.New("connection refused")

func (m *memory) get(_ context.Context, k *kind, name string) (*subject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away:
		return nil, errAway
	case m.object == nil || m.object.kind != k || m.object.name() != name:
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: k.resource}, name)
	}
	return m.object.copy(), nil
}

func (m *memory) create(_ context.Context, s *subject) (*subject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away:
		return nil, errAway
	case m.refuse != nil:
		err := m.refuse
		m.refuse = nil
		return nil, err
	case m.object != nil:
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: s.kind.resource}, s.name())
	}
	m.creates++
	m.object = s.copy()
	m.object.object.SetUID("uid-made")
	m.object.object.SetResourceVersion("10")
	m.object.object.SetGeneration(1)
	m.object = m.object.copy()
	if m.loseAnswer {
		m.loseAnswer = false
		return nil, errors.New("connection reset by peer")
	}
	return m.object.copy(), nil
}

func (m *memory) patch(_ context.Context, before, after *subject) (*subject, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away:
		return nil, errAway
	case before.version() != m.object.version():
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: before.kind.resource}, before.name(), errors.New("changed meanwhile"))
	}
	m.patches++
	*m.object.status = *after.status.DeepCopy()
	if m.object.call != nil {
		m.object.call.Status.Direction = after.call.Status.Direction
	}
	m.bump()
	if m.loseAnswer {
		m.loseAnswer = false
		return nil, errors.New("connection reset by peer")
	}
	return m.object.copy(), nil
}

func (m *memory) unfinished(_ context.Context, k *kind, _ string) ([]*subject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away:
		return nil, errAway
	case m.object == nil || m.object.kind != k:
		return nil, nil
	}
	return []*subject{m.object.copy()}, nil
}

func (m *memory) getMediaPod(_ context.Context, name string) (*callfleetv1.MediaPod, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pods[name]; p != nil {
		return p, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "mediapods"}, name)
}

func (m *memory) patchMediaPod(_ context.Context, _, after *callfleetv1.MediaPod) (*callfleetv1.MediaPod, error) {
	return after, nil
}

func (m *memory) bump() {
	n, _ := strconv.Atoi(m.object.version())
	m.object.object.SetResourceVersion(strconv.Itoa(n + 1))
}

// write is what somebody else writes.
func (m *memory) write(change func(*callfleetv1.CallStatus)) *subject {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.object.status)
	m.bump()
	return m.object.copy()
}

// specify is what the user writes.
func (m *memory) specify(change func(*callfleetv1.CallSpec)) *subject {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.object.spec)
	m.object.object.SetGeneration(m.object.generation() + 1)
	m.bump()
	return m.object.copy()
}

func (m *memory) newest() *subject {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.object == nil {
		return nil
	}
	return m.object.copy()
}

func (m *memory) status() callfleetv1.CallStatus {
	if s := m.newest(); s != nil {
		return *s.status
	}
	return callfleetv1.CallStatus{}
}

func (m *memory) goAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) writes() (creates, patches int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.creates, m.patches
}

// session is one that is bound to reception-0.
func session() *subject {
	ms := &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{
		Namespace: "voice", Name: "standup", UID: "uid-1", ResourceVersion: "10",
	}}
	ms.Spec.Meeting.JoinMeetingID = &callfleetv1.JoinMeetingID{ID: "123456789012"}
	ms.Status.MediaPod, ms.Status.Phase = "reception-0", callfleetv1.PhaseAssigned
	return meetingSessions.subject(ms)
}

// desk is one ready agent and one session bound to its pod, both in memory. The test plays the watch.
func desk(t *testing.T) (*Agent, *service, *memory) {
	t.Helper()
	m := &memory{object: session()}
	a, calls := seat(t, m)
	return a, calls, m
}

// seat is one ready agent before an API server in memory.
func seat(t *testing.T, m *memory, change ...func(*callfleetv1.MediaPod)) (*Agent, *service) {
	t.Helper()
	life, die := context.WithCancel(context.Background())
	a := newAgent(life, "reception-0", "pod-uid", clock.RealClock{}, testr.New(t), newMetrics(prometheus.NewRegistry()))
	calls := newService()
	a.objects, a.pods, a.calls, a.sound, a.prompts, a.meetings = m, m, calls, &ears{state: media.StateConnected}, &files{}, &meeting.Finder{}
	pod := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "reception-0", ResourceVersion: "5"}}
	pod.Spec.BotRef.Name, pod.Spec.Capacity.Seats = "reception", 20
	pod.Spec.Identity = callfleetv1.BotIdentity{AppID: controllertest.AppID, TenantID: controllertest.TenantID}
	pod.Spec.Signaling.Host = "bots.contoso.com"
	for _, c := range change {
		c(pod)
	}
	a.podChanged(pod)
	a.setHealth(health{ready: true})
	for _, k := range kinds {
		a.synced(k)
	}
	a.book = a.prepareRules(t.Context(), pod)
	t.Cleanup(func() {
		die()
		await(t, "calls to stop with the process", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.runners)+len(a.pending) == 0
		})
	})
	return a, calls
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
	s := m.newest()
	a.changed(s)
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	if n := calls.joined(); n != 1 {
		t.Errorf("%d calls were made, want one", n)
	}
}

func TestABindingThatComesBackWhileTheOldCallLeavesIsClaimed(t *testing.T) {
	rebind := func(st *callfleetv1.CallStatus) {
		st.Call, st.Phase = nil, callfleetv1.PhaseAssigned
	}
	tests := map[string]func(*Agent, *memory){
		"taken away and given back": func(a *Agent, m *memory) {
			s := m.newest()
			a.gone(s)
			a.changed(m.write(rebind))
		},
		"both while the watch was broken": func(a *Agent, m *memory) { a.changed(m.write(rebind)) },
	}
	for name, move := range tests {
		t.Run(name, func(t *testing.T) {
			a, calls, m := desk(t)
			calls.holdEnd = true
			s := m.newest()
			a.changed(s)
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
	finished := func(st *callfleetv1.CallStatus) {
		st.Phase = callfleetv1.PhaseFailed
		st.Call.End = &callfleetv1.CallEnd{Reason: callfleetv1.EndPodLost, Failed: true}
	}
	tests := map[string]func(*Agent, *memory, *fakeCall){
		"the watch tells": func(a *Agent, m *memory, _ *fakeCall) { a.changed(m.write(finished)) },
		"a write tells": func(_ *Agent, m *memory, c *fakeCall) {
			m.write(finished)
			c.change(func(s *signaling.Snapshot) { s.InLobby = 1 })
		},
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			a, calls, m := desk(t)
			s := m.newest()
			a.changed(s)
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
	s := m.newest()
	a.changed(s)
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
	s := m.newest()
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
	if ok, _ := a.admits(1); ok {
		t.Error("a pod that drains admits a call after a late version of it came")
	}
}
