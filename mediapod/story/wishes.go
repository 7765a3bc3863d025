// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// tellWishes tells what became of what the spec asks for in the call.
func (s Story) tellWishes(st *v1alpha1.CallStatus) {
	st.Muted = s.Muted || s.Signal.Muted
	st.ScreenSharing = sharingOf(s.Signal.ScreenSharing)
	st.RecordingStatus = recordingOf(s.Signal.Recording)
	st.Invites = s.invites()
}

func sharingOf(role graph.ScreenSharingRole) v1alpha1.ScreenSharing {
	switch role {
	case graph.ScreenSharingViewer:
		return v1alpha1.ScreenSharingViewer
	case graph.ScreenSharingSharer:
		return v1alpha1.ScreenSharingSharer
	}
	return ""
}

func recordingOf(status graph.RecordingStatus) v1alpha1.RecordingStatus {
	switch status {
	case graph.Recording:
		return v1alpha1.Recording
	case graph.NotRecording:
		return v1alpha1.NotRecording
	case graph.RecordingFailed:
		return v1alpha1.RecordingFailed
	}
	return ""
}

// invites are told in the order of the spec; one that was taken out of the spec is not told any more.
func (s Story) invites() []v1alpha1.InviteStatus {
	var out []v1alpha1.InviteStatus
	for _, asked := range s.Asked.Invite {
		if invite := s.inviteOf(asked); invite != nil && invite.State != signaling.InviteWaiting {
			out = append(out, v1alpha1.InviteStatus{
				Identity: asked.Identity, State: v1alpha1.InviteState(invite.State), Message: Clip(invite.Message, maxMessage),
			})
		}
	}
	return out
}

func (s Story) inviteOf(who v1alpha1.Invitee) *signaling.Invite {
	wanted := partyID(rules.Party(who.Identity))
	for i := range s.Signal.Invites {
		if partyID(s.Signal.Invites[i].Who.Identity) == wanted {
			return &s.Signal.Invites[i]
		}
	}
	return nil
}

func partyID(who graph.IdentitySet) string {
	_, identity := who.Primary()
	if identity == nil {
		return ""
	}
	return graph.NormalID(identity.ID)
}

// refused is what the service said against a wish; "" if it did not.
func (s Story) refused(what string) string {
	for _, r := range s.Signal.Refusals {
		if r.What == what {
			return Clip(r.Message, maxMessage)
		}
	}
	return ""
}

// ownAttention are the reasons of NeedsAttention that are the pod's to give and to take back. The others are the
// controller's; one that it gives stands, as it is about whether there is a call at all.
func ownAttention(reason string) bool {
	return reason == v1alpha1.ReasonInviteFailed || reason == v1alpha1.ReasonRecordingFailed || reason == v1alpha1.ReasonRefused || reason == v1alpha1.ReasonNoEffect
}

// tellAttention says that somebody should look, as long as that is so.
func (s Story) tellAttention(st *v1alpha1.CallStatus, generation int64) {
	there := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionNeedsAttention)
	if there != nil && !ownAttention(there.Reason) {
		return
	}
	reason, message := s.attention()
	if reason == "" {
		meta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionNeedsAttention)
		return
	}
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionNeedsAttention, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: generation,
	})
}

func (s Story) attention() (reason, message string) {
	if s.End != nil {
		return "", ""
	}
	var all []string
	for _, r := range s.Signal.Refusals {
		all = append(all, fmt.Sprintf("%s: %s", r.What, r.Message))
	}
	if s.Unplayed != "" {
		all = append(all, "behavior.play: "+s.Unplayed)
	}
	if len(all) > 0 {
		return v1alpha1.ReasonRefused, Clip("the service refused something that the spec asks for. "+strings.Join(all, " "), maxMessage)
	}
	if s.Unrecorded != "" {
		return v1alpha1.ReasonRecordingFailed, Clip("behavior.recording: "+s.Unrecorded, maxMessage)
	}
	var failed []string
	for _, invite := range s.invites() {
		if invite.State == v1alpha1.InviteFailed {
			failed = append(failed, invite.Message)
		}
	}
	if len(failed) > 0 {
		return v1alpha1.ReasonInviteFailed, Clip(fmt.Sprintf("%d of those in spec.invite could not be brought in; status.invites tells who. ", len(failed))+
			strings.Join(failed, " "), maxMessage)
	}
	if s.Hosting == v1alpha1.HostingService && s.Asked.SilenceTimeout > 0 {
		return v1alpha1.ReasonNoEffect, "leave.silenceTimeout has no effect: the pod hears nothing of a call whose media the service hosts. " +
			"Take it out, and use leave.maxDuration or leave.aloneTimeout; or use a bot with media.hosting: Application."
	}
	if s.Asked.Unshown != "" {
		return v1alpha1.ReasonNoEffect, fmt.Sprintf("behavior.recording.video: %s has no effect: the call began without that modality, and gets none while it goes on; its sound is recorded. "+
			"Put %s into media.modalities of the bot or modalities of the call, and make a new one; or take video out.", s.Asked.Unshown, modalityOf[s.Asked.Unshown])
	}
	return "", ""
}

// modalityOf is what a call has to begin with, to be shown what is to be recorded.
var modalityOf = map[v1alpha1.RecordingVideo]string{
	v1alpha1.VideoCameras: string(v1alpha1.ModalityVideo), v1alpha1.VideoScreen: string(v1alpha1.ModalityScreenSharing),
	v1alpha1.VideoAll: string(v1alpha1.ModalityVideo) + ", " + string(v1alpha1.ModalityScreenSharing) + " or both",
}
