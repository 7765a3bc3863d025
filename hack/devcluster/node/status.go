// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// report hands the pod's status to the publisher, if there is anything new in it.
func (w *worker) report() {
	status := w.status()
	if w.sent != nil && w.sentFinal == w.finished && apiequality.Semantic.DeepEqual(*w.sent, status) && !w.overwritten() {
		return
	}
	w.sent, w.sentFinal = &status, w.finished
	w.agent.status.set(w.pod, status, w.finished)
}

// overwritten says whether somebody else has changed the pod's readiness, as
// the node controller does when a node is silent for too long.
func (w *worker) overwritten() bool {
	have, want := condition(w.pod.Status.Conditions, corev1.PodReady), condition(w.sent.Conditions, corev1.PodReady)
	return have != nil && want != nil && have.Status != want.Status && w.agent.status.settled(w.pod)
}

// status makes the pod's status from what is known of its containers.
func (w *worker) status() corev1.PodStatus {
	s := corev1.PodStatus{
		ObservedGeneration: w.pod.Generation,
		StartTime:          &w.startTime,
		HostIP:             w.agent.cfg.IP.String(),
		HostIPs:            []corev1.HostIP{{IP: w.agent.cfg.IP.String()}},
	}
	if w.ip.IsValid() {
		s.PodIP = w.ip.String()
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	}
	for _, c := range w.init {
		s.InitContainerStatuses = append(s.InitContainerStatuses, w.containerStatus(c))
	}
	for _, c := range w.main {
		s.ContainerStatuses = append(s.ContainerStatuses, w.containerStatus(c))
	}
	slices.SortFunc(s.ContainerStatuses, func(a, b corev1.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
	s.Phase = w.phase()
	s.Conditions = w.newConditions(s)
	w.conditions = s.Conditions
	return s
}

func (w *worker) containerStatus(c *container) corev1.ContainerStatus {
	started := c.process != nil && c.started
	s := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, RestartCount: c.restarts,
		Ready: c.process != nil && c.ready, Started: &started,
	}
	if c.isInit && !c.sidecar {
		s.Ready = c.succeeded()
	}
	if c.binary != "" {
		s.ImageID, s.ContainerID = "devcluster://"+c.binary, c.id()
	}
	if c.last != nil {
		s.LastTerminationState.Terminated = c.last
	}
	switch {
	case c.process != nil:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: c.startedAt}
	case c.waiting != nil && !w.finished:
		s.State.Waiting = c.waiting
		if c.terminated != nil {
			s.LastTerminationState.Terminated = c.terminated
		}
	case c.terminated != nil:
		s.State.Terminated = c.terminated
	case w.finished:
		s.State.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown", Message: "The container was not started before the pod was deleted",
		}
	case !c.isInit && len(w.init) > 0:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	default:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	return s
}

// phase sums the containers up, by the rules of kubelet's getPhase.
func (w *worker) phase() corev1.PodPhase {
	never := w.pod.Spec.RestartPolicy == corev1.RestartPolicyNever
	if w.finished {
		for _, c := range w.main {
			if !c.succeeded() {
				return corev1.PodFailed
			}
		}
		return corev1.PodSucceeded
	}
	for _, c := range w.init {
		if !c.sidecar && c.terminated != nil && c.terminated.ExitCode != 0 && never && !w.anyProcess() {
			return corev1.PodFailed
		}
	}
	running, ended, succeeded, waiting := 0, 0, 0, 0
	for _, c := range w.main {
		switch {
		case c.process != nil:
			running++
		case c.terminated != nil:
			ended++
			if c.succeeded() {
				succeeded++
			}
		default:
			waiting++
		}
	}
	switch {
	case waiting > 0:
		return corev1.PodPending
	case running > 0 || w.anyProcess() || w.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways:
		return corev1.PodRunning
	case succeeded == ended:
		return corev1.PodSucceeded
	case never:
		return corev1.PodFailed
	}
	return corev1.PodRunning
}

func (w *worker) newConditions(s corev1.PodStatus) []corev1.PodCondition {
	var uninitialized, unready []string
	for _, c := range w.init {
		if c.sidecar && !c.started || !c.sidecar && !c.succeeded() && !w.anyMainStarted() {
			uninitialized = append(uninitialized, c.spec.Name)
		}
		if c.sidecar && (c.process == nil || !c.ready) {
			unready = append(unready, c.spec.Name)
		}
	}
	for _, c := range w.main {
		if c.process == nil || !c.ready {
			unready = append(unready, c.spec.Name)
		}
	}
	initialized := podCondition(corev1.PodInitialized, len(uninitialized) == 0, "ContainersNotInitialized",
		fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(uninitialized, " ")))
	notReady := fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	containersReady := podCondition(corev1.ContainersReady, len(unready) == 0, "ContainersNotReady", notReady)
	ready := podCondition(corev1.PodReady, len(unready) == 0, "ContainersNotReady", notReady)
	if len(unready) == 0 {
		if gates := w.closedGates(); len(gates) > 0 {
			ready = podCondition(corev1.PodReady, false, "ReadinessGatesNotReady", strings.Join(gates, ", "))
		}
	}
	switch s.Phase {
	case corev1.PodSucceeded:
		initialized = podCondition(corev1.PodInitialized, true, "", "")
		initialized.Reason = "PodCompleted"
		containersReady.Reason, ready.Reason = "PodCompleted", "PodCompleted"
		containersReady.Message, ready.Message = "", ""
	case corev1.PodFailed:
		containersReady.Reason, ready.Reason = "PodFailed", "PodFailed"
		containersReady.Message, ready.Message = "", ""
	}
	prepared := podCondition(corev1.PodReadyToStartContainers, w.volumes != nil && !isTerminalPhase(s.Phase), "", "")
	conditions := []corev1.PodCondition{prepared, initialized, ready, containersReady}
	now := metav1.Now().Rfc3339Copy()
	for i := range conditions {
		c := &conditions[i]
		c.ObservedGeneration = w.pod.Generation
		c.LastTransitionTime = now
		if old := condition(w.conditions, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return conditions
}

// closedGates names the readiness gates that somebody else has not opened.
func (w *worker) closedGates() []string {
	var closed []string
	for _, gate := range w.pod.Spec.ReadinessGates {
		c := condition(w.pod.Status.Conditions, gate.ConditionType)
		if c == nil {
			closed = append(closed, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		} else if c.Status != corev1.ConditionTrue {
			closed = append(closed, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, c.Status))
		}
	}
	return closed
}

func podCondition(kind corev1.PodConditionType, ok bool, reason, message string) corev1.PodCondition {
	if ok {
		return corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue}
	}
	return corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message}
}

func condition(list []corev1.PodCondition, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

func isTerminalPhase(p corev1.PodPhase) bool {
	return p == corev1.PodSucceeded || p == corev1.PodFailed
}
