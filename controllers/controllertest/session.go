// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// SessionBuilder makes a MeetingSession of a bot in a meeting of its own (the thread is named after the session), now, listening.
type SessionBuilder struct{ session v1alpha1.MeetingSession }

// Session starts a MeetingSession.
func Session(namespace, name, bot string) *SessionBuilder {
	return &SessionBuilder{v1alpha1.MeetingSession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.MeetingSessionSpec{
			CallSpec: v1alpha1.CallSpec{
				BotRef: v1alpha1.BotReference{Name: bot}, DesiredState: v1alpha1.DesiredConnected,
				Rejoin:        v1alpha1.Rejoin{Policy: v1alpha1.RejoinOnFailure, MaxAttempts: 3},
				ScreenSharing: v1alpha1.ScreenSharingNone,
			},
			Meeting: v1alpha1.Meeting{JoinURL: v1alpha1.HTTPSURL(JoinURLOf(name))},
		},
	}}
}

// JoinURL sets the meeting's link.
func (b *SessionBuilder) JoinURL(url string) *SessionBuilder {
	b.session.Spec.Meeting = v1alpha1.Meeting{JoinURL: v1alpha1.HTTPSURL(url)}
	return b
}

// JoinMeetingID names the meeting by number and passcode.
func (b *SessionBuilder) JoinMeetingID(id, passcode string) *SessionBuilder {
	b.session.Spec.Meeting = v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: id, Passcode: passcode}}
	return b
}

// Start sets startTime.
func (b *SessionBuilder) Start(at time.Time) *SessionBuilder {
	b.session.Spec.StartTime = ptr.To(metav1.NewTime(at.Truncate(time.Second)))
	return b
}

// End sets endTime.
func (b *SessionBuilder) End(at time.Time) *SessionBuilder {
	b.session.Spec.EndTime = ptr.To(metav1.NewTime(at.Truncate(time.Second)))
	return b
}

// DesiredState sets it.
func (b *SessionBuilder) DesiredState(s v1alpha1.DesiredState) *SessionBuilder {
	b.session.Spec.DesiredState = s
	return b
}

// Rejoin sets the policy.
func (b *SessionBuilder) Rejoin(policy v1alpha1.RejoinPolicy, maxAttempts int32) *SessionBuilder {
	b.session.Spec.Rejoin = v1alpha1.Rejoin{Policy: policy, MaxAttempts: maxAttempts}
	return b
}

// TTL sets ttlSecondsAfterFinished.
func (b *SessionBuilder) TTL(seconds int32) *SessionBuilder {
	b.session.Spec.TTLSecondsAfterFinished = &seconds
	return b
}

// UID sets the object's UID, for tests without API server.
func (b *SessionBuilder) UID(uid string) *SessionBuilder {
	b.session.UID = types.UID(uid)
	return b
}

// BoundTo sets the media pod and phase Assigned.
func (b *SessionBuilder) BoundTo(mediaPod string) *SessionBuilder {
	b.session.Status.MediaPod = mediaPod
	return b.Phase(v1alpha1.PhaseAssigned)
}

// ClaimedBy makes an agent's instance the holder of the call, phase Joining.
func (b *SessionBuilder) ClaimedBy(instance string) *SessionBuilder {
	b.session.Status.Call = &v1alpha1.CallRecord{ClaimedBy: instance}
	return b.Phase(v1alpha1.PhaseJoining)
}

// HostedBy says who handles the media of the call, as the agent that claims it does.
func (b *SessionBuilder) HostedBy(hosting v1alpha1.Hosting) *SessionBuilder {
	b.session.Status.Call.Hosting = hosting
	return b
}

// Ended sets how the attempt ended, as the agent reports it.
func (b *SessionBuilder) Ended(reason v1alpha1.EndReason, failed, retryable bool) *SessionBuilder {
	if b.session.Status.Call == nil {
		b.ClaimedBy("instance")
	}
	b.session.Status.Call.End = &v1alpha1.CallEnd{Reason: reason, Message: "it ended", Failed: failed, Retryable: retryable}
	return b
}

// Phase sets it.
func (b *SessionBuilder) Phase(phase v1alpha1.CallPhase) *SessionBuilder {
	b.session.Status.Phase = phase
	return b
}

// Condition sets one.
func (b *SessionBuilder) Condition(conditionType string, status metav1.ConditionStatus, reason, message string) *SessionBuilder {
	b.session.Status.Conditions = setCondition(b.session.Status.Conditions, b.session.Generation, conditionType, status, reason, message)
	return b
}

// With applies any other change.
func (b *SessionBuilder) With(change func(*v1alpha1.MeetingSession)) *SessionBuilder {
	change(&b.session)
	return b
}

// Object gives the result.
func (b *SessionBuilder) Object() *v1alpha1.MeetingSession { return b.session.DeepCopy() }
