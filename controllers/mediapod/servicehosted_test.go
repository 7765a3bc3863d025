// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/podspec"
)

func serviceHosted(mp *v1alpha1.MediaPod) {
	mp.Spec.Media = v1alpha1.Media{Hosting: v1alpha1.HostingService}
}

// A pod whose calls' media the service handles needs neither address nor certificate, and says nothing of them.
func TestAServiceHostedPod(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0, serviceHosted)
	pod := w.serve(mp, "linux-1", "i1")
	if port := podspec.MediaPort(pod); port != 0 {
		t.Errorf("it has media port %d", port)
	}
	got := w.awaitMediaPod(mp, "be Ready", func(mp *v1alpha1.MediaPod) error {
		if mp.Status.State != v1alpha1.MediaPodReady {
			return errors.New(string(mp.Status.State))
		}
		return nil
	})
	for _, err := range []error{
		controllertest.LacksCondition(got.Status.Conditions, v1alpha1.ConditionEndpointReady),
		controllertest.LacksCondition(got.Status.Conditions, v1alpha1.ConditionCertificateReady),
		controllertest.LacksCondition(got.Status.Conditions, v1alpha1.ConditionReconciling),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got.Status.Endpoint != nil {
		t.Errorf("endpoint %+v", got.Status.Endpoint)
	}
	for _, unwanted := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name + "-tls"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: "reception-media-ca"}},
	} {
		if err := w.get(unwanted); !apierrors.IsNotFound(err) {
			t.Errorf("%T %s was made: %v", unwanted, unwanted.GetName(), err)
		}
	}
	writes := w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	controllertest.Update(t, w.client, got, func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": "yes"} })
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if list := w.manager.Writes.List(); len(list) != writes {
		t.Errorf("a second pass wrote %v", list[writes:])
	}
}

// A call that came in keeps the pod that answered it, although no user made an object for it.
func TestADeletedMediaPodWaitsForACallThatCameIn(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0, serviceHosted)
	pod := w.serve(mp, "linux-1", "i1")
	call := controllertest.Create(t, w.client, controllertest.IncomingCall(w.namespace, "caller", w.bot.Name).
		Held(mp.Name, "i1", v1alpha1.HostingService).Object())
	controllertest.Await(t, w.manager.GetClient(), call.DeepCopy(), "reach the cache", func(c *v1alpha1.Call) error {
		if c.Status.MediaPod == "" {
			return errors.New("not bound")
		}
		return nil
	})
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	w.agent(mp, pod, "i1") // it has seen the mark, and its report says nothing of the call
	controllertest.Consistently(t, 400*time.Millisecond, "the media pod stays", func() error { return w.get(mp.DeepCopy()) })
	controllertest.UpdateStatus(t, w.client, call, func(c *v1alpha1.Call) { c.Status.Phase = v1alpha1.PhaseCompleted })
	controllertest.AwaitGone(t, w.client, mp)
}
