// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// rolling is a bot with so many replicas and these rules.
func rolling(replicas int32, rollout v1alpha1.Rollout) *controllertest.BotBuilder {
	return controllertest.Bot("voice", "b").Replicas(replicas).With(func(b *v1alpha1.CallingBot) { b.Spec.Rollout = rollout })
}

func surge(value string) v1alpha1.Rollout {
	parsed := intstr.Parse(value)
	return v1alpha1.Rollout{MaxSurge: &parsed}
}

// scaledIn is a pod of the present revision that scale-in drains, with so many calls left.
func scaledIn(slot, calls int32) *controllertest.MediaPodBuilder {
	return mp(slot, newRevision).Generation(2).Draining(v1alpha1.DrainScaleIn, noon).Agent("i", 2).Seats(20, calls, 0).Calls(calls)
}

// renewed gives a pod a platform that shows an older certificate than there is.
func renewed(b *controllertest.MediaPodBuilder) *controllertest.MediaPodBuilder {
	return b.Condition(v1alpha1.ConditionCertificateRenewed, metav1.ConditionTrue, v1alpha1.ReasonRenewed, "")
}

func TestRollout(t *testing.T) {
	type pods = []*controllertest.MediaPodBuilder
	hangUp := v1alpha1.Rollout{DrainDeadline: "1h", OnDeadline: v1alpha1.DeadlineHangUp}
	due := func(at time.Time) func(*v1alpha1.MediaPod) {
		return func(p *v1alpha1.MediaPod) { p.Spec.Drain.HangUpAt = ptr.To(metav1.NewTime(at)) }
	}
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		pods pods
		want []string
	}{
		"surge by pods": {
			bot: rolling(4, surge("1")), pods: pods{oldReady(0), oldReady(1), oldReady(2), oldReady(3)},
			want: []string{"create b-4: 0 of 4 pods exist with revision rev-new"},
		},
		"surge by percent is rounded up": {
			bot: rolling(4, surge("30%")), pods: pods{oldReady(0), oldReady(1), oldReady(2), oldReady(3)},
			want: []string{"create b-4: 0 of 4 pods exist with revision rev-new", "create b-5: 0 of 4 pods exist with revision rev-new"},
		},
		"each pod that is gone makes room for the next": {
			bot: rolling(4, surge("1")), pods: pods{oldReady(0), oldReady(1), oldReady(2), ready(4)},
			want: []string{"create b-3: 1 of 4 pods exist with revision rev-new"},
		},
		"a pod that drains holds its place, and the rollout waits": {
			bot: rolling(4, surge("1")), pods: pods{oldReady(0).Calls(9), oldReady(1).Calls(9), oldReady(2).Calls(9), oldDraining(3, 1), ready(4)},
			want: []string{"wait b-3: LiveCalls"},
		},
		"what scale-in drains takes nothing from the surge": {
			bot: rolling(2, surge("1")), pods: pods{oldReady(0).Calls(9), oldReady(1).Calls(9), mp(2, oldRevision).Generation(2).Draining(v1alpha1.DrainScaleIn, noon).Agent("i", 2).Calls(1)},
			want: []string{"create b-3: 0 of 2 pods exist with revision rev-new", "wait b-2: LiveCalls"},
		},
		"a pod that is lost in the middle is made again though the surge is used up": {
			bot: rolling(4, surge("1")), pods: pods{oldReady(0), oldReady(1), oldDraining(3, 1), ready(4)},
			want: []string{"create b-2: 1 of 4 pods exist with revision rev-new", "wait b-3: LiveCalls"},
		},
		"more replicas in the middle are made at once": {
			bot: rolling(6, surge("1")), pods: pods{oldReady(0), oldReady(1), oldReady(2), oldDraining(3, 1), ready(4)},
			want: []string{
				"create b-5: 1 of 6 pods exist with revision rev-new", "create b-6: 1 of 6 pods exist with revision rev-new", "wait b-3: LiveCalls",
			},
		},
		"old pods drain side by side, the one with the fewest calls first": {
			bot: rolling(2, surge("100%")), pods: pods{oldReady(0).Calls(5), oldReady(1).Calls(2), ready(2), ready(3)},
			want: []string{
				"drain b-1 Rollout: 2 of 2 pods are ready with revision rev-new",
				"drain b-0 Rollout: 2 of 2 pods are ready with revision rev-new",
			},
		},

		"a renewed certificate: others are made beside those that cannot show it": {
			bot: rolling(2, surge("1")), pods: pods{renewed(ready(0)), renewed(ready(1))},
			want: []string{"create b-2: 0 of 2 pods exist with the renewed certificate"},
		},
		"a renewed certificate: who cannot show it drains when others do": {
			bot: rolling(2, surge("1")), pods: pods{renewed(ready(0).Calls(3)), renewed(ready(1).Calls(2)), ready(2)},
			want: []string{"drain b-1 Rollout: its certificate was renewed, and it cannot show the new one; 1 of 2 pods are ready that do"},
		},
		"a renewed certificate: who drains for it does not come back": {
			bot: rolling(3, surge("1")), pods: pods{renewed(mp(0, newRevision).Generation(2).Draining(v1alpha1.DrainRollout, noon).Agent("i", 2).Calls(1)), ready(1), ready(2)},
			want: []string{"create b-3: 2 of 3 pods exist", "wait b-0: LiveCalls"},
		},
		"a renewed certificate, paused: they serve on, and more are made as the bot says": {
			bot: rolling(3, v1alpha1.Rollout{Paused: true}), pods: pods{renewed(ready(0)), renewed(ready(1))},
			want: []string{"create b-2: 2 of 3 pods exist with the renewed certificate"},
		},

		"paused: nothing new is made and nothing relieved": {
			bot: rolling(2, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0), oldReady(1)},
		},
		"paused half-way: both kinds serve on": {
			bot: rolling(2, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0), oldReady(1), ready(2)},
			want: []string{"drain b-0 ScaleIn: replicas is 2"},
		},
		"paused: what is missing is made like most are": {
			bot: rolling(3, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0), ready(2)},
			want: []string{"create b-1: 2 of 3 pods exist with revision rev-new"},
		},
		"paused: like the old ones, if these are more": {
			bot: rolling(4, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0), oldReady(1), ready(2)},
			want: []string{"create b-3 like b-1: 3 of 4 pods exist; the rollout is paused, so it is made with revision rev-old"},
		},
		"paused: scale-in takes the idle one, old or new": {
			bot: rolling(1, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0), ready(1).Calls(3)},
			want: []string{"drain b-0 ScaleIn: replicas is 1"},
		},
		"paused: a bot that is deleted goes all the same": {
			bot:  rolling(2, v1alpha1.Rollout{Paused: true}).With(func(b *v1alpha1.CallingBot) { b.DeletionTimestamp = ptr.To(metav1.NewTime(noon)) }),
			pods: pods{oldReady(0), ready(1)},
			want: []string{"drain b-1 ScaleIn: the bot is being deleted", "drain b-0 ScaleIn: the bot is being deleted"},
		},

		"a rollback takes back what drains": {
			bot: rolling(2, v1alpha1.Rollout{}),
			pods: pods{oldReady(2).NotReady(v1alpha1.ReasonPodCrashed, ""), ready(0).Calls(3),
				mp(1, newRevision).Generation(2).Draining(v1alpha1.DrainRollout, noon).Agent("i", 2).Seats(20, 1, 0).Calls(1)},
			// The old one is relieved when the one taken back has said that it takes calls.
			want: []string{"undrain b-1: 1 of 2 pods exist, and it has the present configuration"},
		},
		"more replicas take back what scale-in drains, the busiest that has seats first": {
			bot:  rolling(2, v1alpha1.Rollout{}),
			pods: pods{ready(0), scaledIn(1, 0), scaledIn(2, 20), scaledIn(3, 7)},
			want: []string{
				"delete b-1: drained, and no call is left",
				"undrain b-3: 1 of 2 pods exist, and it has the present configuration",
				"wait b-2: LiveCalls",
			},
		},
		"what has another configuration is not taken back": {
			bot: rolling(2, v1alpha1.Rollout{}), pods: pods{ready(0), oldDraining(1, 2)},
			want: []string{"create b-2: 1 of 2 pods exist", "wait b-1: LiveCalls"},
		},
		"nor what somebody deleted": {
			bot: rolling(2, v1alpha1.Rollout{}), pods: pods{ready(0), scaledIn(1, 2).Deleted(noon)},
			want: []string{"create b-2: 1 of 2 pods exist"},
		},
		"nor a pod whose process is gone": {
			bot: rolling(2, v1alpha1.Rollout{}), pods: pods{ready(0), scaledIn(1, 2).With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil })},
			want: []string{"create b-2: 1 of 2 pods exist", "wait b-1: AgentSilent"},
		},
		"nor one that hangs up": {
			bot: rolling(2, hangUp).With(func(b *v1alpha1.CallingBot) {}),
			pods: pods{ready(0), mp(1, newRevision).Generation(2).Draining(v1alpha1.DrainRollout, noon.Add(-time.Hour)).With(due(noon)).
				Agent("i", 2).Seats(20, 1, 0).Calls(1)},
			want: []string{"create b-2: 1 of 2 pods exist", "wait b-1: LiveCalls"},
		},

		"the mark of a rollout carries the deadline": {
			bot: rolling(1, hangUp), pods: pods{oldReady(0).Calls(1), ready(1)},
			want: []string{"drain b-0 Rollout until 13:00: 1 of 1 pods are ready with revision rev-new"},
		},
		"that of scale-in does not": {
			bot: rolling(1, hangUp), pods: pods{ready(0).Calls(1), ready(1)},
			want: []string{"drain b-1 ScaleIn: replicas is 1"},
		},
		"a deadline that only tells is none for the pod": {
			bot: rolling(1, v1alpha1.Rollout{DrainDeadline: "1h"}), pods: pods{oldReady(0).Calls(1), ready(1)},
			want: []string{"drain b-0 Rollout: 1 of 1 pods are ready with revision rev-new"},
		},
		"who gives calls more time gives it to those that drain already": {
			bot: rolling(1, v1alpha1.Rollout{}), pods: pods{oldDraining(0, 1).With(due(noon.Add(time.Hour))), ready(1)},
			want: []string{"remark b-0: its calls have all the time they take", "wait b-0: LiveCalls"},
		},
		"and who gives them less as well": {
			bot: rolling(1, hangUp), pods: pods{oldDraining(0, 1), ready(1)},
			want: []string{
				"remark b-0 until 13:00: calls that are left are hung up at 2026-03-01T13:00:00Z: rollout.drainDeadline is 1h", "wait b-0: LiveCalls",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := &observation{bot: tc.bot.Object(), revision: newRevision}
			for _, pod := range tc.pods {
				seen.pods = append(seen.pods, *pod.Object())
			}
			if diff := cmp.Diff(tc.want, describe(seen, makePlan(seen, noon))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRolloutComplete(t *testing.T) {
	type pods = []*controllertest.MediaPodBuilder
	deadline := v1alpha1.Rollout{DrainDeadline: "30m"}
	late := func(p *v1alpha1.MediaPod) { p.Spec.Drain.Since = metav1.NewTime(noon.Add(-time.Hour)) }
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		pods pods
		want string
		// advancing: the bot is Reconciling for it.
		advancing bool
	}{
		"no pod is old": {
			bot: rolling(1, v1alpha1.Rollout{}), pods: pods{ready(0)}, want: "True/Complete: every pod has the present configuration",
		},
		"new ones start": {
			bot: rolling(2, v1alpha1.Rollout{}), pods: pods{oldReady(0).Calls(2), mp(1, newRevision)}, advancing: true,
			want: "False/RollingOut: 1 pod with 2 calls on earlier configurations; 0 of 2 pods are ready with the present one",
		},
		"calls are left": {
			bot: rolling(1, v1alpha1.Rollout{}), pods: pods{ready(0).Calls(5), oldDraining(1, 40), oldDraining(2, 1)},
			want: "False/DrainingCalls: 2 pods with 41 calls on earlier configurations; they are deleted when their calls have ended, and nothing needs to be done",
		},
		"the surge is used up": {
			bot: rolling(2, surge("1")), pods: pods{ready(0), oldReady(1).Calls(3), oldDraining(2, 4)},
			want: "False/SurgeExhausted: 2 pods with 7 calls on earlier configurations; 1 of 2 pods have the present one, and rollout.maxSurge allows no more beside them: wait for calls to end, or raise it",
		},
		"the surge is used up by one that starts": {
			bot: rolling(2, surge("1")), pods: pods{mp(0, newRevision), oldReady(1), oldReady(2)}, advancing: true,
			want: "False/RollingOut: 2 pods with 0 calls on earlier configurations; 0 of 2 pods are ready with the present one",
		},
		"paused": {
			bot: rolling(1, v1alpha1.Rollout{Paused: true}), pods: pods{oldReady(0).Calls(1)},
			want: "False/Paused: 1 pod with 1 call on earlier configurations; rollout.paused holds the rollout: set it to false to go on",
		},
		"overdue": {
			bot: rolling(1, deadline), pods: pods{ready(0), oldDraining(1, 2).With(late), oldDraining(2, 1)},
			want: "False/DrainOverdue: 2 pods with 3 calls on earlier configurations; on 1 pod they go on beyond rollout.drainDeadline: wait for them, or set rollout.onDeadline to HangUp",
		},
		"certificates are old": {
			bot: rolling(1, v1alpha1.Rollout{}), pods: pods{renewed(ready(0).Calls(2)), mp(1, newRevision)}, advancing: true,
			want: "False/RollingOut: 1 pod with 2 calls on earlier configurations or certificates; 0 of 1 pods are ready with the present one",
		},
		"the calls of a process that is gone do not count": {
			bot: rolling(1, v1alpha1.Rollout{}), pods: pods{ready(0), oldDraining(1, 2).With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil })},
			want: "False/DrainingCalls: 1 pod with 0 calls on earlier configurations; they are deleted when their calls have ended, and nothing needs to be done",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := &observation{bot: tc.bot.Object(), revision: newRevision}
			for _, pod := range tc.pods {
				seen.pods = append(seen.pods, *pod.Object())
			}
			progress := rolloutOf(seen, divide(seen), wantedPods(seen), noon)
			c := progress.complete()
			if got := fmt.Sprintf("%s/%s: %s", c.Status, c.Reason, c.Message); got != tc.want {
				t.Errorf("condition\n got %s\nwant %s", got, tc.want)
			}
			if progress.advancing() != tc.advancing {
				t.Errorf("advancing: %v", progress.advancing())
			}
		})
	}
}
