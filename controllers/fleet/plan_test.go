// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/drain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	oldRevision = "rev-old"
	newRevision = "rev-new"
)

// mp is a media pod of bot "b", made `slot` minutes before noon, so that slot 0 is the youngest.
func mp(slot int32, revision string) *controllertest.MediaPodBuilder {
	return controllertest.MediaPod("voice", "b", slot).Revision(revision).With(func(p *v1alpha1.MediaPod) {
		p.CreationTimestamp = metav1.NewTime(noon.Add(-time.Duration(slot) * time.Minute))
	})
}

func ready(slot int32) *controllertest.MediaPodBuilder    { return mp(slot, newRevision).Ready() }
func oldReady(slot int32) *controllertest.MediaPodBuilder { return mp(slot, oldRevision).Ready() }

// empty is a pod that was drained and acknowledged it.
func empty(slot int32) *controllertest.MediaPodBuilder {
	return mp(slot, newRevision).Generation(2).Draining(v1alpha1.DrainScaleIn, noon).Agent("i", 2).Seats(20, 0, 0)
}

// oldDraining is a pod that a rollout relieved, with so many calls left.
func oldDraining(slot, calls int32) *controllertest.MediaPodBuilder {
	return mp(slot, oldRevision).Generation(2).Draining(v1alpha1.DrainRollout, noon).Agent("i", 2).Seats(20, calls, 0).Calls(calls)
}

func TestPlan(t *testing.T) {
	bot := func(replicas int32) *controllertest.BotBuilder {
		return controllertest.Bot("voice", "b").Replicas(replicas)
	}
	cases := map[string]struct {
		bot     *controllertest.BotBuilder
		pods    []*controllertest.MediaPodBuilder
		bound   map[string][]string
		problem *problem
		want    []string
	}{
		"a new fleet takes the lowest slots": {
			bot:  bot(2),
			want: []string{"create b-0: 0 of 2 pods exist", "create b-1: 0 of 2 pods exist"},
		},
		"as many as wanted: nothing to do": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{ready(0), ready(1)},
		},
		"replicas absent means one": {
			bot:  bot(1).With(func(b *v1alpha1.CallingBot) { b.Spec.Replicas = nil }),
			want: []string{"create b-0: 0 of 1 pods exist"},
		},
		"a gap is filled first": {
			bot: bot(4), pods: []*controllertest.MediaPodBuilder{ready(0), ready(2)},
			want: []string{"create b-1: 2 of 4 pods exist", "create b-3: 2 of 4 pods exist"},
		},
		"the slot of a draining pod is taken": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{oldDraining(0, 1), ready(1)},
			want: []string{"create b-2: 1 of 2 pods exist", "wait b-0: LiveCalls"},
		},
		"a problem keeps pods from being made, and nothing else": {
			bot: bot(3), pods: []*controllertest.MediaPodBuilder{oldDraining(0, 0), ready(1)}, problem: &problem{reason: v1alpha1.ReasonSecretNotFound},
			want: []string{"delete b-0: drained, and no call is left"},
		},
		"scale-in takes the idle pod, whatever its number": {
			bot:  bot(2),
			pods: []*controllertest.MediaPodBuilder{ready(0), ready(1).Calls(3), ready(2).Calls(1)},
			want: []string{"drain b-0 ScaleIn: replicas is 2"},
		},
		"scale-in takes the idle pod that is not ready first": {
			bot:  bot(2),
			pods: []*controllertest.MediaPodBuilder{ready(0), ready(1), mp(2, newRevision).NotReady(v1alpha1.ReasonPodStarting, "")},
			want: []string{"drain b-2 ScaleIn: replicas is 2"},
		},
		"a pod that is not ready gives way to one that is, busy or not": {
			bot:  bot(1),
			pods: []*controllertest.MediaPodBuilder{ready(0), mp(1, newRevision).NotReady(v1alpha1.ReasonAgentNotReady, "").Calls(1)},
			want: []string{"drain b-1 ScaleIn: replicas is 1"},
		},
		"a ready pod that scale-in takes does not relieve an old one": {
			bot:  bot(1),
			pods: []*controllertest.MediaPodBuilder{ready(0), ready(1).Calls(1), oldReady(2), oldReady(3)},
			want: []string{
				"drain b-0 ScaleIn: replicas is 1",
				"drain b-2 Rollout: 1 of 1 pods are ready with revision rev-new",
				"drain b-3 Rollout: 1 of 1 pods are ready with revision rev-new",
			},
		},
		"of busy pods those with the fewest calls": {
			bot:  bot(1),
			pods: []*controllertest.MediaPodBuilder{ready(0).Calls(5), ready(1).Calls(9), ready(2).Calls(2)},
			want: []string{"drain b-2 ScaleIn: replicas is 1", "drain b-0 ScaleIn: replicas is 1"},
		},
		"a session bound and not yet reported makes a pod busy": {
			bot: bot(1), pods: []*controllertest.MediaPodBuilder{ready(0), ready(1)}, bound: map[string][]string{"b-0": {"standup"}},
			want: []string{"drain b-1 ScaleIn: replicas is 1"},
		},
		"a reserved seat makes a pod busy": {
			bot: bot(1), pods: []*controllertest.MediaPodBuilder{ready(0).Seats(20, 0, 1), ready(1)},
			want: []string{"drain b-1 ScaleIn: replicas is 1"},
		},
		"of equals the youngest": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{ready(0), ready(1), ready(2)},
			want: []string{"drain b-0 ScaleIn: replicas is 2"},
		},
		"drained and empty is deleted": {
			bot: bot(1), pods: []*controllertest.MediaPodBuilder{ready(0), empty(1)},
			want: []string{"delete b-1: drained, and no call is left"},
		},
		"drained with a bound session is kept": {
			bot: bot(1), pods: []*controllertest.MediaPodBuilder{ready(0), empty(1)}, bound: map[string][]string{"b-1": {"standup"}},
			want: []string{"wait b-1: SessionsBound"},
		},
		"a drain that was not acknowledged waits": {
			bot: bot(0), pods: []*controllertest.MediaPodBuilder{empty(0).Agent("i", 1)},
			want: []string{"wait b-0: NotAcknowledged"},
		},
		"a pod somebody deleted is replaced at once and left to its finalizer": {
			bot: bot(1), pods: []*controllertest.MediaPodBuilder{ready(0).Deleted(noon).Calls(1)},
			want: []string{"create b-1: 0 of 1 pods exist"},
		},
		"no replicas drains all": {
			bot: bot(0), pods: []*controllertest.MediaPodBuilder{ready(0), oldReady(1)},
			want: []string{"drain b-0 ScaleIn: replicas is 0", "drain b-1 ScaleIn: replicas is 0"},
		},
		"a bot that is being deleted drains all": {
			bot:  bot(2).With(func(b *v1alpha1.CallingBot) { b.DeletionTimestamp = ptr.To(metav1.NewTime(noon)) }),
			pods: []*controllertest.MediaPodBuilder{ready(0).Calls(1), empty(1)},
			want: []string{"delete b-1: drained, and no call is left", "drain b-0 ScaleIn: the bot is being deleted"},
		},

		"a rollout makes new pods beside the old": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{oldReady(0), oldReady(1)},
			want: []string{"create b-2: 0 of 2 pods exist with revision rev-new", "create b-3: 0 of 2 pods exist with revision rev-new"},
		},
		"old pods serve while new ones start": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{oldReady(0), oldReady(1), mp(2, newRevision), mp(3, newRevision)},
		},
		"each ready new pod relieves an old one, the idle first": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{oldReady(0).Calls(1), oldReady(1), ready(2), mp(3, newRevision)},
			want: []string{"drain b-1 Rollout: 1 of 2 pods are ready with revision rev-new"},
		},
		"all new ones ready relieve all old ones": {
			bot: bot(2), pods: []*controllertest.MediaPodBuilder{oldReady(0).Calls(1), oldReady(1), ready(2), ready(3)},
			want: []string{
				"drain b-1 Rollout: 2 of 2 pods are ready with revision rev-new",
				"drain b-0 Rollout: 2 of 2 pods are ready with revision rev-new",
			},
		},
		"a rollout abandoned half-way relieves the pods that never got ready": {
			bot:  bot(1),
			pods: []*controllertest.MediaPodBuilder{mp(0, "rev-oldest").Ready(), mp(1, oldRevision), mp(2, newRevision)},
			want: []string{"drain b-1 Rollout: 0 of 1 pods are ready with revision rev-new"},
		},

		"as many pods as ports": {
			bot: bot(3).LoadBalancer(28550, 28551), pods: []*controllertest.MediaPodBuilder{ready(0)},
			want: []string{"create b-1: 1 of 3 pods exist"},
		},
		"node ports are free again on other nodes": {
			bot: bot(3).HostPort(28550, 28551), pods: []*controllertest.MediaPodBuilder{ready(0), ready(1)},
			want: []string{"create b-2: 2 of 3 pods exist"},
		},
		"a draining pod holds its port": {
			bot: bot(2).LoadBalancer(28550, 28551), pods: []*controllertest.MediaPodBuilder{ready(0), oldDraining(1, 1)},
			want: []string{"wait b-1: LiveCalls"},
		},
		"a rollout without a free port asks one old pod to make room": {
			bot: bot(2).LoadBalancer(28550, 28551), pods: []*controllertest.MediaPodBuilder{oldReady(0).Calls(2), oldReady(1).Calls(1)},
			want: []string{"drain b-1 Rollout: no port is free for a pod of revision rev-new"},
		},
		"a rollout without a free port asks one at a time": {
			bot: bot(2).LoadBalancer(28550, 28551),
			pods: []*controllertest.MediaPodBuilder{oldReady(0).Calls(2),
				mp(1, oldRevision).Generation(2).Draining(v1alpha1.DrainRollout, noon).Agent("i", 2).Seats(20, 1, 0).Calls(1)},
			want: []string{"wait b-1: LiveCalls"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := &observation{bot: tc.bot.Object(), revision: newRevision, bound: tc.bound, problem: tc.problem}
			for _, pod := range tc.pods {
				seen.pods = append(seen.pods, *pod.Object())
			}
			if diff := cmp.Diff(tc.want, describe(seen, makePlan(seen, noon))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanMarksWithReasonAndTime(t *testing.T) {
	seen := &observation{bot: controllertest.Bot("voice", "b").Replicas(0).Object(), revision: newRevision, pods: []v1alpha1.MediaPod{*ready(0).Object()}}
	p := makePlan(seen, noon.Add(300*time.Millisecond))
	if len(p.drains) != 1 {
		t.Fatalf("want one drain, got %v", describe(seen, p))
	}
	// Stored times have whole seconds; a mark that had more would differ from itself once read back.
	if diff := cmp.Diff(v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Message: "replicas is 0", Since: metav1.NewTime(noon)}, p.drains[0].drain); diff != "" {
		t.Errorf("mark (-want +got):\n%s", diff)
	}
}

// describe prints a plan as a person would read it: deletes, drains, remarks, undrains, creates, waits.
func describe(seen *observation, p plan) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	until := func(d v1alpha1.Drain) string {
		if d.HangUpAt == nil {
			return ""
		}
		return d.HangUpAt.UTC().Format(" until 15:04")
	}
	for _, d := range p.deletes {
		say("delete %s: %s", d.pod.Name, d.why)
	}
	for _, d := range p.drains {
		say("drain %s %s%s: %s", d.pod.Name, d.drain.Reason, until(d.drain), d.why)
	}
	for _, m := range p.remarks {
		say("remark %s%s: %s", m.pod.Name, until(m.drain), m.why)
	}
	for _, pod := range p.giveUps {
		say("give up %s", pod.Name)
	}
	for _, u := range p.undrains {
		say("undrain %s: %s", u.pod.Name, u.why)
	}
	for _, c := range p.creates {
		like := ""
		if c.like != nil {
			like = " like " + c.like.Name
		}
		say("create %s%s: %s", mediaPodName(seen.bot, c.slot), like, c.why)
	}
	for _, w := range p.waits {
		say("wait %s: %s", w.pod.Name, w.verdict.Reason)
	}
	return lines
}

func TestRevision(t *testing.T) {
	revision := func(change func(*v1alpha1.FleetConfig)) string {
		config := controllertest.FleetConfig("b")
		change(&config)
		r, err := revisionOf(&config)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	template := func(json string) func(*v1alpha1.FleetConfig) {
		return func(c *v1alpha1.FleetConfig) {
			*c = controllertest.Bot("v", "b").Template(json).Object().Spec.FleetConfig
		}
	}
	base := revision(func(*v1alpha1.FleetConfig) {})
	if len(base) != revisionLength {
		t.Errorf("revision %q is not %d long", base, revisionLength)
	}
	if seats := revision(func(c *v1alpha1.FleetConfig) { c.Capacity.Seats++ }); seats == base {
		t.Error("another capacity has the same revision")
	}
	if a, b := revision(template(`{"spec":{"a":1,"b":[2]}}`)), revision(template(`{ "spec": {"b":[2], "a":1} }`)); a != b {
		t.Error("the spelling of the template changes the revision")
	}
	if a, b := revision(template(`{"spec":{"a":1}}`)), revision(template(`{"spec":{"a":2}}`)); a == b {
		t.Error("another template has the same revision")
	}
}

// The chain that the plan asks is the shared one; this pins that nothing else lets a pod go.
func TestPlanDeletesOnlyWhatTheChainAllows(t *testing.T) {
	pod := empty(0).Seats(20, 0, 1).Object()
	seen := &observation{bot: controllertest.Bot("voice", "b").Replicas(0).Object(), revision: newRevision, pods: []v1alpha1.MediaPod{*pod}}
	p := makePlan(seen, noon)
	if verdict := drain.MayDelete(drain.Facts{MediaPod: pod}); verdict.Allowed || len(p.deletes) != 0 {
		t.Errorf("a pod with a reserved seat: verdict %+v, plan %v", verdict, describe(seen, p))
	}
}
