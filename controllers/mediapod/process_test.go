// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) metav1.Time {
	return metav1.NewTime(noon.Add(time.Duration(seconds) * time.Second))
}

// runs is a Pod on a node whose container runs since then; changes are applied in turn.
func runs(since int, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "reception-0", Namespace: "voice", UID: "p1"},
		Spec:       corev1.PodSpec{NodeName: "win-1"},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.2.0.9",
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{
				{Name: "logs", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}},
				{
					Name: "mediapod", Ready: true, Started: ptr.To(true),
					State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(since)}},
				},
			},
		},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func ended(exitCode int32, finished int) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: exitCode, Reason: "Error", FinishedAt: at(finished), Message: "token=secret"}
}

func container(state, last corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := &p.Status.ContainerStatuses[1]
		c.State, c.LastTerminationState = state, last
		c.Ready, c.Started = false, ptr.To(false)
		p.Status.Conditions[0] = corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", Message: "containers with unready status: [mediapod]"}
	}
}

func phase(p corev1.PodPhase, reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase, pod.Status.Reason = p, reason
		pod.Status.ContainerStatuses = nil
	}
}

func TestLost(t *testing.T) {
	type state = corev1.ContainerState
	backOff := state{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	report := func(uid string, started int) *v1alpha1.AgentReport {
		return &v1alpha1.AgentReport{Instance: "i1", PodUID: uid, StartTime: at(started)}
	}
	tests := map[string]struct {
		agent *v1alpha1.AgentReport
		pod   *corev1.Pod
		want  string
	}{
		"no report":                              {nil, nil, ""},
		"Pod gone":                               {report("p1", 0), nil, "its Pod is gone"},
		"Pod replaced":                           {report("p0", 0), runs(0), "its Pod was replaced"},
		"runs":                                   {report("p1", 1), runs(0), ""},
		"the node noted the start a moment late": {report("p1", 0), runs(1), ""},
		"being deleted, with its calls": {
			report("p1", 0), runs(0, func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(at(9)) }), "",
		},
		"restarted since": {
			report("p1", 0), runs(60, func(p *corev1.Pod) { p.Status.ContainerStatuses[1].LastTerminationState.Terminated = ended(2, 59) }),
			"its container was restarted after it ended with exit code 2 (Error) at 2026-03-01T12:00:59Z",
		},
		"restarted since, nobody knows how it ended": {report("p1", 0), runs(60), "its container was restarted"},
		"the report is the restarted process's": {
			report("p1", 61), runs(60, func(p *corev1.Pod) { p.Status.ContainerStatuses[1].LastTerminationState.Terminated = ended(2, 59) }), "",
		},
		"ended": {
			report("p1", 0), runs(0, container(state{Terminated: ended(137, 30)}, state{})),
			"its container ended with exit code 137 (Error) at 2026-03-01T12:00:30Z",
		},
		"ended in the second it started": {
			report("p1", 0), runs(0, container(state{Terminated: ended(1, 0)}, state{})),
			"its container ended with exit code 1 (Error) at 2026-03-01T12:00:00Z",
		},
		"waits for its restart": {
			report("p1", 0), runs(0, container(backOff, state{Terminated: ended(1, 30)})),
			"its container ended with exit code 1 (Error) at 2026-03-01T12:00:30Z",
		},
		"the Pod is older than the report: the old end is not this process's": {
			report("p1", 40), runs(0, container(backOff, state{Terminated: ended(1, 30)})), "",
		},
		"the Pod is older than the report: never ran": {
			report("p1", 0), runs(0, container(state{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}, state{})), "",
		},
		"the Pod is older than the report: no container status": {report("p1", 0), runs(0, phase(corev1.PodPending, "")), ""},
		"evicted":   {report("p1", 0), runs(0, phase(corev1.PodFailed, "Evicted")), "its Pod has failed (Evicted)"},
		"succeeded": {report("p1", 0), runs(0, phase(corev1.PodSucceeded, "")), "its Pod has succeeded"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lost(tc.agent, tc.pod); got != tc.want {
				t.Errorf("lost = %q, want %q", got, tc.want)
			}
		})
	}
}
