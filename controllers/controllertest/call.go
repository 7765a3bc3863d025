// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// UserID is whom every outgoing call made here is to.
const UserID = "550fae72-d251-43ec-868c-373732c2704f"

// CallBuilder makes a Call of a bot to one user, listening.
type CallBuilder struct{ call v1alpha1.Call }

// Call starts an outgoing Call.
func Call(namespace, name, bot string) *CallBuilder {
	return &CallBuilder{v1alpha1.Call{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.OneCallSpec{
			CallSpec: v1alpha1.CallSpec{
				BotRef: v1alpha1.BotReference{Name: bot}, DesiredState: v1alpha1.DesiredConnected,
				Rejoin:        v1alpha1.Rejoin{Policy: v1alpha1.RejoinOnFailure, MaxAttempts: 3},
				ScreenSharing: v1alpha1.ScreenSharingNone,
			},
			To: []v1alpha1.Identity{{User: UserID}},
		},
	}}
}

// IncomingCall starts a Call as a media pod makes it for a call that came in.
func IncomingCall(namespace, name, bot string) *CallBuilder {
	b := Call(namespace, name, bot)
	b.call.Labels = map[string]string{v1alpha1.LabelBot: bot}
	b.call.Spec.To = nil
	b.call.Spec.Incoming = &v1alpha1.IncomingCall{
		ID: "call-of-" + name, TenantID: TenantID,
		From: &v1alpha1.Caller{Kind: v1alpha1.CallerUser, ID: UserID, DisplayName: "Jane", TenantID: TenantID},
	}
	return b
}

// To sets whom to call.
func (b *CallBuilder) To(to ...v1alpha1.Identity) *CallBuilder { b.call.Spec.To = to; return b }

// DesiredState sets it.
func (b *CallBuilder) DesiredState(s v1alpha1.DesiredState) *CallBuilder {
	b.call.Spec.DesiredState = s
	return b
}

// TTL sets ttlSecondsAfterFinished.
func (b *CallBuilder) TTL(seconds int32) *CallBuilder {
	b.call.Spec.TTLSecondsAfterFinished = &seconds
	return b
}

// UID sets the object's UID, for tests without API server.
func (b *CallBuilder) UID(uid string) *CallBuilder { b.call.UID = types.UID(uid); return b }

// Created sets the time of creation, for tests without API server.
func (b *CallBuilder) Created(at time.Time) *CallBuilder {
	b.call.CreationTimestamp = metav1.NewTime(at)
	return b
}

// BoundTo sets the media pod and phase Assigned.
func (b *CallBuilder) BoundTo(mediaPod string) *CallBuilder {
	b.call.Status.MediaPod = mediaPod
	return b.Phase(v1alpha1.PhaseAssigned)
}

// ClaimedBy makes an agent's instance the holder of the call, phase Joining.
func (b *CallBuilder) ClaimedBy(instance string) *CallBuilder {
	b.call.Status.Call = &v1alpha1.CallRecord{ClaimedBy: instance}
	return b.Phase(v1alpha1.PhaseJoining)
}

// Held makes an agent's instance the holder of an established call, as Graph knows it.
func (b *CallBuilder) Held(mediaPod, instance string, hosting v1alpha1.Hosting) *CallBuilder {
	at := metav1.NewMicroTime(time.Unix(1_700_000_000, 0))
	b.call.Status.MediaPod = mediaPod
	b.call.Status.Call = &v1alpha1.CallRecord{
		ClaimedBy: instance, Hosting: hosting, ID: "call-of-" + b.call.Name, State: "established",
		CreatedTime: &at, EstablishedTime: &at,
	}
	return b.Phase(v1alpha1.PhaseEstablished)
}

// Ended sets how the attempt ended, as the agent reports it.
func (b *CallBuilder) Ended(reason v1alpha1.EndReason, failed, retryable bool) *CallBuilder {
	if b.call.Status.Call == nil {
		b.ClaimedBy("instance")
	}
	b.call.Status.Call.End = &v1alpha1.CallEnd{Reason: reason, Message: "it ended", Failed: failed, Retryable: retryable}
	return b
}

// Phase sets it.
func (b *CallBuilder) Phase(phase v1alpha1.CallPhase) *CallBuilder {
	b.call.Status.Phase = phase
	return b
}

// Condition sets one.
func (b *CallBuilder) Condition(conditionType string, status metav1.ConditionStatus, reason, message string) *CallBuilder {
	b.call.Status.Conditions = setCondition(b.call.Status.Conditions, b.call.Generation, conditionType, status, reason, message)
	return b
}

// With applies any other change.
func (b *CallBuilder) With(change func(*v1alpha1.Call)) *CallBuilder { change(&b.call); return b }

// Object gives the result.
func (b *CallBuilder) Object() *v1alpha1.Call { return b.call.DeepCopy() }
