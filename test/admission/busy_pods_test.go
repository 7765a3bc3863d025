// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func named(names ...string) func(*v1alpha1.MediaPodStatus) {
	return func(s *v1alpha1.MediaPodStatus) { s.Agent.Calls = names }
}

// TestABusyPodIsNotDeleted: not by people, nor by what works for them; and by whom it is, all the same.
func TestABusyPodIsNotDeleted(t *testing.T) {
	cluster := install(t)
	busy := func(p *place, pod *corev1.Pod) { p.report(pod, 2, named("Call/lunch", "MeetingSession/standup")) }
	label := func(p *place, pod *corev1.Pod, calls string) {
		controllertest.Update(p.T, p.Client, pod, func(pod *corev1.Pod) { pod.Labels["callfleet.dev/calls"] = calls })
	}
	for name, tc := range map[string]struct {
		state  func(*place, *corev1.Pod)
		user   string
		groups []string
		want   string
	}{
		"by a person": {
			busy, "ada", nil, "pod reception-0 has 2 calls (Call/lunch, MeetingSession/standup) and 0 about to begin; delete the MediaPod instead, " +
				"which waits for them: kubectl delete mediapod -n NS reception-0; or give them up first: " +
				"kubectl annotate pod -n NS reception-0 callfleet.dev/allow-disruption=true",
		},
		"with one call": {func(p *place, pod *corev1.Pod) { p.report(pod, 1) }, "ada", nil, "has 1 call and 0 about to begin"},
		"with more calls than can be named": {
			func(p *place, pod *corev1.Pod) {
				p.report(pod, 9, named("Call/a", "Call/b", "Call/c", "Call/d", "Call/e", "Call/f", "Call/g", "Call/h"))
			}, "ada", nil, "has 9 calls (Call/a, Call/b, Call/c, Call/d, Call/e, Call/f, Call/g, Call/h, …)",
		},
		"with a seat held": {
			func(p *place, pod *corev1.Pod) {
				p.report(pod, 0, func(s *v1alpha1.MediaPodStatus) { s.Seats.Reserved = 1 })
			}, "ada", nil, "has 0 calls and 1 about to begin",
		},
		"with a session bound": {
			func(p *place, pod *corev1.Pod) { p.report(pod, 0); label(p, pod, "active") }, "ada", nil, "has no call, and is held by sessions",
		},
		"by the scheduler, for a Pod of more priority": {busy, "system:kube-scheduler", nil, "has 2 calls"},
		"by the operator":                  {busy, "system:serviceaccount:callfleet-system:callfleet-manager", nil, "has 2 calls"},
		"by something else of kube-system": {busy, "system:serviceaccount:kube-system:descheduler", nil, "has 2 calls"},

		"without calls":         {func(p *place, pod *corev1.Pod) { p.report(pod, 0) }, "ada", nil, ""},
		"before the first word": {func(*place, *corev1.Pod) {}, "ada", nil, ""},
		"with the counts of a process that is gone": {
			func(p *place, pod *corev1.Pod) {
				p.report(pod, 2, func(s *v1alpha1.MediaPodStatus) { s.Agent = nil })
			}, "ada", nil, "",
		},
		"with calls that were given up": {
			func(p *place, pod *corev1.Pod) {
				busy(p, pod)
				controllertest.Update(p.T, p.Client, pod, func(pod *corev1.Pod) {
					pod.Annotations = map[string]string{"callfleet.dev/allow-disruption": "true"}
				})
			}, "ada", nil, "",
		},
		"that has failed": {
			func(p *place, pod *corev1.Pod) {
				busy(p, pod)
				controllertest.UpdateStatus(p.T, p.Client, pod, func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })
			}, "system:serviceaccount:callfleet-system:callfleet-manager", nil, "",
		},
		"whose MediaPod is gone": {
			func(p *place, pod *corev1.Pod) {
				label(p, pod, "active")
				if err := p.Client.Delete(context.Background(), p.mediaPod(pod)); err != nil {
					p.Fatal(err)
				}
				awaitForgotten(p, pod)
			}, "ada", nil, "",
		},
		"by its kubelet":              {busy, "system:node:win-1", []string{"system:nodes"}, ""},
		"by the garbage collector":    {busy, "system:serviceaccount:kube-system:generic-garbage-collector", nil, ""},
		"of a node that is gone":      {busy, "system:serviceaccount:kube-system:pod-garbage-collector", nil, ""},
		"at the end of a toleration":  {busy, "system:serviceaccount:kube-system:taint-eviction-controller", nil, ""},
		"at the end of its namespace": {busy, "system:serviceaccount:kube-system:namespace-controller", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, cluster)
			p.pod("reception", 1) // another one, without calls
			pod := p.pod("reception", 0)
			tc.state(p, pod)
			if tc.want != "" { // the policy's own view of MediaPods may be a moment behind
				controllertest.Eventually(t, "the policy sees the report", func() error {
					if err := p.Client.Delete(context.Background(), pod.DeepCopy(), client.DryRunAll); err == nil {
						return fmt.Errorf("it would let the Pod be deleted")
					}
					return nil
				})
			}
			judge(t, p.as(tc.user, tc.groups...).Delete(context.Background(), pod.DeepCopy()), strings.ReplaceAll(tc.want, "NS", p.ns))
		})
	}
}

// awaitForgotten waits until the policy has seen that a MediaPod is gone.
func awaitForgotten(p *place, pod *corev1.Pod) {
	controllertest.Eventually(p.T, "the policy forgets the media pod", func() error {
		return p.Client.Delete(context.Background(), pod.DeepCopy(), client.DryRunAll)
	})
}

// TestAPodThatIsBeingDeletedIsFinished: the kubelet, or whoever comes after a node that is lost, removes it at the end.
func TestAPodThatIsBeingDeletedIsFinished(t *testing.T) {
	p := newPlace(t, install(t))
	pod := p.pod("reception", 0)
	if err := p.Client.SubResource("binding").Create(context.Background(), pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "n1"}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Client.Delete(context.Background(), pod.DeepCopy()); err != nil { // while it is idle; it stays until its kubelet has ended it
		t.Fatal(err)
	}
	p.report(pod, 1)
	judge(t, p.as("ada").Delete(context.Background(), pod.DeepCopy(), client.GracePeriodSeconds(0)), "")
	controllertest.AwaitGone(t, p.Client, pod)
}

// TestAllPodsAreDeletedButTheBusy: kubectl delete pods --all.
func TestAllPodsAreDeletedButTheBusy(t *testing.T) {
	p := newPlace(t, install(t))
	_, busy := p.pod("reception", 0), p.pod("reception", 1)
	p.report(busy, 1, named("MeetingSession/standup"))
	controllertest.Eventually(t, "the busy one is not deleted with all of them", func() error {
		if err := p.Client.Delete(context.Background(), busy.DeepCopy(), client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("the policy has not seen the report: %v", err)
		}
		return nil
	})
	judge(t, p.Client.DeleteAllOf(context.Background(), &corev1.Pod{}, client.InNamespace(p.ns)), "pod reception-1 has 1 call (MeetingSession/standup)")
	if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(busy), busy); err != nil || busy.DeletionTimestamp != nil {
		t.Errorf("the busy one: %v, being deleted since %v", err, busy.DeletionTimestamp)
	}
}

// warnings collects what the API server warns of.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, text)
}

// TestAnEvictionSaysWhichCallsItWaitsFor: the budget has it wait, and the warning comes with its answer.
func TestAnEvictionSaysWhichCallsItWaitsFor(t *testing.T) {
	p := newPlace(t, install(t))
	busy, idle := p.pod("reception", 0), p.pod("reception", 1)
	p.report(busy, 1, named("MeetingSession/standup"))
	controllertest.Update(t, p.Client, busy, func(pod *corev1.Pod) { pod.Labels["callfleet.dev/calls"] = "active" })
	for _, pod := range []*corev1.Pod{busy, idle} { // a Pod that is pending is evicted whatever the budgets
		controllertest.UpdateStatus(t, p.Client, pod, func(pod *corev1.Pod) {
			pod.Status.Phase, pod.Status.Conditions = corev1.PodRunning, []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		})
	}
	budget := controllertest.Create(t, p.Client, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(0)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{"callfleet.dev/bot": "reception", "callfleet.dev/calls": "active"}},
		},
	})
	// What the disruption controller, which is not here, says of one that allows none.
	controllertest.UpdateStatus(t, p.Client, budget, func(b *policyv1.PodDisruptionBudget) {
		b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, ExpectedPods: 1, DesiredHealthy: 1, CurrentHealthy: 1}
	})
	config, said := rest.CopyConfig(p.Config), &warnings{}
	config.WarningHandler = said
	c := p.access(config)
	want := "pod reception-0 has 1 call (MeetingSession/standup), which its eviction waits for; to give them up: " +
		"kubectl annotate pod -n " + p.ns + " reception-0 callfleet.dev/allow-disruption=true"
	controllertest.Eventually(t, "the eviction waits, and says for what", func() error {
		said.list = nil
		err := c.SubResource("eviction").Create(context.Background(), busy, &policyv1.Eviction{})
		if !apierrors.IsTooManyRequests(err) || !slices.ContainsFunc(said.list, func(text string) bool { return strings.Contains(text, want) }) {
			return fmt.Errorf("answer %v, warnings %q", err, said.list)
		}
		return nil
	})
	said.list = nil
	if err := c.SubResource("eviction").Create(context.Background(), idle, &policyv1.Eviction{}); err != nil || len(said.list) > 0 {
		t.Errorf("evicting an idle one: %v, warnings %q", err, said.list)
	}
}
