// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var (
	answer   = v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer}
	busy     = v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, Reason: v1alpha1.RejectBusy}
	redirect = v1alpha1.RegionRedirect{Regions: []string{"emea"}, URL: "https://emea.contoso.com/voice/reception/calls"}
)

// follows waits until a pod has these rules, and redirects.
func (p *place) follows(pod string, rules []v1alpha1.IncomingRule, redirects []v1alpha1.RegionRedirect) {
	p.Helper()
	controllertest.Await(p.T, p.Client, p.pod(pod), "follow the bot", func(mp *v1alpha1.MediaPod) error {
		if diff := cmp.Diff(rules, mp.Spec.Incoming) + cmp.Diff(redirects, mp.Spec.Signaling.Redirects); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

func TestRulesForIncomingCallsReachRunningPods(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(2).Incoming(busy))
	before := p.awaitPods("reception-0", "reception-1")
	p.follows("reception-0", []v1alpha1.IncomingRule{busy}, nil)
	p.report("reception-0", 3)
	p.report("reception-1", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	p.scale(bot, 1)
	p.awaitPods("reception-0", "reception-1!")

	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) {
		b.Spec.Incoming, b.Spec.Signaling.Redirects = []v1alpha1.IncomingRule{answer, busy}, []v1alpha1.RegionRedirect{redirect}
	})
	p.follows("reception-0", []v1alpha1.IncomingRule{answer, busy}, []v1alpha1.RegionRedirect{redirect})
	p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)
	after := p.awaitPods("reception-0", "reception-1!")
	if before[0].Spec.Revision != after[0].Spec.Revision || before[0].UID != after[0].UID {
		t.Errorf("revision %s became %s: rules replaced a pod", before[0].Spec.Revision, after[0].Spec.Revision)
	}
	// A new generation would make the one that drains acknowledge its mark anew.
	if diff := cmp.Diff([]v1alpha1.IncomingRule{busy}, after[1].Spec.Incoming); diff != "" {
		t.Errorf("a draining pod was changed: %s", diff)
	}

	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Incoming, b.Spec.Signaling.Redirects = nil, nil })
	p.follows("reception-0", nil, nil)
}

func TestAFleetWhoseMediaTheServiceHosts(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").ServiceHosted().Incoming(answer))
	pods := p.awaitPods("reception-0")
	if diff := cmp.Diff(v1alpha1.Media{Hosting: v1alpha1.HostingService}, pods[0].Spec.Media); diff != "" {
		t.Error(diff)
	}
	p.report("reception-0", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
}

// incoming is a live call that came in, held by a pod, as agent and session controller leave it.
func (p *place) incoming(name, pod string) *v1alpha1.Call {
	p.Helper()
	c := controllertest.Create(p.T, p.Client, controllertest.IncomingCall(p.ns, name, "reception").
		Held(pod, "i", v1alpha1.HostingApplication).Object())
	controllertest.Await(p.T, p.mgr.GetClient(), c.DeepCopy(), "reach the cache", func(c *v1alpha1.Call) error {
		if c.Status.MediaPod == "" {
			return errors.New("not bound")
		}
		return nil
	})
	return c
}

func (p *place) over(c *v1alpha1.Call, bot *v1alpha1.CallingBot) {
	p.Helper()
	controllertest.UpdateStatus(p.T, p.Client, c, func(c *v1alpha1.Call) { c.Status.Phase = v1alpha1.PhaseCompleted })
	controllertest.Update(p.T, p.Client, c, func(c *v1alpha1.Call) {
		c.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CallingBot", Name: bot.Name, UID: bot.UID}}
	})
}

func TestADeletedBotWaitsForCallsThatCameIn(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Incoming(answer))
	p.awaitPods("reception-0")
	p.report("reception-0", 1)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	call, earlier := p.incoming("caller", "reception-0"), p.incoming("earlier", "reception-0")
	p.over(earlier, bot)

	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	p.awaitPods("reception-0!")
	// Even if the pod's report says nothing of it.
	p.report("reception-0", 0)
	controllertest.Consistently(t, 400*time.Millisecond, "the pod is kept", func() error {
		if pods := p.mediaPods(); !pods[0].DeletionTimestamp.IsZero() {
			return errors.New("it was deleted")
		}
		return nil
	})
	p.over(call, bot)
	p.release("reception-0")
	controllertest.AwaitGone(t, p.Client, bot)
}

// TestTwoWritersOfABotsStatus: the preflight has conditions of its own on a bot. Neither writer takes the other's away, and
// neither wakes the other up.
func TestTwoWritersOfABotsStatus(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(1))
	p.awaitPods("reception-0")
	const preflight = client.FieldOwner("callfleet-preflight")
	check := func(conditionType string, status metav1.ConditionStatus) {
		t.Helper()
		controllertest.Eventually(t, "the preflight writes", func() error {
			if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(bot), bot); err != nil {
				return err
			}
			before := bot.DeepCopy()
			meta.SetStatusCondition(&bot.Status.Conditions, metav1.Condition{Type: conditionType, Status: status, Reason: "Checked", Message: "as it is"})
			return p.Client.Status().Patch(context.Background(), bot, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), preflight)
		})
	}
	has := func() error {
		for _, c := range []string{v1alpha1.ConditionCredentialsValid, v1alpha1.ConditionPermissionsGranted, v1alpha1.ConditionWebhookReachable} {
			if err := controllertest.HasCondition(bot.Status.Conditions, c, metav1.ConditionTrue, "Checked"); err != nil {
				return err
			}
		}
		return nil
	}
	check(v1alpha1.ConditionCredentialsValid, metav1.ConditionTrue)
	p.report("reception-0", 1) // the fleet controller writes in between
	check(v1alpha1.ConditionPermissionsGranted, metav1.ConditionTrue)
	p.report("reception-0", 2)
	check(v1alpha1.ConditionWebhookReachable, metav1.ConditionTrue)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	controllertest.Await(t, p.Client, bot, "count the calls", func(b *v1alpha1.CallingBot) error {
		if b.Status.Calls != 2 {
			return fmt.Errorf("%d calls", b.Status.Calls)
		}
		return has()
	})
	before := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)
	check(v1alpha1.ConditionWebhookReachable, metav1.ConditionFalse)
	check(v1alpha1.ConditionWebhookReachable, metav1.ConditionTrue)
	controllertest.Consistently(t, 400*time.Millisecond, "the fleet controller has nothing to say to that", func() error {
		if list := p.mgr.Writes.List(); len(list) != before {
			return fmt.Errorf("it wrote %v", list[before:])
		}
		return nil
	})
	if err := errors.Join(has(), controllertest.HasCondition(bot.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonServing)); err != nil {
		t.Error(err)
	}
}
