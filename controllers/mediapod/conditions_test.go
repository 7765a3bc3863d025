// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/endpoint"
)

func TestJudgePod(t *testing.T) {
	type state = corev1.ContainerState
	waiting := func(reason, message string) state {
		return state{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	tests := map[string]struct {
		pod  *corev1.Pod
		want finding
	}{
		"ready": {runs(0), finding{ready: true, reason: "Ready", message: `runs on node "win-1"`}},
		"not scheduled yet": {
			runs(0, phase(corev1.PodPending, ""), func(p *corev1.Pod) { p.Spec.NodeName = "" }),
			finding{reason: "PodPending", message: "waiting for a node"},
		},
		"no node": {
			runs(0, phase(corev1.PodPending, ""), func(p *corev1.Pod) {
				p.Spec.NodeName = ""
				p.Status.Conditions = []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
					Message: "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
				}}
			}),
			finding{reason: "PodPending", message: "no node for the Pod: 0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports; add a node it fits on, or correct the CallingBot's template"},
		},
		"the node has not seen it": {
			runs(0, phase(corev1.PodPending, "")), finding{reason: "PodPending", message: `waiting for node "win-1" to start the Pod`},
		},
		"the container is made": {
			runs(0, container(waiting("ContainerCreating", ""), state{})),
			finding{reason: "PodPending", message: `node "win-1" prepares the container`},
		},
		"no image": {
			runs(0, container(waiting("ImagePullBackOff", `Back-off pulling image "x"`), state{})),
			finding{reason: "PodPending", message: `node "win-1" prepares the container: ImagePullBackOff: Back-off pulling image "x"; see ` + "`kubectl describe pod -n voice reception-0`"},
		},
		"starting": {
			runs(0, container(state{Running: &corev1.ContainerStateRunning{}}, state{})),
			finding{reason: "PodStarting", message: "the process runs and has not finished its start"},
		},
		"not ready": {
			runs(0, container(state{Running: &corev1.ContainerStateRunning{}}, state{}), func(p *corev1.Pod) { p.Status.ContainerStatuses[1].Started = ptr.To(true) }),
			finding{reason: "PodNotReady", message: "the process runs and is not ready: ContainersNotReady: containers with unready status: [mediapod]; see `kubectl logs -n voice reception-0`"},
		},
		"crashed; its last words stay out": {
			runs(0, container(waiting("CrashLoopBackOff", "back-off 10s"), state{Terminated: ended(2, 5)})),
			finding{reason: "PodCrashed", message: "the container ended with exit code 2 (Error) at 2026-03-01T12:00:05Z; see `kubectl logs -n voice reception-0 --previous`"},
		},
		"evicted":       {runs(0, phase(corev1.PodFailed, "Evicted")), finding{reason: "PodCrashed", message: "the Pod has failed (Evicted); it is made again"}},
		"being deleted": {runs(0, func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(at(1)) }), finding{reason: "PodPending", message: "somebody deleted the Pod; it ends after its calls, and a new one is made then"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, judgePod(tc.pod), cmp.AllowUnexported(finding{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusOf(t *testing.T) {
	reached := endpoint.State{
		Endpoint: &v1alpha1.Endpoint{Host: "10.0.0.7", Address: "10.0.0.7", Port: 8445}, Reason: "Assigned", Message: "reached",
	}
	issued := finding{ready: true, reason: "Issued", message: "valid"}
	agent := func() *controllertest.MediaPodBuilder {
		return controllertest.MediaPod("voice", "reception", 0).Generation(3).Pod("p1").Agent("i1", 3)
	}
	was := func(s v1alpha1.MediaPodState) func(*v1alpha1.MediaPod) {
		return func(mp *v1alpha1.MediaPod) { mp.Status.State = s }
	}
	type state = corev1.ContainerState
	starting := runs(0, container(state{Running: &corev1.ContainerStateRunning{}}, state{}))
	notReady := runs(0, container(state{Running: &corev1.ContainerStateRunning{}}, state{}), func(p *corev1.Pod) { p.Status.ContainerStatuses[1].Started = ptr.To(true) })
	crashed := runs(0, container(state{Terminated: ended(2, 5)}, state{}))
	tests := map[string]struct {
		mediaPod *controllertest.MediaPodBuilder
		pod      *corev1.Pod
		plan     plan
		state    v1alpha1.MediaPodState
		ready    string // Ready: reason: message
		also     string // Reconciling, Stalled
	}{
		"all there": {agent(), runs(0), plan{endpoint: reached, certificate: issued}, "Ready", "True Ready: takes calls", ""},
		"nothing yet": {
			controllertest.MediaPod("voice", "reception", 0), nil,
			plan{endpoint: endpoint.State{Reason: "WaitingForAddress", Message: "waiting"}, certificate: finding{reason: "Issuing"}, pod: finding{reason: "PodPending"}},
			"Pending", "False WaitingForAddress: waiting", "Reconciling",
		},
		"no certificate": {
			agent(), runs(0), plan{endpoint: reached, certificate: finding{reason: "Issuing", message: "soon"}},
			"Starting", "False Issuing: soon", "",
		},
		"a certificate the user must mend": {
			agent().With(was("Ready")), runs(0), plan{endpoint: reached, certificate: finding{stalled: true, reason: "NameMismatch", message: "mend it"}},
			"NotReady", "False NameMismatch: mend it", "Stalled",
		},
		"no ports": {
			controllertest.MediaPod("voice", "reception", 0), nil,
			plan{endpoint: endpoint.State{Stalled: true, Reason: "PortsExhausted", Message: "widen"}, certificate: finding{reason: "Issuing"}, pod: finding{reason: "PodPending"}},
			"Pending", "False PortsExhausted: widen", "Stalled",
		},
		"no Pod can be made, and address and certificate wait for that": {
			controllertest.MediaPod("voice", "reception", 0), nil,
			plan{endpoint: endpoint.State{Reason: "WaitingForNode"}, certificate: finding{reason: "Issuing"}, pod: finding{stalled: true, reason: "PodRejected", message: "quota"}},
			"Pending", "False PodRejected: quota", "Stalled",
		},
		"no node": {
			controllertest.MediaPod("voice", "reception", 0), runs(0, phase(corev1.PodPending, ""), func(p *corev1.Pod) { p.Spec.NodeName = "" }),
			plan{endpoint: endpoint.State{Reason: "WaitingForNode"}, certificate: finding{reason: "Issuing"}},
			"Pending", "False PodPending: waiting for a node", "Reconciling",
		},
		"starts": {
			controllertest.MediaPod("voice", "reception", 0).Pod("p1"), starting, plan{endpoint: reached, certificate: issued},
			"Starting", "False PodStarting: the process runs and has not finished its start", "Reconciling",
		},
		"was ready": {
			agent().With(was("Ready")), notReady, plan{endpoint: reached, certificate: issued},
			"NotReady", "False PodNotReady: the process runs and is not ready: ContainersNotReady: containers with unready status: [mediapod]; see `kubectl logs -n voice reception-0`", "",
		},
		"was ready, in another Pod": {
			controllertest.MediaPod("voice", "reception", 0).Pod("p0").With(was("NotReady")), starting, plan{endpoint: reached, certificate: issued},
			"Starting", "False PodStarting: the process runs and has not finished its start", "Reconciling",
		},
		"crashed": {
			agent().With(was("Ready")), crashed, plan{endpoint: reached, certificate: issued, agentLost: "it ended"},
			"NotReady", "False PodCrashed: the container ended with exit code 2 (Error) at 2026-03-01T12:00:05Z; see `kubectl logs -n voice reception-0 --previous`", "",
		},
		"the agent says why": {
			agent().AgentNotReady("CredentialsRejected", "correct the secret"), notReady, plan{endpoint: reached, certificate: issued},
			"Starting", "False CredentialsRejected: correct the secret", "",
		},
		"the agent does not say why": {
			agent().AgentNotReady("", ""), runs(0), plan{endpoint: reached, certificate: issued},
			"Starting", "False AgentNotReady: the process is not ready and does not say why; see `kubectl logs -n voice reception-0`", "",
		},
		"the agent is silent": {
			controllertest.MediaPod("voice", "reception", 0).Pod("p1"), runs(0), plan{endpoint: reached, certificate: issued},
			"Starting", "False AgentSilent: the Pod is ready, but its process has not reported yet; if that stays, see `kubectl logs -n voice reception-0`", "Reconciling",
		},
		"drains": {
			agent().Draining(v1alpha1.DrainRollout, noon), runs(0), plan{endpoint: reached, certificate: issued},
			"Draining", "False Draining: takes no new calls (Rollout): it is deleted when its last call has ended", "",
		},
		"drains, and waits for nobody": {
			agent().Draining(v1alpha1.DrainRollout, noon), runs(0), plan{endpoint: reached, certificate: finding{stalled: true, reason: "Expired"}},
			"Draining", "False Draining: takes no new calls (Rollout): it is deleted when its last call has ended", "",
		},
		"was taken back, and its process has not seen it": {
			agent().Generation(4).NotReady(v1alpha1.ReasonDraining, "takes no new calls").With(was("Draining")), runs(0), plan{endpoint: reached, certificate: issued},
			"NotReady", "False Draining: the drain mark was taken back; calls are taken again when the process has seen that", "",
		},
		"was taken back, and its process has seen it": {
			agent().Generation(4).Agent("i1", 4).NotReady(v1alpha1.ReasonDraining, "takes no new calls"), runs(0), plan{endpoint: reached, certificate: issued},
			"Ready", "True Ready: takes calls", "",
		},
		"other changes are taken in without a pause": {
			agent().Generation(4).Ready(), runs(0), plan{endpoint: reached, certificate: issued}, "Ready", "True Ready: takes calls", "",
		},
		"deleted": {
			agent().Deleted(noon), runs(0), plan{endpoint: reached, certificate: issued},
			"Draining", "False Draining: takes no new calls: it is deleted when its last call has ended", "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.pod != nil && tc.plan.pod == (finding{}) {
				tc.plan.pod = judgePod(tc.pod)
			}
			mp := tc.mediaPod.Object()
			before := mp.DeepCopy()
			got := statusOf(facts{mediaPod: mp, pod: tc.pod, now: noon}, tc.plan)
			if diff := cmp.Diff(before, mp); diff != "" {
				t.Errorf("the MediaPod was changed: %s", diff)
			}
			var ready, also string
			kinds := map[string]bool{}
			for _, c := range got.Conditions {
				kinds[c.Type] = true
				if c.ObservedGeneration != mp.Generation {
					t.Errorf("condition %s is of generation %d", c.Type, c.ObservedGeneration)
				}
				switch c.Type {
				case "Ready":
					ready = string(c.Status) + " " + c.Reason + ": " + c.Message
				case "Reconciling", "Stalled":
					also += c.Type
					if c.Status != metav1.ConditionTrue {
						t.Errorf("%s is %s; it exists only while true", c.Type, c.Status)
					}
				}
			}
			if got.State != tc.state || ready != tc.ready || also != tc.also {
				t.Errorf("got  %s, %s [%s]\nwant %s, %s [%s]", got.State, ready, also, tc.state, tc.ready, tc.also)
			}
			for _, kind := range []string{"EndpointReady", "CertificateReady", "PodReady"} {
				if !kinds[kind] {
					t.Errorf("condition %s is missing", kind)
				}
			}
		})
	}
}

func TestTheAgentsPartOfTheStatusIsTheAgents(t *testing.T) {
	mp := controllertest.MediaPod("voice", "reception", 0).Pod("p1").Agent("i1", 1).Seats(20, 3, 1).Calls(3).Object()
	reported := *mp.Status.DeepCopy()
	got := statusOf(facts{mediaPod: mp, pod: runs(0), now: noon}, plan{pod: judgePod(runs(0))})
	if diff := cmp.Diff(reported.Agent, got.Agent); diff != "" || got.Seats != reported.Seats || got.Calls != reported.Calls {
		t.Errorf("the agent's part changed: %s %v %d", diff, got.Seats, got.Calls)
	}
	got = statusOf(facts{mediaPod: mp, now: noon}, plan{agentLost: "its Pod is gone"})
	if got.Agent != nil || got.PodUID != "" || got.PodIP != "" {
		t.Errorf("a process that is gone is still there: %+v", got)
	}
	if got.Seats != reported.Seats || got.Calls != reported.Calls {
		t.Errorf("the last report's counts changed: %v %d", got.Seats, got.Calls)
	}
}

func TestReachabilityIsToldAsACondition(t *testing.T) {
	tests := map[string]struct {
		media *v1alpha1.Reachability
		want  metav1.ConditionStatus // "" for none
	}{
		"not probed":      {nil, ""},
		"reached":         {&v1alpha1.Reachability{Reachable: ptr.To(true), Reason: "Answered"}, metav1.ConditionTrue},
		"not reached":     {&v1alpha1.Reachability{Reachable: ptr.To(false), Reason: "NoAnswer", Message: "no connection"}, metav1.ConditionFalse},
		"nobody can tell": {&v1alpha1.Reachability{Reason: "NotChecked"}, metav1.ConditionUnknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := settled(func(f *facts) { f.mediaPod.Status.Agent.Media = tc.media })
			got := statusOf(f, decide(f, image)).Conditions
			if tc.want == "" {
				if err := controllertest.LacksCondition(got, v1alpha1.ConditionMediaReachable); err != nil {
					t.Error(err)
				}
				return
			}
			if err := controllertest.HasCondition(got, v1alpha1.ConditionMediaReachable, tc.want, tc.media.Reason); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("it goes with the process", func(t *testing.T) {
		f := settled(func(f *facts) {
			f.mediaPod.Status.Agent.Media = &v1alpha1.Reachability{Reachable: ptr.To(true), Reason: "Answered"}
			f.mediaPod.Status.Conditions = statusOf(*f, decide(*f, image)).Conditions
			f.pod = nil
		})
		if err := controllertest.LacksCondition(statusOf(f, decide(f, image)).Conditions, v1alpha1.ConditionMediaReachable); err != nil {
			t.Error(err)
		}
	})
}
