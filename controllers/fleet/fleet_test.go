// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/fleet"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

func TestFleetComesUp(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(2).Seats(20))
	pods := p.awaitPods("reception-0", "reception-1")

	first := pods[0]
	if diff := cmp.Diff(bot.Spec.FleetConfig, first.Spec.FleetConfig); diff != "" {
		t.Errorf("the media pod should carry the bot's configuration (-bot +pod):\n%s", diff)
	}
	if first.Labels[v1alpha1.LabelBot] != "reception" || !slices.Contains(first.Finalizers, v1alpha1.FinalizerDrain) {
		t.Errorf("labels %v, finalizers %v", first.Labels, first.Finalizers)
	}
	if len(first.OwnerReferences) != 0 {
		t.Errorf("owner references %v would let the garbage collector end calls", first.OwnerReferences)
	}
	p.awaitReady(bot, metav1.ConditionFalse, v1alpha1.ReasonPodsNotReady)
	if err := controllertest.HasCondition(bot.Status.Conditions, v1alpha1.ConditionReconciling, metav1.ConditionTrue, ""); err != nil {
		t.Error(err)
	}

	p.report("reception-0", 3)
	p.report("reception-1", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	if err := controllertest.LacksCondition(bot.Status.Conditions, v1alpha1.ConditionReconciling); err != nil {
		t.Error(err)
	}
	if err := controllertest.HasCondition(bot.Status.Conditions, v1alpha1.ConditionRolloutComplete, metav1.ConditionTrue, v1alpha1.ReasonRolloutComplete); err != nil {
		t.Error(err)
	}
	bot.Status.Conditions = nil
	want := v1alpha1.CallingBotStatus{
		ObservedGeneration: 1, DesiredReplicas: 2, Replicas: 2, ReadyReplicas: 2, Calls: 3,
		Rollout:  v1alpha1.RolloutStatus{Revision: first.Spec.Revision, UpdatedReplicas: 2},
		Selector: "callfleet.dev/bot=reception,callfleet.dev/state=serving",
		Seats:    v1alpha1.Seats{Capacity: 40, Used: 3, Free: 37},
	}
	if diff := cmp.Diff(want, bot.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestASecondPassWritesNothing(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(1))
	p.awaitPods("reception-0")
	p.report("reception-0", 1)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	before := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)

	// Something that starts a pass and changes nothing.
	controllertest.Update(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": "yes"} })
	controllertest.Consistently(t, 500*time.Millisecond, "the controller writes nothing", func() error {
		if list := p.mgr.Writes.List(); len(list) != before {
			return fmt.Errorf("it wrote %v", list[before:])
		}
		return nil
	})
}

func TestAccessIsGranted(t *testing.T) {
	p := newPlace(t)
	p.bot(controllertest.Bot(p.ns, "reception"))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"}}
	binding := &rbacv1.RoleBinding{ObjectMeta: account.ObjectMeta}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: account.ObjectMeta}
	isThere := func() {
		t.Helper()
		controllertest.Await(t, p.Client, account, "exist", func(*corev1.ServiceAccount) error { return nil })
		controllertest.Await(t, p.Client, binding, "bind the account to the role", func(b *rbacv1.RoleBinding) error {
			want := rbacv1.RoleBinding{
				RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "callfleet-mediapod"},
				Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "reception-mediapod", Namespace: p.ns}},
			}
			if diff := cmp.Diff(want, rbacv1.RoleBinding{RoleRef: b.RoleRef, Subjects: b.Subjects}); diff != "" {
				return fmt.Errorf("(-want +got):\n%s", diff)
			}
			return nil
		})
		controllertest.Await(t, p.Client, budget, "forbid to evict Pods with calls", func(b *policyv1.PodDisruptionBudget) error {
			want := policyv1.PodDisruptionBudgetSpec{
				MaxUnavailable: ptr.To(intstr.FromInt32(0)),
				Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{"callfleet.dev/bot": "reception", "callfleet.dev/calls": "active"}},
			}
			if diff := cmp.Diff(want, b.Spec); diff != "" || len(b.OwnerReferences) > 0 {
				return fmt.Errorf("owners %v, spec (-want +got):\n%s", b.OwnerReferences, diff)
			}
			return nil
		})
	}
	isThere()

	// What somebody breaks is mended.
	controllertest.Update(t, p.Client, binding, func(b *rbacv1.RoleBinding) { b.Subjects = nil })
	controllertest.Update(t, p.Client, budget, func(b *policyv1.PodDisruptionBudget) { b.Spec.MaxUnavailable = ptr.To(intstr.FromInt32(1)) })
	isThere()
	for _, obj := range []client.Object{account, binding, budget} {
		if err := p.Client.Delete(context.Background(), obj); err != nil {
			t.Fatal(err)
		}
	}
	isThere()

	// Another role in the manager's settings: the binding is made anew, since its role cannot change.
	p.mgr.Stop()
	p.StartManager(t, p.ns, (&fleet.Reconciler{MediaPodRole: "other-role"}).SetupWithManager)
	controllertest.Await(t, p.Client, binding, "follow the setting", func(b *rbacv1.RoleBinding) error {
		if b.RoleRef.Name != "other-role" {
			return errors.New(b.RoleRef.Name)
		}
		return nil
	})
}

func TestScalingDrainsBeforeItDeletes(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(3))
	p.awaitPods("reception-0", "reception-1", "reception-2")
	p.report("reception-0", 2)
	p.report("reception-1", 1)
	p.report("reception-2", 5)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	p.scale(bot, 1)
	pods := p.awaitPods("reception-0!", "reception-1!", "reception-2")
	if pods[0].Spec.Drain.Reason != v1alpha1.DrainScaleIn || pods[0].Spec.Drain.Since.IsZero() {
		t.Errorf("drain mark %+v", pods[0].Spec.Drain)
	}
	controllertest.Await(t, p.Client, bot, "count the draining apart", func(b *v1alpha1.CallingBot) error {
		if b.Status.Replicas != 1 || b.Status.DrainingReplicas != 2 || b.Status.Seats.Capacity != 20 || b.Status.Calls != 8 {
			return fmt.Errorf("%+v", b.Status)
		}
		return controllertest.HasCondition(b.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonServing)
	})

	// Calls ended, but a report that is older than the mark says so: nothing goes.
	controllertest.UpdateStatus(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) {
		mp.Status.Calls, mp.Status.Seats.Used = 0, 0
		mp.Status.Agent.ObservedGeneration = mp.Generation - 1
	})
	controllertest.Consistently(t, 400*time.Millisecond, "the pod is kept", func() error {
		if pods := p.mediaPods(); len(pods) != 3 || !pods[0].DeletionTimestamp.IsZero() {
			return errors.New("it was deleted")
		}
		return nil
	})
	// Acknowledged and empty.
	p.report("reception-0", 0)
	p.release("reception-0")
	p.awaitPods("reception-1!", "reception-2")

	// A session bound to an empty pod keeps it, and its end lets it go.
	session := controllertest.Create(t, p.Client, controllertest.Session(p.ns, "standup", "reception").BoundTo("reception-1").Object())
	p.awaitCached(session)
	p.report("reception-1", 0)
	controllertest.Consistently(t, 400*time.Millisecond, "the pod is kept", func() error {
		if pods := p.mediaPods(); !pods[0].DeletionTimestamp.IsZero() {
			return errors.New("it was deleted")
		}
		return nil
	})

	// Scaling out again takes back what drains, and what it missed of the bot's rules meanwhile comes with it.
	rules := []v1alpha1.IncomingRule{{Action: v1alpha1.IncomingAnswer}}
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Incoming = rules })
	p.scale(bot, 2)
	back := p.awaitPods("reception-1", "reception-2")
	if diff := cmp.Diff(rules, back[0].Spec.Incoming); diff != "" {
		t.Errorf("rules of the pod that was taken back (-want +got):\n%s", diff)
	}
	controllertest.Eventually(t, "an event tells of it", func() error { return p.hasEvent("Normal", "MediaPodTakenBack") })

	// Drained once more, it has to acknowledge once more.
	p.scale(bot, 1)
	p.awaitPods("reception-1!", "reception-2")
	controllertest.UpdateStatus(t, p.Client, session, func(s *v1alpha1.MeetingSession) { s.Status.Phase = v1alpha1.PhaseCompleted })
	controllertest.Consistently(t, 400*time.Millisecond, "the pod is kept", func() error {
		if pods := p.mediaPods(); !pods[0].DeletionTimestamp.IsZero() {
			return errors.New("it was deleted on the word of a report from before it was taken back")
		}
		return nil
	})
	p.report("reception-1", 0)
	p.release("reception-1")
	p.awaitPods("reception-2")
}

func TestRolloutKeepsCapacity(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(2))
	pods := p.awaitPods("reception-0", "reception-1")
	p.report("reception-0", 1)
	p.report("reception-1", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Capacity.Seats = 10 })
	after := p.awaitPods("reception-0", "reception-1", "reception-2", "reception-3")
	if after[2].Spec.Revision == pods[0].Spec.Revision || after[2].Spec.Capacity.Seats != 10 {
		t.Errorf("the new pod has revision %s and %d seats", after[2].Spec.Revision, after[2].Spec.Capacity.Seats)
	}
	if diff := cmp.Diff(pods[0].Spec, after[0].Spec); diff != "" {
		t.Errorf("a running pod's configuration changed:\n%s", diff)
	}
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	if err := controllertest.HasCondition(bot.Status.Conditions, v1alpha1.ConditionReconciling, metav1.ConditionTrue, "Rollout"); err != nil {
		t.Error(err)
	}

	p.report("reception-2", 0)
	p.awaitPods("reception-0", "reception-1!", "reception-2", "reception-3")
	p.report("reception-3", 0)
	p.awaitPods("reception-0!", "reception-1!", "reception-2", "reception-3")
	p.report("reception-1", 0)
	p.release("reception-1")
	// The busy one goes on, and the rollout counts as done.
	p.awaitPods("reception-0!", "reception-2", "reception-3")
	controllertest.Await(t, p.Client, bot, "be at rest with one pod draining", func(b *v1alpha1.CallingBot) error {
		if b.Status.DrainingReplicas != 1 {
			return fmt.Errorf("%d draining", b.Status.DrainingReplicas)
		}
		if c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionRolloutComplete); c.Reason != v1alpha1.ReasonDrainingCalls ||
			!strings.HasPrefix(c.Message, "1 pod with 1 call on earlier configurations") {
			return fmt.Errorf("%s: %s", c.Reason, c.Message)
		}
		return controllertest.LacksCondition(b.Status.Conditions, v1alpha1.ConditionReconciling)
	})

	// Back to what it was: the pod that drains serves again, and those that were new are relieved.
	before := after[0].Spec.Revision
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Capacity.Seats = 20 })
	controllertest.Eventually(t, "the old pod serves again", func() error {
		if pods := p.mediaPods(); pods[0].Spec.Revision != before || pods[0].Spec.Drain != nil {
			return fmt.Errorf("%s %+v", pods[0].Spec.Revision, pods[0].Spec.Drain)
		}
		return nil
	})
}

func TestADrainDeadlineIsCarriedByTheMark(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").With(func(b *v1alpha1.CallingBot) {
		b.Spec.Rollout = v1alpha1.Rollout{DrainDeadline: "4h", OnDeadline: v1alpha1.DeadlineHangUp}
	}))
	p.awaitPods("reception-0")
	p.report("reception-0", 1)
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Capacity.Seats = 10 })
	p.awaitPods("reception-0", "reception-1")
	p.report("reception-1", 0)
	mark := p.awaitPods("reception-0!", "reception-1")[0].Spec.Drain
	if mark.HangUpAt == nil || mark.HangUpAt.Sub(mark.Since.Time) != 4*time.Hour || mark.Message == "" {
		t.Errorf("mark %+v", mark)
	}
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Rollout.OnDeadline = v1alpha1.DeadlineKeep })
	controllertest.Eventually(t, "the mark follows", func() error {
		if mark := p.mediaPods()[0].Spec.Drain; mark.HangUpAt != nil {
			return fmt.Errorf("calls are hung up at %s", mark.HangUpAt)
		}
		return nil
	})
}

func TestWhatIsMissingIsSaidAndThenNoticed(t *testing.T) {
	p := newPlace(t)
	bot := controllertest.Create(t, p.Client, controllertest.Bot(p.ns, "reception").CABundle("roots", "ca.crt").Object())
	says := func(reason, text string) {
		t.Helper()
		p.awaitReady(bot, metav1.ConditionFalse, reason)
		if c := meta.FindStatusCondition(bot.Status.Conditions, v1alpha1.ConditionStalled); c == nil || c.Reason != reason || !strings.Contains(c.Message, text) {
			t.Errorf("Stalled is %+v, want reason %s and text %q", c, reason, text)
		}
		if pods := p.mediaPods(); len(pods) != 0 {
			t.Errorf("%d media pods were made that cannot run", len(pods))
		}
	}
	says(v1alpha1.ReasonSecretNotFound, "kubectl create secret generic reception")
	secret := p.secret("reception", map[string]string{"other": "s3cr3t"})
	controllertest.Await(t, p.Client, bot, "name the key", func(b *v1alpha1.CallingBot) error {
		if c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, "nothing under the key clientSecret") {
			return errors.New(c.Message)
		}
		return nil
	})
	controllertest.Update(t, p.Client, secret, func(s *corev1.Secret) { s.StringData = map[string]string{"clientSecret": "s3cr3t"} })
	says(v1alpha1.ReasonCABundleNotFound, "ConfigMap roots")
	roots := controllertest.Create(t, p.Client, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "roots"}, Data: map[string]string{"ca.pem": "x"}})
	controllertest.Update(t, p.Client, roots, func(c *corev1.ConfigMap) { c.Data = map[string]string{"ca.crt": "x"} })
	p.awaitPods("reception-0")
	controllertest.Await(t, p.Client, bot, "be stalled no more", func(b *v1alpha1.CallingBot) error {
		return controllertest.LacksCondition(b.Status.Conditions, v1alpha1.ConditionStalled)
	})
	controllertest.Eventually(t, "an event tells of the missing Secret", func() error {
		return p.hasEvent("Warning", v1alpha1.ReasonSecretNotFound)
	})
	controllertest.Eventually(t, "an event tells of the media pod", func() error {
		return p.hasEvent("Normal", "MediaPodCreated")
	})
	if dump := controllertest.Dump(bot); strings.Contains(dump, "s3cr3t") {
		t.Errorf("the secret got out:\n%s", dump)
	}
}

func TestABadTemplateIsNamed(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Template(`{"spec":{"tolerationz":[]}}`))
	p.awaitReady(bot, metav1.ConditionFalse, v1alpha1.ReasonTemplateInvalid)
	if c := meta.FindStatusCondition(bot.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, "tolerationz") {
		t.Errorf("the message does not name the field: %s", c.Message)
	}
}

func TestWhatIsInTheWayIsSaid(t *testing.T) {
	named := func(p *place, name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: p.ns, Name: name} }
	cases := map[string]struct {
		theirs func(*place) client.Object
		want   string
	}{
		"a role binding": {func(p *place) client.Object {
			return &rbacv1.RoleBinding{ObjectMeta: named(p, "reception-mediapod"),
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "theirs"}}
		}, "applying role binding reception-mediapod"},
		"a media pod": {func(p *place) client.Object {
			mp := controllertest.MediaPod(p.ns, "other", 7).Object()
			mp.Name = "reception-0"
			return mp
		}, "media pod reception-0, slot 7 of bot other, is in the way"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			theirs := controllertest.Create(t, p.Client, tc.theirs(p))
			bot := p.bot(controllertest.Bot(p.ns, "reception"))
			p.awaitReady(bot, metav1.ConditionFalse, v1alpha1.ReasonWriteRefused)
			c := meta.FindStatusCondition(bot.Status.Conditions, v1alpha1.ConditionStalled)
			if c == nil || !strings.Contains(c.Message, tc.want) {
				t.Errorf("Stalled is %+v, want it to say %q", c, tc.want)
			}
			if err := p.Client.Delete(context.Background(), theirs); err != nil {
				t.Fatal(err)
			}
			p.awaitPods("reception-0")
		})
	}
}

func TestAnAgentsReasonReachesTheBot(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception"))
	p.awaitPods("reception-0")
	controllertest.UpdateStatus(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) {
		mp.Status = controllertest.MediaPod(p.ns, "reception", 0).AgentNotReady(v1alpha1.ReasonCredentialsRejected, "the secret has expired; renew it").Object().Status
	})
	p.awaitReady(bot, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
}

func TestADeletedBotWaitsForItsCalls(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(2))
	p.awaitPods("reception-0", "reception-1")
	p.report("reception-0", 1)
	p.report("reception-1", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	if err := p.Client.Delete(context.Background(), bot, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	p.awaitPods("reception-0!", "reception-1!")
	p.report("reception-1", 0)
	p.release("reception-1")
	p.awaitPods("reception-0!")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"}}
	controllertest.Consistently(t, 300*time.Millisecond, "bot and account stay while a call is live", func() error {
		return errors.Join(
			p.Client.Get(context.Background(), client.ObjectKeyFromObject(bot), bot),
			p.Client.Get(context.Background(), client.ObjectKeyFromObject(account), account))
	})
	// An agent that may not report could never be seen to be empty.
	if err := p.Client.Delete(context.Background(), account); err != nil {
		t.Fatal(err)
	}
	controllertest.Await(t, p.Client, account, "be made again", func(*corev1.ServiceAccount) error { return nil })
	p.report("reception-0", 0)
	p.release("reception-0")
	controllertest.AwaitGone(t, p.Client, account)
	controllertest.AwaitGone(t, p.Client, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"}})
	controllertest.AwaitGone(t, p.Client, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"}})
	// The garbage collector, which is not here, removes its own finalizer.
	controllertest.Await(t, p.Client, bot, "be let go", func(b *v1alpha1.CallingBot) error {
		if slices.Contains(b.Finalizers, v1alpha1.FinalizerDrain) {
			return errors.New("the finalizer is there")
		}
		return nil
	})
}

func TestTheFleetOfABotThatIsGoneIsEmptied(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception"))
	p.awaitPods("reception-0")
	p.report("reception-0", 1)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	// While no controller looks, somebody takes the finalizer away and deletes the bot.
	p.mgr.Stop()
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Finalizers = nil })
	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	p.StartManager(t, p.ns, (&fleet.Reconciler{}).SetupWithManager)
	p.awaitPods("reception-0!")
	p.report("reception-0", 0)
	p.release("reception-0")
	p.awaitPods()
	controllertest.AwaitGone(t, p.Client, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception-mediapod"}})
}

func TestPodsOfAStrangerAreLeftAlone(t *testing.T) {
	p := newPlace(t)
	// In the way, and made by hand for another bot.
	controllertest.Create(t, p.Client, controllertest.MediaPod(p.ns, "reception", 0).With(func(mp *v1alpha1.MediaPod) { mp.Spec.BotRef.Name = "other" }).Object())
	// Of this bot, but not of its fleet.
	controllertest.Create(t, p.Client, controllertest.MediaPod(p.ns, "reception", 5).With(func(mp *v1alpha1.MediaPod) { mp.Name = "by-hand" }).Object())
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(2))
	p.awaitPods("by-hand", "reception-0", "reception-1")
	controllertest.Await(t, p.Client, bot, "count its own pods", func(b *v1alpha1.CallingBot) error {
		if b.Status.Replicas != 1 {
			return fmt.Errorf("%d", b.Status.Replicas)
		}
		return nil
	})
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Replicas = ptr.To[int32](0) })
	p.release("reception-1") // nobody ever reported for it, so it goes at once
	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	controllertest.AwaitGone(t, p.Client, bot)
	for _, pod := range p.mediaPods() {
		if pod.Name != "reception-1" && (pod.Spec.Drain != nil || !pod.DeletionTimestamp.IsZero()) {
			t.Errorf("%s was touched", pod.Name)
		}
	}
}
