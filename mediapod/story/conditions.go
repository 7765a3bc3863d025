// SPDX-License-Identifier: Apache-2.0

package story

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func (s Story) conditions() []metav1.Condition {
	return []metav1.Condition{s.connected(), s.flowing()}
}

// tellRecording tells of it once it was asked for, and from then on.
func (s Story) tellRecording(st *v1alpha1.CallStatus, generation int64) {
	c, asked := s.recording()
	if !asked && meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionRecording) == nil {
		return
	}
	c.ObservedGeneration = generation
	meta.SetStatusCondition(&st.Conditions, c)
}

func (s Story) connected() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionConnected, Status: metav1.ConditionFalse}
	switch {
	case s.End != nil:
		c.Reason, c.Message = string(s.End.Reason), s.End.Message
	case s.Phase() == v1alpha1.PhaseEstablished:
		c.Status = metav1.ConditionTrue
		c.Reason, c.Message = v1alpha1.ReasonEstablished, "the bot is in the call"
	case s.Phase() == v1alpha1.PhaseInLobby:
		c.Reason, c.Message = v1alpha1.ReasonInLobby, "the bot waits in the lobby; somebody in the meeting has to admit it"
	case s.Phase() == v1alpha1.PhaseLeaving:
		c.Reason, c.Message = v1alpha1.ReasonLeaving, "the bot is leaving"
	default:
		c.Reason, c.Message = v1alpha1.ReasonJoining, "the call is being set up"
	}
	return c
}

func (s Story) flowing() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionMediaFlowing, Status: metav1.ConditionFalse}
	switch {
	case s.End != nil:
		c.Reason, c.Message = v1alpha1.ReasonEnded, "the call is over"
	case s.Phase() != v1alpha1.PhaseEstablished:
		c.Status = metav1.ConditionUnknown
		c.Reason, c.Message = v1alpha1.ReasonNotMeasured, "the call is not established yet"
	default:
		c.Status, c.Reason, c.Message = s.Flowing.Condition()
	}
	return c
}

// recording tells whether everybody was told of a recording; asked is false for a call in which that never was a matter.
func (s Story) recording() (c metav1.Condition, asked bool) {
	told := s.Signal.Recording
	asked = s.Asked.Recording == v1alpha1.Recording || told == graph.Recording || told == graph.RecordingFailed
	c = metav1.Condition{Type: v1alpha1.ConditionRecording, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotAnnounced}
	refused := s.refused(signaling.WantRecording)
	switch {
	case s.End != nil:
		c.Reason, c.Message = v1alpha1.ReasonEnded, "the call is over"
	case told == graph.Recording:
		c.Status = metav1.ConditionTrue
		c.Reason, c.Message = v1alpha1.ReasonAnnounced, "the service has told everybody in the call that it is recorded"
	case refused != "":
		c.Reason, c.Message = v1alpha1.ReasonAnnouncementRefused, refused
	case s.Asked.Recording == v1alpha1.Recording:
		c.Message = "the service has not taken in yet that the call is recorded, so nothing is"
	default:
		c.Message = "the service was told that the call is not recorded any more"
	}
	return c, asked
}

// Flow is the verdict on the media path.
type Flow int

// The verdicts. The last two are not measured here: the service has the media, and this is its word.
const (
	FlowUnknown Flow = iota
	FlowProven
	FlowNoPackets
	FlowSilent
	FlowInterrupted
	FlowLost
	FlowReported
	FlowNotReported
)

// FlowOf judges by packets and energy, never by a process being alive.
func FlowOf(state media.State, a media.AudioStats, now time.Time) Flow {
	switch {
	case state == media.StateInterrupted:
		return FlowInterrupted
	case state == media.StateLost:
		return FlowLost
	case a.Flowing:
		return FlowProven
	case a.LastReceived.IsZero() || now.Sub(a.LastReceived) > 2*time.Second:
		return FlowNoPackets
	default:
		return FlowSilent
	}
}

// FlowByService is the verdict where the service has the media.
func FlowByService(active bool) Flow {
	if active {
		return FlowReported
	}
	return FlowNotReported
}

// Good: sound goes its way, as far as can be told.
func (f Flow) Good() bool { return f == FlowProven || f == FlowReported }

// Condition is the verdict as MediaFlowing tells it.
func (f Flow) Condition() (status metav1.ConditionStatus, reason, message string) {
	switch f {
	case FlowProven:
		return metav1.ConditionTrue, v1alpha1.ReasonFlowing, "packets arrive and sound was heard"
	case FlowNoPackets:
		return metav1.ConditionFalse, v1alpha1.ReasonNoPackets,
			"no audio packet arrived for two seconds; check that the far side reaches the pod's UDP port (kubectl get mp shows it)"
	case FlowSilent:
		return metav1.ConditionFalse, v1alpha1.ReasonSilence, "packets arrive but no sound was heard yet; is everybody muted?"
	case FlowInterrupted:
		return metav1.ConditionFalse, v1alpha1.ReasonWaitingForRestart,
			"nothing comes over the media connection any more; the bot waits as long as leave.mediaLostTimeout says for the far side to come back or restart ICE. Check the network between it and the pod's UDP port"
	case FlowLost:
		return metav1.ConditionFalse, v1alpha1.ReasonConnectionLost,
			"the far side ended the media connection; the bot waits as long as leave.mediaLostTimeout says for it to make another"
	case FlowReported:
		return metav1.ConditionTrue, v1alpha1.ReasonFlowing,
			"the service says that audio is active; it hosts the media of this call, so this is its word and not a measurement"
	case FlowNotReported:
		return metav1.ConditionUnknown, v1alpha1.ReasonNotMeasured,
			"the service hosts the media of this call and has not said that audio is active; nothing is measured here"
	default:
		return metav1.ConditionUnknown, v1alpha1.ReasonNotMeasured, "nothing was measured yet"
	}
}
