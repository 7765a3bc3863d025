// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// adopt claims a call that another process made, and goes on with it.
func (a *Agent) adopt(s *subject, what verdict, log logr.Logger) *runner {
	claimed, err := a.settle(s, what, func(st *callfleetv1.CallStatus) {
		st.Call.ClaimedBy = a.instance
		if what == verdictTakeOver {
			st.MediaPod = a.name
			meta.SetStatusCondition(&st.Conditions, metav1.Condition{
				Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionTrue, Reason: callfleetv1.ReasonBound,
				Message: "media pod " + a.name + " has taken the call over", ObservedGeneration: s.generation(),
			})
		}
	})
	if err != nil {
		log.V(1).Info("call not adopted", "cause", err.Error())
		return nil
	}
	a.metrics.admissions.WithLabelValues("adopted").Inc()
	return adoptingRunner(claimed, a)
}

// adoptingRunner goes on with a call where its last process left it.
func adoptingRunner(s *subject, a *Agent) *runner {
	before := s.status.Call.DeepCopy()
	r := newRunner(s, a)
	// What is not known again before the service is asked stays as it was told.
	r.story.Signal = signaling.Snapshot{
		Phase: phaseOf(s.status.Phase), CallID: before.ID, ChainID: before.ChainID, TenantID: string(before.TenantID), State: graph.CallState(before.State),
		Established: timeOf(before.EstablishedTime),
	}
	r.presence = rules.Resumed()
	r.begin = func(ctx context.Context) (legs, *callfleetv1.CallEnd) { return r.takeOver(ctx, s, before) }
	return r
}

func (r *runner) takeOver(ctx context.Context, s *subject, before *callfleetv1.CallRecord) (legs, *callfleetv1.CallEnd) {
	call, err := r.agent.calls.Adopt(signaling.AdoptRequest{
		UID: r.uid, CallID: before.ID, ChainID: before.ChainID, ScenarioID: r.scenario, TenantID: string(before.TenantID), Group: s.group(),
		Before: signaling.AdoptedState{
			Established: timeOf(before.EstablishedTime), Muted: s.status.Muted,
			ScreenSharing: sharingRole(s.status.ScreenSharing), Recording: recordingStatus(s.status.RecordingStatus),
		},
		OnChange: r.poke,
	})
	if err != nil {
		return legs{}, story.Failure(callfleetv1.EndServiceError, true, err.Error())
	}
	// The call goes on whatever becomes of its prompt.
	does, err := prepare(ctx, r.agent.prompts, r.hosting, s.spec.Behavior)
	if err != nil {
		r.story.Unplayed = err.Error()
		does = behavior{}
	}
	r.player.load(does, before.EstablishedTime != nil)
	return legs{signal: call}, nil
}

// group: the call is a meeting or group call.
func (s *subject) group() bool {
	switch {
	case s.session != nil:
		return true
	case s.incoming():
		return s.call.Spec.Incoming.Group
	}
	// One who was invited makes a group call of it, and then there is a roster.
	return len(s.call.Spec.To) > 1 || s.status.Participants != nil
}

func phaseOf(p callfleetv1.CallPhase) signaling.Phase {
	switch p {
	case callfleetv1.PhaseInLobby:
		return signaling.PhaseInLobby
	case callfleetv1.PhaseEstablished:
		return signaling.PhaseEstablished
	}
	return signaling.PhaseJoining
}

func timeOf(t *metav1.MicroTime) (at time.Time) {
	if t != nil {
		at = t.Time
	}
	return at
}
