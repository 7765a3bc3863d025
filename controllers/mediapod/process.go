// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// slack is how much later than the process's own start its node may say that the container started: both are in whole
// seconds, and the node notes the time after the fact.
const slack = 2 * time.Second

// lost says why the process that made the report runs no more; "" if it may. The Pod is as read from a cache: it may be
// older than the report, and a report from a process that the Pod does not show yet must stand.
func lost(agent *v1alpha1.AgentReport, pod *corev1.Pod) string {
	switch {
	case agent == nil:
		return ""
	case pod == nil:
		return "its Pod is gone"
	case agent.PodUID != string(pod.UID):
		return "its Pod was replaced"
	case finished(pod):
		return "its Pod has " + describePhase(pod)
	}
	container := containerStatus(pod)
	if container == nil {
		return ""
	}
	if running := container.State.Running; running != nil {
		if running.StartedAt.Time.Add(-slack).After(agent.StartTime.Time) {
			return "its container was restarted" + afterwards(container.LastTerminationState.Terminated)
		}
		return ""
	}
	if end := lastEnd(container); end != nil && !end.FinishedAt.Time.Before(agent.StartTime.Time) {
		return "its container " + describeEnd(end)
	}
	return ""
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// started says whether the container of the calls ever ran in this Pod.
func started(pod *corev1.Pod) bool {
	if pod == nil {
		return false
	}
	c := containerStatus(pod)
	return c != nil && (c.State.Running != nil || lastEnd(c) != nil)
}

func containerStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if c := &pod.Status.ContainerStatuses[i]; c.Name == podspec.ContainerName {
			return c
		}
	}
	return nil
}

// lastEnd is how the container last ended; nil if it never did.
func lastEnd(c *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

func afterwards(end *corev1.ContainerStateTerminated) string {
	if end == nil {
		return ""
	}
	return " after it " + describeEnd(end)
}

// describeEnd leaves the container's own message out: it is the end of a log, and nobody knows what is in it.
func describeEnd(end *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("ended with exit code %d", end.ExitCode)
	if end.Reason != "" {
		text += " (" + end.Reason + ")"
	}
	if !end.FinishedAt.IsZero() {
		text += " at " + end.FinishedAt.UTC().Format(time.RFC3339)
	}
	return text
}

func describePhase(pod *corev1.Pod) string {
	text := "succeeded"
	if pod.Status.Phase == corev1.PodFailed {
		text = "failed"
	}
	if pod.Status.Reason != "" {
		text += " (" + pod.Status.Reason + ")"
	}
	return text
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// earlier says whether a Pod belonged to a MediaPod of the same name that is gone. It goes away by itself, after its
// calls.
func earlier(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && podspec.IsEarlier(*owner, pod.Name)
}
