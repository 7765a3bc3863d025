// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// on says that a media pod runs on a node.
func (p *place) on(name, node string) {
	p.Helper()
	controllertest.UpdateStatus(p.T, p.Client, p.pod(name), func(mp *v1alpha1.MediaPod) { mp.Status.NodeName = node })
}

func TestACordonedNodeIsEmptiedEarly(t *testing.T) {
	p := newPlace(t)
	node := controllertest.Create(t, p.Client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.ns + "-win-1"}})
	t.Cleanup(func() { _ = p.Client.Delete(context.Background(), node) })
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(1))
	p.awaitPods("reception-0")
	p.report("reception-0", 2)
	p.on("reception-0", node.Name)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	controllertest.Update(t, p.Client, node, func(n *corev1.Node) { n.Spec.Unschedulable = true })
	pods := p.awaitPods("reception-0!", "reception-1")
	if mark := pods[0].Spec.Drain; mark.Reason != v1alpha1.DrainNode || mark.Message != "the node is cordoned: "+node.Name {
		t.Errorf("mark %+v", mark)
	}
	controllertest.Update(t, p.Client, node, func(n *corev1.Node) { n.Spec.Unschedulable = false })
	p.awaitPods("reception-0", "reception-1!")
}

func TestAPodOnASilentNodeIsReplacedAndKept(t *testing.T) {
	p := newPlace(t)
	node := controllertest.Create(t, p.Client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.ns + "-win-1"}})
	t.Cleanup(func() { _ = p.Client.Delete(context.Background(), node) })
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(1))
	p.awaitPods("reception-0")
	p.report("reception-0", 2)
	p.on("reception-0", node.Name)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	controllertest.UpdateStatus(t, p.Client, node, func(n *corev1.Node) {
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))}}
	})
	p.awaitPods("reception-0", "reception-1")
	controllertest.Await(t, p.Client, bot, "count it apart", func(b *v1alpha1.CallingBot) error {
		if b.Status.UnavailableReplicas != 1 || b.Status.Replicas != 1 {
			return fmt.Errorf("%d unavailable of %d", b.Status.UnavailableReplicas, b.Status.Replicas)
		}
		return nil
	})
	// A person knows that it does not come back.
	controllertest.UpdateStatus(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) {
		for i := range mp.Status.Conditions {
			mp.Status.Conditions[i].Status = metav1.ConditionFalse
		}
	})
	controllertest.Update(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) {
		mp.Annotations = map[string]string{v1alpha1.AnnotationLost: "true"}
	})
	p.release("reception-0")
	p.awaitPods("reception-1")
}

func TestABotDeletedByForceHangsUp(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(1))
	p.awaitPods("reception-0")
	p.report("reception-0", 2)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)
	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	if mark := p.awaitPods("reception-0!")[0].Spec.Drain; mark.HangUpAt != nil {
		t.Errorf("calls are hung up at %s, and nobody asked for that", mark.HangUpAt)
	}
	// Whoever has waited long enough says so.
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.DeletionPolicy = v1alpha1.DeletionForce })
	controllertest.Eventually(t, "the pod is told to hang up", func() error {
		if p.mediaPods()[0].Spec.Drain.HangUpAt == nil {
			return errors.New("it is not")
		}
		return nil
	})
	p.report("reception-0", 0)
	p.release("reception-0")
	p.awaitPods()
}
