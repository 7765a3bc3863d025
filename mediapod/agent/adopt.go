// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
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
		Established: timeOf(before.EstablishedTime), Invites: invitesBefore(s.status.Invites),
	}
	r.story.Asked = story.Asked{Recording: s.spec.RecordingStatus, Invite: s.spec.Invite}
	r.presence = rules.Resumed(a.clock.Now(), lobbySince(s.status))
	r.begin = func(ctx context.Context) (legs, *callfleetv1.CallEnd) { return r.takeOver(ctx, s, before) }
	return r
}

func (r *runner) takeOver(ctx context.Context, s *subject, before *callfleetv1.CallRecord) (legs, *callfleetv1.CallEnd) {
	call, err := r.agent.calls.Adopt(signaling.AdoptRequest{
		UID: r.uid, CallID: before.ID, ChainID: before.ChainID, ScenarioID: r.scenario, TenantID: string(before.TenantID), Group: s.group(),
		Before: s.adopted(), OnChange: r.poke,
	})
	if err != nil {
		return legs{}, story.Failure(callfleetv1.EndServiceError, true, err.Error())
	}
	if ref := flowRefOf(s.spec.Behavior); ref != nil {
		return r.takeOverFlow(ctx, s, ref, call)
	}
	// The call goes on whatever becomes of its prompt.
	does, err := prepare(ctx, r.agent.prompts, r.hosting, s.spec.Behavior)
	if err != nil {
		r.story.Unplayed = err.Error()
		does = behavior{}
	}
	// Only what is known to have been heard is not played: twice is better than never.
	r.player.load(does, !toldAt(s.status, eventPromptPlayed, eventPromptStopped).IsZero())
	return legs{signal: call}, nil
}

// adopted is what the status tells of a call that is taken over.
func (s *subject) adopted() signaling.AdoptedState {
	st := s.status
	before := signaling.AdoptedState{
		Established: timeOf(st.Call.EstablishedTime), State: graph.CallState(st.Call.State), InLobby: st.Phase == callfleetv1.PhaseInLobby,
		// In a call of two the pod keeps silent by itself, and the service knows nothing of it.
		Muted:         st.Muted && s.group(),
		ScreenSharing: sharingRole(st.ScreenSharing), Recording: recordingStatus(st.RecordingStatus),
		Invites: invitesBefore(st.Invites),
	}
	if s.call != nil && st.Call.CreatedTime != nil {
		if rings := s.call.Spec.RingingTimeout.Duration(); rings > 0 {
			before.RingsUntil = st.Call.CreatedTime.Add(rings)
		}
	}
	return before
}

func invitesBefore(told []callfleetv1.InviteStatus) (list []signaling.Invite) {
	for _, i := range told {
		list = append(list, signaling.Invite{
			Who: graph.InvitationParticipantInfo{Identity: rules.Party(i.Identity)}, State: signaling.InviteState(i.State), Message: i.Message,
		})
	}
	return list
}

// lobbySince is when the bot came into the lobby that it waits in; zero if it does not, or nobody knows.
func lobbySince(st *callfleetv1.CallStatus) time.Time {
	if st.Phase != callfleetv1.PhaseInLobby {
		return time.Time{}
	}
	return toldAt(st, signaling.EventInLobby)
}

// toldAt is when one of the events last happened in this attempt, by the timeline; zero if it did not, or is not told any more.
func toldAt(st *callfleetv1.CallStatus, events ...string) (at time.Time) {
	for _, e := range st.Timeline {
		if slices.Contains(events, e.Event) && !e.Time.Time.Before(timeOf(st.Call.CreatedTime)) {
			at = e.Time.Time
		}
	}
	return at
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
	return len(s.call.Spec.To) > 1 || s.status.Participants != nil || slices.ContainsFunc(s.status.Invites, func(i callfleetv1.InviteStatus) bool {
		return i.State == callfleetv1.InviteJoined
	})
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
