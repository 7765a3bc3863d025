// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/shorten"
)

func TestJudge(t *testing.T) {
	missing := &problem{v1alpha1.ReasonSecretNotFound, "Secret reception does not exist; create it"}
	cases := map[string]struct {
		facts facts
		want  []string
	}{
		"serving": {
			facts: facts{wanted: 2, ready: 2, rollout: rollout{wanted: 2, ready: 2}},
			want:  []string{"Ready=True/Serving: pods that take calls: 2, wanted: 2"},
		},
		"a drain, however long, is not reconciling": {
			facts: facts{wanted: 1, ready: 1, rollout: rollout{wanted: 1, ready: 1}, draining: 3},
			want:  []string{"Ready=True/Serving: pods that take calls: 1, wanted: 1"},
		},
		"scaled to zero": {
			facts: facts{},
			want:  []string{"Ready=True/ScaledToZero: no pods are wanted; set spec.replicas to serve calls"},
		},
		"starting": {
			facts: facts{wanted: 2, ready: 1, rollout: rollout{wanted: 2, ready: 1}, complaint: &complaint{pod: "b-1", reason: v1alpha1.ReasonPodStarting, message: "the process runs"}},
			want: []string{
				"Ready=False/PodsNotReady: pods that take calls: 1, wanted: 2; b-1: PodStarting: the process runs",
				"Reconciling=True/Scaling: pods ready: 1, wanted: 2",
			},
		},
		"just created": {
			facts: facts{wanted: 1},
			want: []string{
				"Ready=False/PodsNotReady: pods that take calls: 0, wanted: 1; see `kubectl get mp` for the others",
				"Reconciling=True/Scaling: pods ready: 0, wanted: 1",
			},
		},
		"rolling out while all serve": {
			facts: facts{wanted: 2, ready: 3, rollout: rollout{wanted: 2, current: 2, ready: 1, old: 2}},
			want: []string{
				"Ready=True/Serving: pods that take calls: 3, wanted: 2",
				"Reconciling=True/Rollout: pods ready with the new configuration: 1, wanted: 2; the old ones serve until then",
			},
		},
		"a rollout that waits for calls to end is not reconciling": {
			facts: facts{wanted: 2, ready: 2, rollout: rollout{wanted: 2, current: 1, ready: 1, old: 1, draining: 1, exhausted: true}},
			want:  []string{"Ready=True/Serving: pods that take calls: 2, wanted: 2"},
		},
		"nor is one that is paused": {
			facts: facts{wanted: 2, ready: 2, rollout: rollout{wanted: 2, old: 2, paused: true}},
			want:  []string{"Ready=True/Serving: pods that take calls: 2, wanted: 2"},
		},
		"a pod lost while the rollout waits is": {
			facts: facts{wanted: 2, ready: 1, rollout: rollout{wanted: 2, current: 1, ready: 1, old: 1, draining: 1, exhausted: true}},
			want: []string{
				"Ready=False/PodsNotReady: pods that take calls: 1, wanted: 2; see `kubectl get mp` for the others",
				"Reconciling=True/Scaling: pods ready: 1, wanted: 2",
			},
		},
		"a missing Secret stalls": {
			facts: facts{wanted: 1, problem: missing},
			want: []string{
				"Ready=False/SecretNotFound: Secret reception does not exist; create it",
				"Stalled=True/SecretNotFound: Secret reception does not exist; create it",
			},
		},
		"rejected credentials stall": {
			facts: facts{wanted: 1, complaint: &complaint{pod: "b-0", reason: v1alpha1.ReasonCredentialsRejected, message: "the login service says no; renew the secret", stalled: true}},
			want: []string{
				"Ready=False/CredentialsRejected: pods that take calls: 0, wanted: 1; b-0: CredentialsRejected: the login service says no; renew the secret",
				"Stalled=True/CredentialsRejected: pods that take calls: 0, wanted: 1; b-0: CredentialsRejected: the login service says no; renew the secret",
			},
		},
		"an unreachable login service is waited for": {
			facts: facts{wanted: 1, complaint: &complaint{pod: "b-0", reason: v1alpha1.ReasonLoginUnreachable, message: "timeout"}},
			want: []string{
				"Ready=False/LoginUnreachable: pods that take calls: 0, wanted: 1; b-0: LoginUnreachable: timeout",
				"Reconciling=True/Scaling: pods ready: 0, wanted: 1",
			},
		},
		"a pod that the API server refuses stalls": {
			facts: facts{wanted: 1, complaint: &complaint{pod: "b-0", reason: v1alpha1.ReasonPodRejected, message: "hostPort is not allowed", stalled: true}},
			want: []string{
				"Ready=False/PodRejected: pods that take calls: 0, wanted: 1; b-0: PodRejected: hostPort is not allowed",
				"Stalled=True/PodRejected: pods that take calls: 0, wanted: 1; b-0: PodRejected: hostPort is not allowed",
			},
		},
		"the Pod of an earlier media pod is waited for": {
			facts: facts{wanted: 1, complaint: &complaint{pod: "b-0", reason: v1alpha1.ReasonPodConflict, message: "still ending"}},
			want: []string{
				"Ready=False/PodConflict: pods that take calls: 0, wanted: 1; b-0: PodConflict: still ending",
				"Reconciling=True/Scaling: pods ready: 0, wanted: 1",
			},
		},
		"one bad pod of many does not stall": {
			facts: facts{wanted: 1, ready: 1, rollout: rollout{wanted: 1, ready: 1}, complaint: &complaint{pod: "b-9", reason: v1alpha1.ReasonCredentialsRejected, stalled: true}},
			want:  []string{"Ready=True/Serving: pods that take calls: 1, wanted: 1"},
		},
		"being deleted with calls": {
			facts: facts{draining: 2, deleting: true, problem: missing},
			want: []string{
				"Ready=False/Deleting: the bot is being deleted",
				"Reconciling=True/Deleting: the bot goes when the calls on 2 pods have ended",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range judge(tc.facts) {
				got = append(got, c.Type+"="+string(c.Status)+"/"+c.Reason+": "+c.Message)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheMostTellingPodSpeaks(t *testing.T) {
	starting := controllertest.MediaPod("v", "b", 0).NotReady(v1alpha1.ReasonPodStarting, "starting")
	crashed := controllertest.MediaPod("v", "b", 1).NotReady(v1alpha1.ReasonPodCrashed, "exit code 1")
	rejected := controllertest.MediaPod("v", "b", 2).NotReady(v1alpha1.ReasonAgentNotReady, "the agent is not ready").
		AgentNotReady(v1alpha1.ReasonCredentialsRejected, "invalid_client\ntrace: …")
	odd := controllertest.MediaPod("v", "b", 3).AgentNotReady("SomethingNew", "")
	serving := controllertest.MediaPod("v", "b", 4).Ready()
	refused := controllertest.MediaPod("v", "b", 6).NotReady(v1alpha1.ReasonSecretNotFound, "Secret media does not exist").
		Condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound, "Secret media does not exist")
	silent := controllertest.MediaPod("v", "b", 5)

	cases := map[string]struct {
		pods []*controllertest.MediaPodBuilder
		want string
		// stalled: the bot is.
		stalled bool
	}{
		"an agent's own word before all":         {[]*controllertest.MediaPodBuilder{starting, crashed, rejected}, "b-2: CredentialsRejected: invalid_client", true},
		"a crash before a start":                 {[]*controllertest.MediaPodBuilder{starting, crashed}, "b-1: PodCrashed: exit code 1", false},
		"of equals the first":                    {[]*controllertest.MediaPodBuilder{starting, odd}, "b-0: PodStarting: starting", false},
		"a reason nobody ranked":                 {[]*controllertest.MediaPodBuilder{odd}, "b-3: SomethingNew", false},
		"pods that serve or are new say nothing": {[]*controllertest.MediaPodBuilder{serving, silent}, "", false},
		"a stalled pod stalls the bot":           {[]*controllertest.MediaPodBuilder{crashed, refused}, "b-6: SecretNotFound: Secret media does not exist", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var pods []*v1alpha1.MediaPod
			for _, pod := range tc.pods {
				pods = append(pods, pod.Object())
			}
			got, stalled := "", false
			if c := mostTelling(pods); c != nil {
				got, stalled = c.String(), c.stalled
			}
			if got != tc.want || stalled != tc.stalled {
				t.Errorf("got %q, stalled %t; want %q, %t", got, stalled, tc.want, tc.stalled)
			}
		})
	}
}

func TestSettleKeepsTimesAndDropsWhatIsOver(t *testing.T) {
	first := settle(nil, []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "A", Message: "a"},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "A", Message: "a"},
	}, 1, noon)
	later := noon.Add(time.Hour)
	second := settle(first, []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "B", Message: "b"}}, 2, later)
	want := []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "B", Message: "b",
		ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(noon),
	}}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("still not ready, not stalled any more (-want +got):\n%s", diff)
	}
	if first[1].Type != v1alpha1.ConditionStalled {
		t.Error("settling changed the conditions it was given")
	}
	third := settle(second, []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "C"}}, 3, later)
	if !third[0].LastTransitionTime.Time.Equal(later) {
		t.Errorf("the transition is of %s, want %s", third[0].LastTransitionTime, later)
	}
	others := []metav1.Condition{{Type: v1alpha1.ConditionCredentialsValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTokenIssued}}
	if got := settle(others, []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "C"}}, 4, later); len(got) != 2 {
		t.Errorf("what the preflight says of the bot is gone: %v", got)
	}
}

func TestStatusCountsTheFleet(t *testing.T) {
	bot := controllertest.Bot("voice", "b").Replicas(3).With(func(b *v1alpha1.CallingBot) { b.Generation = 7 }).Object()
	seen := &observation{bot: bot, revision: newRevision}
	for _, pod := range []*controllertest.MediaPodBuilder{
		ready(0).Seats(20, 2, 1).Calls(2),
		oldReady(1).Seats(10, 1, 0).Calls(1),
		mp(2, newRevision).NotReady(v1alpha1.ReasonPodCrashed, "").Seats(20, 5, 0).Calls(5), // its process is gone
		empty(3).Seats(20, 4, 0).Calls(4),
	} {
		seen.pods = append(seen.pods, *pod.Object())
	}
	got := statusOf(seen, noon)
	got.Conditions = nil
	want := v1alpha1.CallingBotStatus{
		ObservedGeneration: 7, Replicas: 3, ReadyReplicas: 2, DrainingReplicas: 1,
		Selector:        "callfleet.dev/bot=b,callfleet.dev/state=serving",
		DesiredReplicas: 3,
		Seats:           v1alpha1.Seats{Capacity: 30, Used: 3, Reserved: 1, Free: 26},
		Rollout:         v1alpha1.RolloutStatus{Revision: newRevision, UpdatedReplicas: 2, OldPods: 1, OldCalls: 1},
		Calls:           7,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestPortsExhaustedIsSaid(t *testing.T) {
	seen := &observation{bot: controllertest.Bot("voice", "b").Replicas(3).LoadBalancer(28550, 28551).Object(), revision: newRevision}
	c := statusOf(seen, noon).Conditions
	if err := controllertest.HasCondition(c, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPortsExhausted); err != nil {
		t.Error(err)
	}
	if !strings.Contains(c[0].Message, "widen the range or lower spec.replicas") {
		t.Errorf("the message does not say what to do: %q", c[0].Message)
	}
}

func TestMessagesFitAnEventsNote(t *testing.T) {
	long := &complaint{pod: "b-0", reason: v1alpha1.ReasonCredentialsRejected, message: strings.Repeat("ä", shorten.Note), stalled: true}
	for _, c := range judge(facts{wanted: 1, complaint: long}) {
		if len(c.Message) > shorten.Note || !strings.HasSuffix(c.Message, "ä…") {
			t.Errorf("%s has %d bytes, ending in %q", c.Type, len(c.Message), c.Message[len(c.Message)-8:])
		}
	}
}
