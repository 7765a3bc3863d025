// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func withTemplate(json string) func(*v1alpha1.MediaPod) {
	return func(mp *v1alpha1.MediaPod) { mp.Spec.Template = &runtime.RawExtension{Raw: []byte(json)} }
}

// restricted is a namespace that takes only Pods of the Pod Security level "restricted".
func restricted(t *testing.T, cluster *controllertest.Cluster) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "restricted-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := cluster.Client.Create(context.Background(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func TestPodSecurityRestricted(t *testing.T) {
	cluster := controllertest.Start(t)
	w := newWorldIn(t, cluster, restricted(t, cluster))

	naked := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "naked"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}},
	}
	if err := w.client.Create(context.Background(), naked); err == nil {
		t.Fatal("the namespace takes any Pod; the test proves nothing")
	}

	tests := map[string]func(*v1alpha1.MediaPod){
		"windows": func(*v1alpha1.MediaPod) {},
		"windows, with a bridge": func(mp *v1alpha1.MediaPod) {
			onMicrosoft(mp)
			mp.Spec.Media.Certificate.SecretName = "media-bridged"
		},
		"linux": withTemplate(`{"spec":{"os":{"name":"linux"}}}`),
		"with a CA bundle": func(mp *v1alpha1.MediaPod) {
			mp.Spec.FleetConfig = controllertest.Bot(w.namespace, "reception").CABundle("roots", "ca.pem").Object().Spec.FleetConfig
		},
	}
	controllertest.Create(t, w.client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "media-bridged"},
		Data:       certificateFor(t, time.Now().Truncate(time.Second), "*.reception.media.contoso.com"),
	})
	slot := int32(0)
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			mp := w.mediaPod(slot, change)
			slot++
			w.awaitPod(mp)
		})
	}

	t.Run("node ports are refused, and it says so", func(t *testing.T) {
		mp := w.mediaPod(9, onHostPort(28550, 28559))
		got := w.awaitCondition(mp, v1alpha1.ConditionPodReady, metav1.ConditionFalse, v1alpha1.ReasonPodRejected)
		for _, part := range []string{"restricted", "hostPort", "correct the template"} {
			if !strings.Contains(got, part) {
				t.Errorf("message %q does not speak of %q", got, part)
			}
		}
		w.awaitCondition(mp, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPodRejected)
	})
}

func TestTemplatesThatCannotBe(t *testing.T) {
	w := newWorld(t)
	unknown := w.mediaPod(0, withTemplate(`{"spec":{"contaners":[]}}`))
	got := w.awaitCondition(unknown, v1alpha1.ConditionPodReady, metav1.ConditionFalse, v1alpha1.ReasonTemplateInvalid)
	if want := `unknown field "template.spec.contaners"; correct the template of CallingBot "reception"`; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	// A field the Windows kubelet does not know: only the API server can tell.
	refused := w.mediaPod(1, withTemplate(`{"spec":{"hostPID":true}}`))
	got = w.awaitCondition(refused, v1alpha1.ConditionPodReady, metav1.ConditionFalse, v1alpha1.ReasonPodRejected)
	if !strings.Contains(got, "hostPID") {
		t.Errorf("message %q does not name the field", got)
	}
	linux := w.mediaPod(2, withTemplate(`{"spec":{"os":{"name":"linux"},"priorityClassName":""}}`))
	w.awaitPod(linux)
}
