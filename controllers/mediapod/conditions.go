// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// statusOf computes the controller's part of the status; the agent's part stays as it was, but for the report of a
// process that is gone.
func statusOf(f facts, p plan) v1alpha1.MediaPodStatus {
	mp := f.mediaPod
	status := *mp.Status.DeepCopy()
	status.ObservedGeneration = mp.Generation
	setPod(&status, f.pod)
	status.Endpoint = p.endpoint.Endpoint
	if p.agentLost != "" {
		status.Agent = nil
	}

	set := func(kind string, ok bool, reason, message string) {
		c := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: shorten.Bytes(message, shorten.Note),
			ObservedGeneration: mp.Generation, LastTransitionTime: metav1.NewTime(f.now),
		}
		if ok {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, c)
	}
	present := func(kind string, is bool, reason, message string) {
		if is {
			set(kind, true, reason, message)
		} else {
			meta.RemoveStatusCondition(&status.Conditions, kind)
		}
	}

	if !p.noMedia {
		set(v1alpha1.ConditionEndpointReady, p.endpoint.Endpoint != nil, p.endpoint.Reason, p.endpoint.Message)
		set(v1alpha1.ConditionCertificateReady, p.certificate.ready, p.certificate.reason, p.certificate.message)
	}
	present(v1alpha1.ConditionCertificateRenewed, p.renewed != "", v1alpha1.ReasonRenewed, p.renewed)
	set(v1alpha1.ConditionPodReady, p.pod.ready, p.pod.reason, p.pod.message)
	setReachable(&status, mp.Generation, f.now)
	ready := readiness(mp, p, status.Agent)
	set(v1alpha1.ConditionReady, ready.ready, ready.reason, ready.message)
	if ready.ready && status.ReadyTime == nil {
		// How long pods take to start is told by this, and planned by.
		now := metav1.NewTime(f.now).Rfc3339Copy()
		status.ReadyTime = &now
	}

	waiting := !ready.ready && !drain.Marked(mp)
	stalled := waiting && ready.stalled
	present(v1alpha1.ConditionStalled, stalled, ready.reason, ready.message)
	// A pod that crashes or whose agent complains is not on its way anywhere that the operator could tell.
	onItsWay := waiting && !stalled && status.Agent == nil && p.pod.reason != v1alpha1.ReasonPodCrashed
	present(v1alpha1.ConditionReconciling, onItsWay, ready.reason, ready.message)

	status.State = stateOf(f, ready.ready)
	return status
}

// setReachable tells in a condition what the process found out by the router. Without a process nothing is known of it.
func setReachable(status *v1alpha1.MediaPodStatus, generation int64, now time.Time) {
	if status.Agent == nil || status.Agent.Media == nil {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionMediaReachable)
		return
	}
	m := status.Agent.Media
	c := metav1.Condition{
		Type: v1alpha1.ConditionMediaReachable, Status: metav1.ConditionUnknown, Reason: orElse(m.Reason, v1alpha1.ReasonNotChecked),
		Message: shorten.Bytes(m.Message, shorten.Note), ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	}
	if m.Reachable != nil {
		c.Status = metav1.ConditionFalse
		if *m.Reachable {
			c.Status = metav1.ConditionTrue
		}
	}
	meta.SetStatusCondition(&status.Conditions, c)
}

func setPod(status *v1alpha1.MediaPodStatus, pod *corev1.Pod) {
	status.PodUID, status.PodIP, status.NodeName, status.Replicas = "", "", "", 0
	if pod != nil {
		status.Replicas = 1
		status.PodUID, status.PodIP, status.NodeName = string(pod.UID), pod.Status.PodIP, pod.Spec.NodeName
	}
}

// readiness asks for everything a call needs. The answer is what somebody has to change, if there is such a thing, and
// else what is missing first, in the order in which it comes about.
func readiness(mp *v1alpha1.MediaPod, p plan, agent *v1alpha1.AgentReport) finding {
	address := finding{
		ready: p.endpoint.Endpoint != nil, stalled: p.endpoint.Stalled, reason: p.endpoint.Reason, message: p.endpoint.Message,
	}
	certificate := p.certificate
	if p.noMedia {
		address, certificate = finding{ready: true}, finding{ready: true}
	}
	if drain.Marked(mp) {
		return finding{reason: v1alpha1.ReasonDraining, message: "takes no new calls" + drainCause(mp) + because(p.held, "")}
	}
	for _, f := range []finding{address, certificate, p.pod} {
		if !f.ready && f.stalled {
			return f
		}
	}
	switch {
	case !address.ready && address.reason == v1alpha1.ReasonWaitingForNode && !p.pod.ready:
		return p.pod // it knows why no node was found
	case !address.ready:
		return address
	case !certificate.ready:
		return certificate
	case !p.pod.ready && p.pod.reason != v1alpha1.ReasonPodNotReady:
		return p.pod
	case agent != nil && !agent.Ready:
		return finding{reason: orElse(agent.Reason, v1alpha1.ReasonAgentNotReady), message: orElse(agent.Message,
			fmt.Sprintf("the process is not ready and does not say why; see `kubectl logs -n %s %s`", mp.Namespace, mp.Name))}
	case !p.pod.ready:
		return p.pod
	case agent == nil:
		return finding{reason: v1alpha1.ReasonAgentSilent, message: fmt.Sprintf(
			"the Pod is ready, but its process has not reported yet; if that stays, see `kubectl logs -n %s %s`", mp.Namespace, mp.Name)}
	case agent.ObservedGeneration < mp.Generation && wasDraining(mp):
		// Its seats are none until the process knows: it would turn calls away.
		return finding{reason: v1alpha1.ReasonDraining, message: "the drain mark was taken back; calls are taken again when the process has seen that"}
	}
	return finding{ready: true, reason: v1alpha1.ReasonReady, message: "takes calls"}
}

func wasDraining(mp *v1alpha1.MediaPod) bool {
	c := meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Reason == v1alpha1.ReasonDraining
}

func drainCause(mp *v1alpha1.MediaPod) string {
	if mp.Spec.Drain == nil {
		return ": it is deleted when its last call has ended"
	}
	return fmt.Sprintf(" (%s): it is deleted when its last call has ended", mp.Spec.Drain.Reason)
}

func stateOf(f facts, ready bool) v1alpha1.MediaPodState {
	before := f.mediaPod.Status
	wasReady := before.State == v1alpha1.MediaPodReady || before.State == v1alpha1.MediaPodNotReady || before.State == v1alpha1.MediaPodDraining
	switch {
	case drain.Marked(f.mediaPod):
		return v1alpha1.MediaPodDraining
	case ready:
		return v1alpha1.MediaPodReady
	case !started(f.pod):
		return v1alpha1.MediaPodPending
	case wasReady && before.PodUID == string(f.pod.UID):
		return v1alpha1.MediaPodNotReady
	default:
		return v1alpha1.MediaPodStarting
	}
}

// judgePod says how far a Pod is.
func judgePod(pod *corev1.Pod) finding {
	container := containerStatus(pod)
	ready := podCondition(pod, corev1.PodReady)
	switch {
	case !pod.DeletionTimestamp.IsZero():
		return finding{reason: v1alpha1.ReasonPodPending, message: "somebody deleted the Pod; it ends after its calls, and a new one is made then"}
	case finished(pod):
		return finding{reason: v1alpha1.ReasonPodCrashed, message: fmt.Sprintf("the Pod has %s; it is made again", describePhase(pod))}
	case pod.Spec.NodeName == "":
		return finding{reason: v1alpha1.ReasonPodPending, message: unscheduled(pod)}
	case container == nil:
		return finding{reason: v1alpha1.ReasonPodPending, message: fmt.Sprintf("waiting for node %q to start the Pod", pod.Spec.NodeName)}
	case container.State.Running == nil && lastEnd(container) != nil:
		return finding{reason: v1alpha1.ReasonPodCrashed, message: fmt.Sprintf(
			"the container %s; see `kubectl logs -n %s %s --previous`", describeEnd(lastEnd(container)), pod.Namespace, pod.Name)}
	case container.State.Running == nil:
		return finding{reason: v1alpha1.ReasonPodPending, message: creating(pod, container)}
	case ready.Status == corev1.ConditionTrue:
		return finding{ready: true, reason: v1alpha1.ReasonReady, message: fmt.Sprintf("runs on node %q", pod.Spec.NodeName)}
	case container.Started == nil || !*container.Started:
		return finding{reason: v1alpha1.ReasonPodStarting, message: "the process runs and has not finished its start"}
	default:
		return finding{reason: v1alpha1.ReasonPodNotReady, message: fmt.Sprintf(
			"the process runs and is not ready%s; see `kubectl logs -n %s %s`", because(ready.Reason, ready.Message), pod.Namespace, pod.Name)}
	}
}

func unscheduled(pod *corev1.Pod) string {
	if c := podCondition(pod, corev1.PodScheduled); c.Status == corev1.ConditionFalse && c.Message != "" {
		return "no node for the Pod: " + strings.TrimRight(c.Message, ". ") + "; add a node it fits on, or correct the CallingBot's template"
	}
	return "waiting for a node"
}

func creating(pod *corev1.Pod, container *corev1.ContainerStatus) string {
	text := fmt.Sprintf("node %q prepares the container", pod.Spec.NodeName)
	if waiting := container.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" {
		text += because(waiting.Reason, waiting.Message) + fmt.Sprintf("; see `kubectl describe pod -n %s %s`", pod.Namespace, pod.Name)
	}
	return text
}

// conflict is said of a Pod that has the MediaPod's name and is not its.
func conflict(pod *corev1.Pod) finding {
	if earlier(pod) {
		return finding{reason: v1alpha1.ReasonPodConflict, message: "the Pod of an earlier media pod of this name is still ending; it is waited for"}
	}
	return finding{stalled: true, reason: v1alpha1.ReasonPodConflict, message: fmt.Sprintf(
		"a Pod %q exists that does not belong to this media pod; delete or rename it", pod.Name)}
}

func because(reason, message string) string {
	switch {
	case reason != "" && message != "":
		return ": " + reason + ": " + message
	case reason != "" || message != "":
		return ": " + reason + message
	}
	return ""
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
