// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/fleet"
)

// place is one test's namespace with a running fleet controller. The test plays the mediapod controller and the agents.
type place struct {
	*testing.T
	*controllertest.Cluster
	ns  string
	mgr *controllertest.Manager
}

func newPlace(t *testing.T) *place {
	t.Helper()
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	return &place{t, cluster, ns, cluster.StartManager(t, ns, (&fleet.Reconciler{}).SetupWithManager)}
}

func (p *place) secret(name string, data map[string]string) *corev1.Secret {
	p.Helper()
	return controllertest.Create(p.T, p.Client, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: name}, StringData: data})
}

// bot creates a bot and its Secret.
func (p *place) bot(b *controllertest.BotBuilder) *v1alpha1.CallingBot {
	p.Helper()
	bot := b.Object()
	p.secret(bot.Name, map[string]string{"clientSecret": "s3cr3t"})
	return controllertest.Create(p.T, p.Client, bot)
}

func (p *place) mediaPods() []v1alpha1.MediaPod {
	p.Helper()
	var list v1alpha1.MediaPodList
	if err := p.Client.List(context.Background(), &list, client.InNamespace(p.ns)); err != nil {
		p.Fatal(err)
	}
	return list.Items
}

// awaitPods waits for these media pods, written as name, or name! for a draining one, in order.
func (p *place) awaitPods(want ...string) []v1alpha1.MediaPod {
	p.Helper()
	var pods []v1alpha1.MediaPod
	controllertest.Eventually(p.T, "media pods", func() error {
		pods = p.mediaPods()
		var got []string
		for _, pod := range pods {
			name := pod.Name
			if pod.Spec.Drain != nil {
				name += "!"
			}
			got = append(got, name)
		}
		if !slices.Equal(want, got) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
	return pods
}

// report writes what the mediapod controller and the agent of a ready pod would.
func (p *place) report(name string, calls int32) {
	p.Helper()
	controllertest.UpdateStatus(p.T, p.Client, p.pod(name), func(mp *v1alpha1.MediaPod) {
		reported := controllertest.MediaPod(p.ns, mp.Spec.BotRef.Name, mp.Spec.Slot).Generation(mp.Generation).
			Seats(20, calls, 0).Calls(calls).Ready().Object()
		mp.Status = reported.Status
	})
}

func (p *place) pod(name string) *v1alpha1.MediaPod {
	return &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: name}}
}

// release plays the mediapod controller: deleted media pods lose their finalizer.
func (p *place) release(name string) {
	p.Helper()
	pod := controllertest.Await(p.T, p.Client, p.pod(name), "be deleted", func(mp *v1alpha1.MediaPod) error {
		if mp.DeletionTimestamp.IsZero() {
			return errors.New("not deleted")
		}
		return nil
	})
	before := pod.DeepCopy()
	pod.Finalizers = nil
	if err := p.Client.Patch(context.Background(), pod, client.MergeFrom(before)); err != nil {
		p.Fatal(err)
	}
}

func (p *place) awaitReady(bot *v1alpha1.CallingBot, status metav1.ConditionStatus, reason string) {
	p.Helper()
	controllertest.Await(p.T, p.Client, bot, "be "+reason, func(b *v1alpha1.CallingBot) error {
		if b.Status.ObservedGeneration != b.Generation {
			return errors.New("the status is of an earlier generation")
		}
		return controllertest.HasCondition(b.Status.Conditions, v1alpha1.ConditionReady, status, reason)
	})
}

func (p *place) scale(bot *v1alpha1.CallingBot, replicas int32) {
	p.Helper()
	if _, err := p.Kubectl(p.T, "scale", "cb/"+bot.Name, "-n", p.ns, fmt.Sprint("--replicas=", replicas)); err != nil {
		p.Fatal(err)
	}
}

// awaitCached waits until the manager's cache shows the session as bound, so that the test judges the controller and not
// the cache's delay.
func (p *place) awaitCached(session *v1alpha1.MeetingSession) {
	p.Helper()
	controllertest.Await(p.T, p.mgr.GetClient(), session.DeepCopy(), "reach the cache", func(s *v1alpha1.MeetingSession) error {
		if s.Status.MediaPod == "" {
			return errors.New("not bound")
		}
		return nil
	})
}

func (p *place) hasEvent(kind, reason string) error {
	var list eventsv1.EventList
	if err := p.Client.List(context.Background(), &list, client.InNamespace(p.ns)); err != nil {
		return err
	}
	for _, e := range list.Items {
		if e.Type == kind && e.Reason == reason && e.Regarding.Kind == "CallingBot" {
			return nil
		}
	}
	return fmt.Errorf("no %s event %s among %d", kind, reason, len(list.Items))
}
