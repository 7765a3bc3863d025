// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestANodeIsJudged(t *testing.T) {
	taint := func(key string, effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: effect}) }
	}
	is := func(status corev1.ConditionStatus, since time.Time) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse},
				{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(since)},
			}
		}
	}
	cases := map[string]struct {
		node func(*corev1.Node)
		want nodeFacts
	}{
		"well":                             {is(corev1.ConditionTrue, noon), nodeFacts{}},
		"of which nothing is known yet":    {func(*corev1.Node) {}, nodeFacts{}},
		"cordoned":                         {func(n *corev1.Node) { n.Spec.Unschedulable = true }, nodeFacts{doomed: "the node is cordoned"}},
		"removed by the autoscaler":        {taint("ToBeDeletedByClusterAutoscaler", corev1.TaintEffectNoSchedule), nodeFacts{doomed: "the cluster autoscaler removes the node"}},
		"perhaps removed by it":            {taint("DeletionCandidateOfClusterAutoscaler", corev1.TaintEffectPreferNoSchedule), nodeFacts{}},
		"disrupted by Karpenter":           {taint("karpenter.sh/disrupted", corev1.TaintEffectNoSchedule), nodeFacts{doomed: "Karpenter removes the node"}},
		"a spot node, as always":           {taint("kubernetes.azure.com/scalesetpriority", corev1.TaintEffectNoSchedule), nodeFacts{}},
		"a spot node that is taken back":   {taint("aws-node-termination-handler/spot-itn", corev1.TaintEffectNoSchedule), nodeFacts{doomed: "the cloud takes the node back"}},
		"in maintenance":                   {taint("remediator.kubernetes.azure.com/unschedulable", corev1.TaintEffectNoSchedule), nodeFacts{doomed: "maintenance of the node is scheduled"}},
		"silent for a moment":              {is(corev1.ConditionUnknown, noon.Add(-time.Minute)), nodeFacts{away: noon.Add(-time.Minute)}},
		"silent for long":                  {is(corev1.ConditionUnknown, noon.Add(-2*time.Minute)), nodeFacts{away: noon.Add(-2 * time.Minute), gone: true}},
		"not ready for long":               {is(corev1.ConditionFalse, noon.Add(-time.Hour)), nodeFacts{away: noon.Add(-time.Hour), gone: true}},
		"a wish of the name of a decision": {taint("karpenter.sh/disrupted", corev1.TaintEffectPreferNoSchedule), nodeFacts{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var node corev1.Node
			tc.node(&node)
			if got := judgeNode(&node, noon); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestNodesThatGo(t *testing.T) {
	type pods = []*controllertest.MediaPodBuilder
	on := func(node string) func(*v1alpha1.MediaPod) {
		return func(p *v1alpha1.MediaPod) { p.Status.NodeName = node }
	}
	lost := func(p *v1alpha1.MediaPod) { p.Annotations = map[string]string{v1alpha1.AnnotationLost: "true"} }
	nodeDrained := func(slot, calls int32) *controllertest.MediaPodBuilder {
		return mp(slot, newRevision).Generation(2).Draining(v1alpha1.DrainNode, noon).Agent("i", 2).Seats(20, calls, 0).Calls(calls)
	}
	nodes := map[string]nodeFacts{"well": {}, "cordoned": {doomed: "the node is cordoned"}, "silent": {away: noon}, "gone": {away: noon, gone: true}}
	bot := func(replicas int32) *controllertest.BotBuilder {
		return controllertest.Bot("voice", "b").Replicas(replicas)
	}
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		pods pods
		want []string
	}{
		"a cordoned node is emptied, and its pods are replaced": {
			bot: bot(2), pods: pods{ready(0).With(on("well")), ready(1).Calls(4).With(on("cordoned"))},
			want: []string{"drain b-1 NodeDraining: the node is cordoned: cordoned", "create b-2: 1 of 2 pods exist"},
		},
		"replacing them is no surge": {
			bot:  rolling(2, surge("1")),
			pods: pods{oldReady(0).With(on("well")), oldReady(1).With(on("cordoned")), mp(2, newRevision)},
			want: []string{"drain b-1 NodeDraining: the node is cordoned: cordoned", "create b-3: 1 of 2 pods exist with revision rev-new"},
		},
		"scale-in takes those that go anyway": {
			bot: bot(1), pods: pods{ready(0).With(on("well")), ready(1).With(on("cordoned"))},
			want: []string{"drain b-1 NodeDraining: the node is cordoned: cordoned"},
		},
		"one that drains already drains on": {
			bot: bot(1), pods: pods{ready(0), nodeDrained(1, 1).With(on("cordoned"))}, want: []string{"wait b-1: LiveCalls"},
		},
		"an uncordoned node's pod is taken back, and the one on its way in its place is not needed": {
			bot: bot(2), pods: pods{ready(0), nodeDrained(1, 3).With(on("well")), mp(2, newRevision)},
			want: []string{"drain b-2 ScaleIn: replicas is 2", "undrain b-1: its node stays, and it has the present configuration"},
		},
		"not if the one in its place is ready": {
			bot: bot(2), pods: pods{ready(0), nodeDrained(1, 3).With(on("well")), ready(2)}, want: []string{"wait b-1: LiveCalls"},
		},
		"nor while the node is away": {
			bot: bot(2), pods: pods{ready(0), nodeDrained(1, 3).With(on("silent"))},
			want: []string{"create b-2: 1 of 2 pods exist", "wait b-1: LiveCalls"},
		},

		"a node that is silent for a moment is waited for": {
			bot: bot(2), pods: pods{ready(0), mp(1, newRevision).NotReady(v1alpha1.ReasonPodNotReady, "").Calls(3).With(on("silent"))},
		},
		"the pod on one that is silent for long is replaced, and not touched": {
			bot: bot(2), pods: pods{ready(0), mp(1, newRevision).NotReady(v1alpha1.ReasonPodNotReady, "").Calls(3).With(on("gone"))},
			want: []string{"create b-2: 1 of 2 pods exist, and nobody hears of the node of 1 other"},
		},
		"and counts again when it comes back: the fleet has one too many then": {
			bot: bot(1), pods: pods{ready(0), ready(1).Calls(3).With(on("well"))}, want: []string{"drain b-0 ScaleIn: replicas is 1"},
		},
		"a pod that somebody gave up goes": {
			bot: bot(1), pods: pods{mp(0, newRevision).Agent("i", 1).Calls(3).With(on("gone")).With(lost)},
			want: []string{"drain b-0 Lost: somebody said that its process is gone (annotation callfleet.dev/lost)", "create b-1: 0 of 1 pods exist"},
		},
		"whatever it last said": {
			bot:  bot(1),
			pods: pods{ready(1), mp(0, newRevision).Agent("i", 1).Calls(3).Draining(v1alpha1.DrainLost, noon).Generation(2).With(on("gone")).With(lost)},
			want: []string{"delete b-0: somebody said that its process is gone (annotation callfleet.dev/lost)"},
		},
		"one that is ready does not": {
			bot: bot(1), pods: pods{ready(0).Calls(3).Condition(v1alpha1.ConditionPodReady, "True", v1alpha1.ReasonReady, "").With(lost)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := &observation{bot: tc.bot.Object(), revision: newRevision, nodes: nodes}
			for _, pod := range tc.pods {
				seen.pods = append(seen.pods, *pod.Object())
			}
			if diff := cmp.Diff(tc.want, describe(seen, makePlan(seen, noon))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABotDeletedByForce(t *testing.T) {
	bot := controllertest.Bot("voice", "b").Replicas(3).With(func(b *v1alpha1.CallingBot) {
		b.DeletionTimestamp, b.Spec.DeletionPolicy = ptr.To(metav1.NewTime(noon)), v1alpha1.DeletionForce
	}).Object()
	seen := &observation{bot: bot, revision: newRevision, pods: []v1alpha1.MediaPod{
		*ready(0).Calls(2).Object(), *scaledIn(1, 5).Object(),
		*scaledIn(2, 5).With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil }).Object(),
	}}
	// The calls are left by the pods themselves, and what is said by nobody is given up.
	want := []string{
		"drain b-0 ScaleIn until 12:00: the bot is being deleted",
		"remark b-1 until 12:00: calls that are left are hung up: the bot is being deleted, and its deletionPolicy is Force",
		"give up b-2",
		"wait b-1: LiveCalls", "wait b-2: AgentSilent",
	}
	if diff := cmp.Diff(want, describe(seen, makePlan(seen, noon))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
