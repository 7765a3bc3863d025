// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/podspec"
)

func onHostPort(from, to int32) func(*v1alpha1.MediaPod) {
	return func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointHostPort, Ports: &v1alpha1.PortRange{From: from, To: to}}
	}
}

func TestHostPort(t *testing.T) {
	w := newWorld(t)
	node := w.node("win-1", "InternalIP", "10.1.0.4", "ExternalIP", "20.0.0.4")
	mp := w.mediaPod(3, onHostPort(28550, 28559))

	pod := w.awaitPod(mp)
	hostPorts := map[string]int32{}
	for _, p := range pod.Spec.Containers[0].Ports {
		if p.HostPort != 0 {
			hostPorts[p.Name+"/"+string(p.Protocol)] = p.HostPort
		}
	}
	if diff := cmp.Diff(map[string]int32{"media-tcp/TCP": 28553, "media-udp/UDP": 28553}, hostPorts); diff != "" {
		t.Errorf("node ports: %s", diff)
	}

	// Nothing lets the container start before there is a certificate for the address, and that needs the node.
	w.awaitCondition(mp, v1alpha1.ConditionEndpointReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNode)
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	leaf := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name + "-tls"}}
	if err := w.get(leaf); !apierrors.IsNotFound(err) {
		t.Fatalf("a certificate before the node is known: %v", err)
	}
	if v := pod.Spec.Volumes[1]; v.Secret == nil || v.Secret.SecretName != leaf.Name || (v.Secret.Optional != nil && *v.Secret.Optional) {
		t.Errorf("the Pod does not wait for Secret %s: %+v", leaf.Name, v)
	}

	w.schedule(pod, node.Name)
	if err := parse(t, w.secret(leaf.Name)).VerifyHostname("20.0.0.4"); err != nil {
		t.Error(err)
	}
	pod = w.kubelet(pod, running(time.Now(), true))
	w.agent(mp, pod, "i1")
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	got := w.awaitMediaPod(mp, "stand", func(*v1alpha1.MediaPod) error { return nil })
	if diff := cmp.Diff(&v1alpha1.Endpoint{Host: "20.0.0.4", Address: "20.0.0.4", Port: 28553}, got.Status.Endpoint); diff != "" {
		t.Errorf("endpoint: %s", diff)
	}
	if err := w.get(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}); !apierrors.IsNotFound(err) {
		t.Errorf("a Service nobody needs: %v", err)
	}

	t.Run("the node's address changes", func(t *testing.T) {
		w.readdress(node, "InternalIP", "10.1.0.4", "ExternalIP", "20.0.0.5")
		w.awaitMediaPod(mp, "follow", func(mp *v1alpha1.MediaPod) error {
			if e := mp.Status.Endpoint; e == nil || e.Address != "20.0.0.5" || e.Port != 28553 {
				return fmt.Errorf("endpoint %+v", e)
			}
			return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
		})
		if err := parse(t, w.secret(leaf.Name)).VerifyHostname("20.0.0.5"); err != nil {
			t.Error(err)
		}
	})
}

func TestHostPortsAreUsedAgainOnlyWhenTheRangeIsUsedUp(t *testing.T) {
	w := newWorld(t)
	// A pod of an older configuration, whose range began one higher, has the port that slot 1 would get now.
	old := w.mediaPod(0, onHostPort(28551, 28559))
	if port := podspec.MediaPort(w.awaitPod(old)); port != 28551 {
		t.Fatalf("port %d, want 28551", port)
	}
	if port := podspec.MediaPort(w.awaitPod(w.mediaPod(1, onHostPort(28550, 28552)))); port != 28552 {
		t.Errorf("slot 1 has port %d, want 28552: 28551 is in use", port)
	}
	third := w.awaitPod(w.mediaPod(2, onHostPort(28550, 28552)))
	if port := podspec.MediaPort(third); port != 28550 {
		t.Errorf("slot 2 has port %d, want 28550: the others are in use", port)
	}
	again := w.mediaPod(3, onHostPort(28550, 28552))
	fourth := w.awaitPod(again)
	if port := podspec.MediaPort(fourth); port != 28550 {
		t.Errorf("slot 3 has port %d, want 28550: all have one user, and it is its own", port)
	}

	// On nodes of their own both are reached. Where two nodes have one address, the second pod would not be.
	one, two := w.node("win-1", "ExternalIP", "20.0.0.4"), w.node("win-2", "ExternalIP", "20.0.0.4")
	w.schedule(third, one.Name)
	w.awaitCondition(mediaPodOf(third), v1alpha1.ConditionEndpointReady, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	w.schedule(fourth, two.Name)
	w.awaitCondition(again, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPortConflict)
	w.readdress(two, "ExternalIP", "20.0.0.5")
	w.awaitCondition(again, v1alpha1.ConditionEndpointReady, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
}

func mediaPodOf(pod *corev1.Pod) *v1alpha1.MediaPod {
	return &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
}

func TestANodeWithoutAddressIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0, onHostPort(28550, 28559))
	pod := w.awaitPod(mp)
	node := w.node("win-1", "Hostname", "win-1")
	w.schedule(pod, node.Name)
	w.awaitCondition(mp, v1alpha1.ConditionEndpointReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForAddress)
	w.readdress(node, "InternalIP", "10.1.0.4")
	w.awaitCondition(mp, v1alpha1.ConditionEndpointReady, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
}

func TestHeartbeatsOfNodesWakeNobody(t *testing.T) {
	w := newWorld(t)
	node := w.node("win-1", "InternalIP", "10.1.0.4")
	mp := w.mediaPod(0, onHostPort(28550, 28559))
	w.serve(mp, node.Name, "i1")
	quiet := w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	for i := range 5 {
		controllertest.UpdateStatus(t, w.client, node, func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.NewTime(noon.Add(time.Duration(i) * time.Second)),
			}}
		})
	}
	if n := w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond); n != quiet {
		t.Errorf("writes: %v", w.manager.Writes.List()[quiet:])
	}
	if err := w.client.Get(context.Background(), keyOf(node), node); err != nil {
		t.Fatal(err)
	}
}
