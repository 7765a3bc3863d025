// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

const image = "callfleet/mediapod:test"

// world is a namespace with the controller running in it. The test plays scheduler, node, kubelet, agent and garbage
// collector.
type world struct {
	*testing.T
	cluster   *controllertest.Cluster
	client    client.Client
	namespace string
	bot       *v1alpha1.CallingBot
	manager   *controllertest.Manager
}

func newWorld(t *testing.T, change ...func(*Reconciler)) *world {
	t.Helper()
	cluster := controllertest.Start(t)
	return newWorldIn(t, cluster, cluster.Namespace(t), change...)
}

func newWorldIn(t *testing.T, cluster *controllertest.Cluster, namespace string, change ...func(*Reconciler)) *world {
	t.Helper()
	w := &world{T: t, cluster: cluster, client: cluster.Client, namespace: namespace}
	w.bot = controllertest.Create(t, w.client, controllertest.Bot(namespace, "reception").Object())
	w.manager = cluster.StartManager(t, namespace, func(mgr ctrl.Manager) error {
		r := &Reconciler{MediaPodImage: image}
		for _, c := range change {
			c(r)
		}
		return r.SetupWithManager(mgr)
	})
	return w
}

// mediaPod is a member of the fleet as the fleet controller makes it.
func (w *world) mediaPod(slot int32, change ...func(*v1alpha1.MediaPod)) *v1alpha1.MediaPod {
	w.Helper()
	b := controllertest.MediaPod(w.namespace, w.bot.Name, slot).Finalizers(v1alpha1.FinalizerDrain)
	for _, c := range change {
		b = b.With(c)
	}
	mp := b.Object()
	mp.Generation = 0
	if err := w.client.Create(context.Background(), mp); err != nil {
		w.Fatalf("creating %s: %v", mp.Name, err)
	}
	return mp
}

func (w *world) awaitMediaPod(mp *v1alpha1.MediaPod, what string, check func(*v1alpha1.MediaPod) error) *v1alpha1.MediaPod {
	w.Helper()
	return controllertest.Await(w.T, w.client, mp.DeepCopy(), what, check)
}

// awaitCondition waits for a condition and gives its message.
func (w *world) awaitCondition(mp *v1alpha1.MediaPod, kind string, status metav1.ConditionStatus, reason string) string {
	w.Helper()
	got := w.awaitMediaPod(mp, "have "+kind+" "+reason, func(mp *v1alpha1.MediaPod) error {
		return controllertest.HasCondition(mp.Status.Conditions, kind, status, reason)
	})
	return message(got, kind)
}

func message(mp *v1alpha1.MediaPod, kind string) string {
	for _, c := range mp.Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

func (w *world) awaitPod(mp *v1alpha1.MediaPod) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}
	return controllertest.Await(w.T, w.client, pod, "exist", func(pod *corev1.Pod) error {
		if !pod.DeletionTimestamp.IsZero() {
			return errors.New("it is the old one")
		}
		return nil
	})
}

func (w *world) get(object client.Object) error {
	return w.client.Get(context.Background(), client.ObjectKeyFromObject(object), object)
}

func (w *world) secret(name string) *corev1.Secret {
	w.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	return controllertest.Await(w.T, w.client, s, "exist", func(*corev1.Secret) error { return nil })
}

// node joins the cluster with these addresses: type, address, type, address….
func (w *world) node(name string, addresses ...string) *corev1.Node {
	w.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}}
	if err := w.client.Create(context.Background(), n); err != nil {
		w.Fatalf("creating a node: %v", err)
	}
	w.Cleanup(func() { _ = w.client.Delete(context.Background(), n) })
	return w.readdress(n, addresses...)
}

func (w *world) readdress(n *corev1.Node, addresses ...string) *corev1.Node {
	w.Helper()
	return controllertest.UpdateStatus(w.T, w.client, n, func(n *corev1.Node) {
		n.Status.Addresses = nil
		for i := 0; i < len(addresses); i += 2 {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeAddressType(addresses[i]), Address: addresses[i+1]})
		}
	})
}

// schedule does what the scheduler does.
func (w *world) schedule(pod *corev1.Pod, node string) {
	w.Helper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	if err := w.client.SubResource("binding").Create(context.Background(), pod, binding); err != nil {
		w.Fatalf("binding %s to %s: %v", pod.Name, node, err)
	}
}

// kubelet writes the status of a Pod.
func (w *world) kubelet(pod *corev1.Pod, change func(*corev1.PodStatus)) *corev1.Pod {
	w.Helper()
	return controllertest.UpdateStatus(w.T, w.client, pod.DeepCopy(), func(p *corev1.Pod) { change(&p.Status) })
}

func container0(s *corev1.PodStatus) *corev1.ContainerStatus {
	if len(s.ContainerStatuses) == 0 {
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: "mediapod", Image: image, ImageID: "x"}}
	}
	return &s.ContainerStatuses[0]
}

func running(since time.Time, ready bool) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		s.Phase, s.PodIP, s.PodIPs = corev1.PodRunning, "10.2.0.9", []corev1.PodIP{{IP: "10.2.0.9"}}
		c := container0(s)
		c.Ready, c.Started = ready, ptr.To(ready)
		c.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}
		status := corev1.ConditionFalse
		if ready {
			status = corev1.ConditionTrue
		}
		s.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	}
}

func crashed(when time.Time) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		c := container0(s)
		c.Ready, c.Started = false, ptr.To(false)
		c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error", FinishedAt: metav1.NewTime(when)}}
		s.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	}
}

// agent reports as the process in the Pod does.
func (w *world) agent(mp *v1alpha1.MediaPod, pod *corev1.Pod, instance string, change ...func(*v1alpha1.MediaPodStatus)) {
	w.Helper()
	controllertest.UpdateStatus(w.T, w.client, mp.DeepCopy(), func(mp *v1alpha1.MediaPod) {
		mp.Status.Agent = &v1alpha1.AgentReport{
			Instance: instance, PodUID: string(pod.UID), StartTime: metav1.NewTime(time.Now().Truncate(time.Second)),
			ObservedGeneration: mp.Generation, Ready: true,
		}
		mp.Status.Calls, mp.Status.Seats = 0, v1alpha1.Seats{Capacity: 20, Free: 20}
		for _, c := range change {
			c(&mp.Status)
		}
	})
}

func calls(n int32) func(*v1alpha1.MediaPodStatus) {
	return func(s *v1alpha1.MediaPodStatus) {
		s.Calls = n
		s.Seats = v1alpha1.Seats{Capacity: 20, Used: n, Free: 20 - n}
	}
}

// serve brings a media pod to Ready.
func (w *world) serve(mp *v1alpha1.MediaPod, node, instance string) *corev1.Pod {
	w.Helper()
	pod := w.awaitPod(mp)
	w.schedule(pod, node)
	pod = w.kubelet(pod, running(time.Now().Truncate(time.Second), true))
	w.agent(mp, pod, instance)
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	return pod
}

// remove does what the kubelet does when a deleted Pod has ended.
func (w *world) remove(pod *corev1.Pod) {
	w.Helper()
	if err := w.client.Delete(context.Background(), pod, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		w.Fatalf("removing the Pod: %v", err)
	}
}

// awaitEvent waits until an event of this reason was told.
func (w *world) awaitEvent(reason string) {
	w.Helper()
	controllertest.Eventually(w.T, "event "+reason, func() error {
		out, err := w.cluster.Kubectl(w.T, "get", "events.events.k8s.io", "-n", w.namespace, "-o", "jsonpath={.items[*].reason}")
		if err != nil {
			return err
		}
		for _, got := range strings.Fields(out) {
			if got == reason {
				return nil
			}
		}
		return fmt.Errorf("only %s", out)
	})
}
