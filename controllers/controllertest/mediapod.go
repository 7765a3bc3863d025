// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// MediaPodBuilder makes a MediaPod `<bot>-<slot>` of which nobody has reported.
type MediaPodBuilder struct{ pod v1alpha1.MediaPod }

// MediaPod starts a MediaPod.
func MediaPod(namespace, bot string, slot int32) *MediaPodBuilder {
	return &MediaPodBuilder{v1alpha1.MediaPod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("%s-%d", bot, slot), Generation: 1,
			Labels: map[string]string{"callfleet.dev/bot": bot},
		},
		Spec: v1alpha1.MediaPodSpec{
			BotRef: v1alpha1.BotReference{Name: bot}, Slot: slot, Revision: "r1", FleetConfig: FleetConfig(bot),
		},
	}}
}

// Revision sets the hash of the configuration.
func (b *MediaPodBuilder) Revision(revision string) *MediaPodBuilder {
	b.pod.Spec.Revision = revision
	return b
}

// Config sets the configuration.
func (b *MediaPodBuilder) Config(config v1alpha1.FleetConfig) *MediaPodBuilder {
	b.pod.Spec.FleetConfig = config
	return b
}

// UID sets the object's UID, for tests without API server.
func (b *MediaPodBuilder) UID(uid string) *MediaPodBuilder {
	b.pod.UID = types.UID(uid)
	return b
}

// Generation sets metadata.generation, for tests without API server.
func (b *MediaPodBuilder) Generation(n int64) *MediaPodBuilder { b.pod.Generation = n; return b }

// Draining sets the drain mark.
func (b *MediaPodBuilder) Draining(reason string, since time.Time) *MediaPodBuilder {
	b.pod.Spec.Drain = &v1alpha1.Drain{Reason: reason, Since: metav1.NewTime(since.Truncate(time.Second))}
	return b
}

// Deleted sets the deletion mark, for tests without API server.
func (b *MediaPodBuilder) Deleted(at time.Time) *MediaPodBuilder {
	b.pod.DeletionTimestamp = ptr.To(metav1.NewTime(at))
	return b
}

// Finalizers sets them.
func (b *MediaPodBuilder) Finalizers(finalizers ...string) *MediaPodBuilder {
	b.pod.Finalizers = finalizers
	return b
}

// Pod sets the Pod that runs now.
func (b *MediaPodBuilder) Pod(uid string) *MediaPodBuilder { b.pod.Status.PodUID = uid; return b }

// Agent sets the report of a ready process in the Pod set before, for this generation.
func (b *MediaPodBuilder) Agent(instance string, observedGeneration int64) *MediaPodBuilder {
	if b.pod.Status.PodUID == "" {
		b.pod.Status.PodUID = "pod-of-" + b.pod.Name
	}
	b.pod.Status.Agent = &v1alpha1.AgentReport{
		Instance: instance, PodUID: b.pod.Status.PodUID, StartTime: metav1.NewTime(time.Unix(1_700_000_000, 0)),
		ObservedGeneration: observedGeneration, Ready: true,
	}
	return b
}

// AgentNotReady makes the agent report why it is not ready.
func (b *MediaPodBuilder) AgentNotReady(reason, message string) *MediaPodBuilder {
	if b.pod.Status.Agent == nil {
		b.Agent("instance-of-"+b.pod.Name, b.pod.Generation)
	}
	b.pod.Status.Agent.Ready, b.pod.Status.Agent.Reason, b.pod.Status.Agent.Message = false, reason, message
	return b
}

// Seats sets what the agent counts; free follows.
func (b *MediaPodBuilder) Seats(capacity, used, reserved int32) *MediaPodBuilder {
	b.pod.Status.Seats = v1alpha1.Seats{Capacity: capacity, Used: used, Reserved: reserved, Free: capacity - used - reserved}
	return b
}

// Calls sets the number of live calls.
func (b *MediaPodBuilder) Calls(n int32) *MediaPodBuilder { b.pod.Status.Calls = n; return b }

// Ready makes the pod serve: Ready condition, state, an agent's report and the seats of its configuration.
func (b *MediaPodBuilder) Ready() *MediaPodBuilder {
	if b.pod.Status.Agent == nil {
		b.Agent("instance-of-"+b.pod.Name, b.pod.Generation)
	}
	if b.pod.Status.Seats.Capacity == 0 {
		b.Seats(b.pod.Spec.Capacity.Seats, 0, 0)
	}
	b.pod.Status.State = v1alpha1.MediaPodReady
	return b.Condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "the pod takes calls")
}

// NotReady sets the Ready condition False for this reason.
func (b *MediaPodBuilder) NotReady(reason, message string) *MediaPodBuilder {
	b.pod.Status.State = v1alpha1.MediaPodNotReady
	return b.Condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}

// Condition sets one.
func (b *MediaPodBuilder) Condition(conditionType string, status metav1.ConditionStatus, reason, message string) *MediaPodBuilder {
	b.pod.Status.Conditions = setCondition(b.pod.Status.Conditions, b.pod.Generation, conditionType, status, reason, message)
	return b
}

// With applies any other change.
func (b *MediaPodBuilder) With(change func(*v1alpha1.MediaPod)) *MediaPodBuilder {
	change(&b.pod)
	return b
}

// Object gives the result.
func (b *MediaPodBuilder) Object() *v1alpha1.MediaPod { return b.pod.DeepCopy() }
