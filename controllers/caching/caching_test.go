// SPDX-License-Identifier: Apache-2.0

package caching_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// watching starts informers as the controllers do.
func watching(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("watching").For(&v1alpha1.CallingBot{}).
		Owns(&corev1.Pod{}).
		Watches(&corev1.Secret{}, &handler.EnqueueRequestForObject{}, builder.OnlyMetadata).
		Complete(reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) { return reconcile.Result{}, nil }))
}

func TestSecretsAreCachedWithoutTheirContents(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	mgr := cluster.StartManager(t, ns, watching)
	const password = "correct horse"
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reception", Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: `{"stringData":{"clientSecret":"` + password + `"}}`, "kept": "yes",
		}},
		StringData: map[string]string{"clientSecret": password},
	}
	controllertest.Create(t, cluster.Client, secret)

	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	cached.Namespace, cached.Name = ns, "reception"
	controllertest.Await(t, mgr.GetCache(), cached, "reach the cache", func(m *metav1.PartialObjectMetadata) error {
		if m.ResourceVersion == "" {
			return errors.New("no version")
		}
		return nil
	})
	if cached.Annotations["kept"] != "yes" || strings.Contains(controllertest.Dump(cached), password) {
		t.Errorf("the cache should hold the metadata without the content:\n%s", controllertest.Dump(cached))
	}

	whole := &corev1.Secret{}
	if err := mgr.GetClient().Get(context.Background(), client.ObjectKeyFromObject(secret), whole); err != nil {
		t.Fatal(err)
	}
	if string(whole.Data["clientSecret"]) != password {
		t.Error("the client should read whole Secrets from the API server")
	}
}

func TestOnlyMediaPodsPodsAreCached(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	mgr := cluster.StartManager(t, ns, watching)
	pod := func(name string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}
	}
	other := controllertest.Create(t, cluster.Client, pod("other", nil))
	ours := controllertest.Create(t, cluster.Client, pod("ours", map[string]string{v1alpha1.LabelBot: "reception"}))

	// The one created later is there, so the one created before would be too.
	controllertest.Await(t, mgr.GetClient(), ours, "reach the cache", func(p *corev1.Pod) error {
		if len(p.ManagedFields) != 0 {
			return errors.New("managedFields are kept")
		}
		return nil
	})
	err := mgr.GetClient().Get(context.Background(), client.ObjectKeyFromObject(other), &corev1.Pod{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("a Pod that is not a media pod's: got %v, want not found", err)
	}
	if err := mgr.GetAPIReader().Get(context.Background(), client.ObjectKeyFromObject(other), &corev1.Pod{}); err != nil {
		t.Errorf("the API reader should see it: %v", err)
	}
}
