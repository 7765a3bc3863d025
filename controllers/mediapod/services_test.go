// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/podspec"
)

func reachedBy(kind v1alpha1.EndpointType, ports ...int32) func(*v1alpha1.MediaPod) {
	return func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{Type: kind}
		if len(ports) == 2 {
			mp.Spec.Media.Endpoint.Ports = &v1alpha1.PortRange{From: ports[0], To: ports[1]}
		}
	}
}

func (w *world) service(name string) *corev1.Service {
	w.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	return controllertest.Await(w.T, w.client, s, "exist", func(*corev1.Service) error { return nil })
}

// cloud does what a cloud's controller of load balancers does.
func (w *world) cloud(s *corev1.Service, ingress ...corev1.LoadBalancerIngress) {
	w.Helper()
	controllertest.UpdateStatus(w.T, w.client, s, func(s *corev1.Service) { s.Status.LoadBalancer.Ingress = ingress })
}

func (w *world) awaitEndpoint(mp *v1alpha1.MediaPod, want v1alpha1.Endpoint) {
	w.Helper()
	w.awaitMediaPod(mp, "be reached", func(mp *v1alpha1.MediaPod) error {
		if e := mp.Status.Endpoint; e == nil || *e != want {
			return fmt.Errorf("endpoint %+v, want %+v", e, want)
		}
		return nil
	})
}

func TestNodePort(t *testing.T) {
	w := newWorld(t)
	node := w.node("win-1", "InternalIP", "10.1.0.4")
	mp := w.mediaPod(3, reachedBy(v1alpha1.EndpointNodePort))
	pod := w.awaitPod(mp)
	port := podspec.MediaPort(pod)
	for _, p := range w.service(mp.Name).Spec.Ports {
		if p.NodePort != port {
			t.Errorf("%s has node port %d, and the process listens on %d", p.Protocol, p.NodePort, port)
		}
	}
	w.schedule(pod, node.Name)
	w.awaitEndpoint(mp, v1alpha1.Endpoint{Host: "10.1.0.4", Address: "10.1.0.4", Port: port})
	pod = w.kubelet(pod, running(time.Now(), true))
	w.agent(mp, pod, "i1")
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// Taking back what somebody changed must not give the Service another port.
	quiet := w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	controllertest.Update(t, w.client, w.service(mp.Name), func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = false })
	controllertest.Eventually(t, "the Service is put right", func() error {
		s := w.service(mp.Name)
		if !s.Spec.PublishNotReadyAddresses || s.Spec.Ports[0].NodePort != port || s.Spec.Ports[1].NodePort != port {
			return fmt.Errorf("%+v", s.Spec)
		}
		return nil
	})
	if w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond) != quiet+1 {
		t.Errorf("writes: %v", w.manager.Writes.List()[quiet:])
	}
}

func TestNodePortsOfARange(t *testing.T) {
	w := newWorld(t)
	other := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: 31500}}},
	}
	if err := w.client.Create(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	w.Cleanup(func() { _ = w.client.Delete(context.Background(), other) })
	controllertest.Eventually(t, "the manager sees the other Service", func() error {
		return w.manager.GetCache().Get(context.Background(), client.ObjectKeyFromObject(other), &corev1.Service{})
	})
	if port := podspec.MediaPort(w.awaitPod(w.mediaPod(0, reachedBy(v1alpha1.EndpointNodePort, 31500, 31501)))); port != 31501 {
		t.Errorf("slot 0 has port %d, want 31501: the other one is taken", port)
	}
	full := w.mediaPod(1, reachedBy(v1alpha1.EndpointNodePort, 31500, 31501))
	w.awaitCondition(full, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPortsExhausted)

	outside := w.mediaPod(2, reachedBy(v1alpha1.EndpointNodePort, 28550, 28559))
	w.awaitCondition(outside, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPortConflict)
}

func TestLoadBalancerPerPod(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(3, reachedBy(v1alpha1.EndpointLoadBalancerPerPod))
	s := w.service(mp.Name)
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			t.Errorf("%s takes node port %d", p.Protocol, p.NodePort)
		}
	}
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForAddress)
	if err := w.get(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}); !apierrors.IsNotFound(err) {
		t.Fatalf("a Pod before its address is known: %v", err)
	}
	w.cloud(s, corev1.LoadBalancerIngress{IP: "20.0.0.9"})
	w.serve(mp, "win-1", "i1")
	w.awaitEndpoint(mp, v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 8445})
}

// balanced makes the bot one whose fleet shares an address.
func (w *world) balanced(from, to int32) {
	w.Helper()
	w.bot = controllertest.Update(w.T, w.client, w.bot, func(b *v1alpha1.CallingBot) {
		b.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointLoadBalancer, Ports: &v1alpha1.PortRange{From: from, To: to}}
	})
}

func portsOfService(s *corev1.Service) []int32 {
	var list []int32
	for _, p := range s.Spec.Ports {
		if p.Protocol == corev1.ProtocolUDP {
			list = append(list, p.Port)
		}
	}
	return list
}

func TestAFleetSharesABalancer(t *testing.T) {
	w := newWorld(t)
	w.balanced(28550, 28553)
	first := w.mediaPod(0, reachedBy(v1alpha1.EndpointLoadBalancer, 28550, 28553))
	s := w.service("reception-media")
	if diff := cmp.Diff([]int32{28550, 28551, 28552, 28553}, portsOfService(s)); diff != "" {
		t.Errorf("ports: %s", diff)
	}
	if !metav1.IsControlledBy(s, w.bot) {
		t.Error("the Service is not the bot's: its address would be lost when the fleet is scaled to nothing")
	}
	w.awaitCondition(first, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForAddress)
	w.cloud(s, corev1.LoadBalancerIngress{IP: "20.0.0.9"})
	w.serve(first, "win-1", "i1")
	w.awaitEndpoint(first, v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 28550})

	t.Run("a second pod writes nothing to the Service", func(t *testing.T) {
		before := w.service("reception-media").ResourceVersion
		second := w.mediaPod(2, reachedBy(v1alpha1.EndpointLoadBalancer, 28550, 28553))
		w.serve(second, "win-1", "i2")
		w.awaitEndpoint(second, v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 28552})
		if after := w.service("reception-media").ResourceVersion; after != before {
			t.Error("the Service was written: every cloud that sees that calls its API")
		}
	})

	t.Run("another operator comes to the same ports", func(t *testing.T) {
		w.manager.Stop()
		before := w.service("reception-media").ResourceVersion
		w.manager = w.cluster.StartManager(w.T, w.namespace, (&Reconciler{MediaPodImage: image}).SetupWithManager)
		third := w.mediaPod(1, reachedBy(v1alpha1.EndpointLoadBalancer, 28550, 28553))
		w.serve(third, "win-1", "i3")
		w.awaitEndpoint(third, v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 28551})
		if after := w.service("reception-media").ResourceVersion; after != before {
			t.Error("the Service was written")
		}
	})

	t.Run("the range moves: ports in use stay", func(t *testing.T) {
		w.balanced(30000, 30001)
		controllertest.Eventually(t, "the new ports are there", func() error {
			if diff := cmp.Diff([]int32{28550, 28551, 28552, 30000, 30001}, portsOfService(w.service("reception-media"))); diff != "" {
				return errors.New(diff)
			}
			return nil
		})
		w.awaitEndpoint(first, v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 28550})
	})

	t.Run("the bot needs it no more: it goes with its last pod", func(t *testing.T) {
		controllertest.Update(t, w.client, w.bot, func(b *v1alpha1.CallingBot) {
			b.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointClusterIP}
		})
		controllertest.Eventually(t, "the pods own the Service", func() error {
			var owners []string
			for _, o := range w.service("reception-media").OwnerReferences {
				owners = append(owners, o.Kind+"/"+o.Name)
			}
			if diff := cmp.Diff([]string{"MediaPod/reception-0", "MediaPod/reception-1", "MediaPod/reception-2"}, owners); diff != "" {
				return errors.New(diff)
			}
			return nil
		})
	})
}

func TestASharedServiceOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	w.balanced(28550, 28553)
	theirs := controllertest.Create(t, w.client, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "reception-media"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "shop"}, Ports: []corev1.ServicePort{{Port: 80}}},
	})
	mp := w.mediaPod(0, reachedBy(v1alpha1.EndpointLoadBalancer, 28550, 28553))
	w.awaitCondition(mp, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonEndpointUnavailable)
	if got := w.service("reception-media"); got.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("somebody else's Service was changed: %+v", got.Spec)
	}
}

// TestEachPortOfASharedServiceLeadsToOnePod asks Kubernetes' own controller, which is who leads packets to pods.
func TestEachPortOfASharedServiceLeadsToOnePod(t *testing.T) {
	w := newWorld(t)
	startEndpointSliceController(w)
	w.balanced(28550, 28553)
	want := map[string][]string{}
	for slot := range int32(3) {
		mp := w.mediaPod(slot, reachedBy(v1alpha1.EndpointLoadBalancer, 28550, 28553))
		if slot == 0 {
			w.cloud(w.service("reception-media"), corev1.LoadBalancerIngress{IP: "20.0.0.9"})
		}
		pod := w.awaitPod(mp)
		w.schedule(pod, "win-1")
		ip := fmt.Sprintf("10.2.0.%d", 10+slot)
		w.kubelet(pod, func(s *corev1.PodStatus) {
			running(time.Now(), slot != 1)(s) // one is not ready: it is reached all the same
			s.PodIP, s.PodIPs = ip, []corev1.PodIP{{IP: ip}}
		})
		for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
			want[podspec.MediaPortName(28550+slot, protocol)] = []string{fmt.Sprintf("%s:%d", ip, 28550+slot)}
		}
	}
	controllertest.Eventually(t, "each port has its pod", func() error {
		got, err := backends(w, "reception-media")
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// backends are where the ports of a Service lead to.
func backends(w *world, service string) (map[string][]string, error) {
	slices := &discoveryv1.EndpointSliceList{}
	err := w.client.List(context.Background(), slices, client.InNamespace(w.namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || !*e.Conditions.Ready {
					return nil, fmt.Errorf("%v gets no packets", e.Addresses)
				}
				found[*port.Name] = append(found[*port.Name], fmt.Sprintf("%s:%d", e.Addresses[0], *port.Port))
			}
		}
	}
	return found, nil
}

// startEndpointSliceController runs that controller alone, where its binary is at hand.
func startEndpointSliceController(w *world) {
	w.Helper()
	binary := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager")
	if _, err := os.Stat(binary); err != nil {
		w.Skipf("no kube-controller-manager: %v", err)
	}
	controllertest.Process(w.T, "kube-controller-manager", binary, "--kubeconfig="+w.cluster.UserKubeconfig(w.T, "endpoint-slices", "system:masters"),
		"--controllers=endpointslice-controller", "--leader-elect=false", "--secure-port=0")
}
