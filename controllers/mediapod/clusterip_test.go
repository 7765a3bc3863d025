// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestFromMediaPodToReady(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0, func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Endpoint.Domain = "media.contoso.com"
		mp.Spec.Media.Endpoint.ServiceAnnotations = map[string]v1alpha1.AnnotationValue{"example.com/dns": "yes"}
	})
	pod := w.awaitPod(mp)

	// The process finds address and certificate when it starts: both were there before the Pod.
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}
	if err := w.get(service); err != nil {
		t.Fatalf("no Service before the Pod: %v", err)
	}
	leaf := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name + "-tls"}}
	if err := w.get(leaf); err != nil {
		t.Fatalf("no certificate before the Pod: %v", err)
	}

	wantSpec := corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, PublishNotReadyAddresses: true,
		Selector: map[string]string{"callfleet.dev/mediapod": "reception-0"},
		Ports: []corev1.ServicePort{
			{Name: "media-tcp", Protocol: corev1.ProtocolTCP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
			{Name: "media-udp", Protocol: corev1.ProtocolUDP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
		},
	}
	gotSpec := corev1.ServiceSpec{
		Type: service.Spec.Type, PublishNotReadyAddresses: service.Spec.PublishNotReadyAddresses,
		Selector: service.Spec.Selector, Ports: service.Spec.Ports,
	}
	if diff := cmp.Diff(wantSpec, gotSpec); diff != "" {
		t.Errorf("Service: %s", diff)
	}
	if service.Annotations["example.com/dns"] != "yes" {
		t.Errorf("the Service lacks the fleet's annotation: %v", service.Annotations)
	}

	// A peer that trusts the bot's authority trusts the pod by its name and by its address.
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.secret("reception-media-ca").Data["tls.crt"])
	for _, name := range []string{"0.reception.media.contoso.com", service.Spec.ClusterIP} {
		if _, err := parse(t, leaf).Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("certificate as %s: %v", name, err)
		}
	}

	for name, child := range map[string]client.Object{"Service": service, "Pod": pod, "Secret": leaf} {
		if !metav1.IsControlledBy(child, mp) {
			t.Errorf("%s is not owned by the MediaPod: %v", name, child.GetOwnerReferences())
		}
		if owner := metav1.GetControllerOf(child); owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion {
			t.Errorf("%s blocks its owner's deletion: a foreground deletion would delete it first", name)
		}
	}
	if !metav1.IsControlledBy(w.secret("reception-media-ca"), w.bot) {
		t.Error("the authority is not owned by the CallingBot")
	}

	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodPending)
	w.awaitMediaPod(mp, "be Pending and Reconciling", func(mp *v1alpha1.MediaPod) error {
		if mp.Status.State != v1alpha1.MediaPodPending {
			return fmt.Errorf("state %s", mp.Status.State)
		}
		return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReconciling, metav1.ConditionTrue, "")
	})
	w.schedule(pod, "win-1")
	pod = w.kubelet(pod, running(time.Now(), false))
	w.awaitCondition(mp, v1alpha1.ConditionPodReady, metav1.ConditionFalse, v1alpha1.ReasonPodStarting)
	pod = w.kubelet(pod, running(time.Now(), true))
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAgentSilent)
	w.agent(mp, pod, "i1")
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	got := w.awaitMediaPod(mp, "stand", func(*v1alpha1.MediaPod) error { return nil }).Status
	want := v1alpha1.MediaPodStatus{
		ObservedGeneration: 1, State: v1alpha1.MediaPodReady, Replicas: 1, PodUID: string(pod.UID), PodIP: "10.2.0.9", NodeName: "win-1",
		Endpoint: &v1alpha1.Endpoint{Host: "0.reception.media.contoso.com", Address: service.Spec.ClusterIP, Port: 8445},
		Seats:    v1alpha1.Seats{Capacity: 20, Free: 20}, Agent: got.Agent, Conditions: got.Conditions,
	}
	if since := got.ReadyTime; since == nil || since.Before(&mp.CreationTimestamp) {
		t.Errorf("ready for the first time at %v, made at %v", since, mp.CreationTimestamp)
	}
	want.ReadyTime = got.ReadyTime
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status: %s", diff)
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if err := controllertest.LacksCondition(got.Conditions, kind); err != nil {
			t.Error(err)
		}
	}
	for _, reason := range []string{"AuthorityIssued", "CertificateIssued", "PodCreated", "Ready"} {
		w.awaitEvent(reason)
	}
}

func parse(t *testing.T, secret *corev1.Secret) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(secret.Data["tls.crt"])
	if block == nil {
		t.Fatalf("Secret %s holds no certificate", secret.Name)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPodsMadeAtOnceShareOneAuthority(t *testing.T) {
	w := newWorld(t)
	var pods []*v1alpha1.MediaPod
	for slot := range int32(4) {
		pods = append(pods, w.mediaPod(slot))
	}
	for _, mp := range pods {
		w.awaitPod(mp)
	}
	secret := w.secret("reception-media-ca")
	owner := metav1.GetControllerOf(secret)
	if owner == nil || owner.UID != w.bot.UID || owner.BlockOwnerDeletion != nil {
		t.Errorf("the authority is owned by %v; it has to go with the bot, and not before", owner)
	}
	authority := parse(t, secret)
	for _, mp := range pods {
		if err := parse(t, w.secret(mp.Name+"-tls")).CheckSignatureFrom(authority); err != nil {
			t.Errorf("%s: %v", mp.Name, err)
		}
	}
}

func TestADeletedAuthorityIsReplacedAndSignsAnew(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	w.awaitPod(mp)
	old := w.secret("reception-media-ca")
	if err := w.client.Delete(context.Background(), old); err != nil {
		t.Fatal(err)
	}
	controllertest.Eventually(t, "certificate of a new authority", func() error {
		authority := w.secret("reception-media-ca")
		if authority.UID == old.UID {
			return errors.New("the authority is the old one")
		}
		return parse(t, w.secret("reception-0-tls")).CheckSignatureFrom(parse(t, authority))
	})
}

func TestAChangedServiceIsPutRight(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	w.awaitPod(mp)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}
	controllertest.Update(t, w.client, service, func(s *corev1.Service) {
		s.Spec.PublishNotReadyAddresses = false
		s.Spec.Selector = map[string]string{"app": "other"}
	})
	controllertest.Await(t, w.client, service, "be put right", func(s *corev1.Service) error {
		if !s.Spec.PublishNotReadyAddresses || s.Spec.Selector["callfleet.dev/mediapod"] != mp.Name || s.Spec.Selector["app"] != "" {
			return fmt.Errorf("spec %+v", s.Spec)
		}
		return nil
	})

	if err := w.client.Delete(context.Background(), service); err != nil {
		t.Fatal(err)
	}
	controllertest.Eventually(t, "Service is made again, and the certificate follows its address", func() error {
		if err := w.get(service); err != nil {
			return err
		}
		return parse(t, w.secret("reception-0-tls")).VerifyHostname(service.Spec.ClusterIP)
	})
}

func TestNamesTakenByOthers(t *testing.T) {
	ctx := context.Background()
	meta := func(w *world, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{"app": "theirs"}}
	}
	tests := map[string]struct {
		theirs  func(*world) client.Object
		kind    string
		reason  string
		message string
	}{
		"Pod": {
			func(w *world) client.Object {
				return &corev1.Pod{ObjectMeta: meta(w, "reception-0"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}}}
			},
			v1alpha1.ConditionPodReady, v1alpha1.ReasonPodConflict,
			`a Pod "reception-0" exists that does not belong to this media pod; delete or rename it`,
		},
		"Service": {
			func(w *world) client.Object {
				return &corev1.Service{ObjectMeta: meta(w, "reception-0"), Spec: corev1.ServiceSpec{
					Selector: map[string]string{"app": "theirs"}, Ports: []corev1.ServicePort{{Port: 80}},
				}}
			},
			v1alpha1.ConditionEndpointReady, v1alpha1.ReasonEndpointUnavailable,
			`a Service "reception-0" exists that does not belong to this media pod; delete or rename it`,
		},
		"certificate": {
			func(w *world) client.Object {
				return &corev1.Secret{ObjectMeta: meta(w, "reception-0-tls"), Data: map[string][]byte{"a": []byte("b")}}
			},
			v1alpha1.ConditionCertificateReady, v1alpha1.ReasonCertificateInvalid,
			`a Secret "reception-0-tls" exists that does not belong to this media pod; delete or rename it`,
		},
		"authority": {
			func(w *world) client.Object {
				return &corev1.Secret{ObjectMeta: meta(w, "reception-media-ca"), Data: map[string][]byte{"a": []byte("b")}}
			},
			v1alpha1.ConditionCertificateReady, v1alpha1.ReasonCertificateInvalid,
			`Secret "reception-media-ca" holds no authority: it has no tls.crt; delete it, and a new one is made`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			theirs := tc.theirs(w)
			if err := w.client.Create(ctx, theirs); err != nil {
				t.Fatal(err)
			}
			before := theirs.DeepCopyObject().(client.Object)
			mp := w.mediaPod(0)
			if got := w.awaitCondition(mp, tc.kind, metav1.ConditionFalse, tc.reason); got != tc.message {
				t.Errorf("message %q, want %q", got, tc.message)
			}
			w.awaitCondition(mp, v1alpha1.ConditionStalled, metav1.ConditionTrue, tc.reason)
			w.manager.Writes.AwaitQuiet(t, 400*time.Millisecond)
			if err := w.get(theirs); err != nil {
				t.Fatalf("it is gone: %v", err)
			}
			if theirs.GetResourceVersion() != before.GetResourceVersion() {
				t.Errorf("it was changed: %s", cmp.Diff(before, theirs))
			}
		})
	}
}
