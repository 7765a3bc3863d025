// SPDX-License-Identifier: Apache-2.0

// Package caching says what the controllers keep in memory of the cluster, and what they read anew each time.
//
//   - Pods, ServiceAccounts, RoleBindings: those of media pods only (label callfleet.dev/bot). Somebody else's object of
//     the same name is not in the cache; whoever has to tell it apart reads it through the API reader.
//   - Secrets and ConfigMaps: names, labels and versions only, so that changes are noticed; watch them with
//     builder.OnlyMetadata and read the metadata through the cache (mgr.GetCache()). The client always reads whole ones
//     from the API server: contents of Secrets that have nothing to do with us are never held.
//   - ControllerRevisions: the metadata of those of CallFlows (label callfleet.dev/flow), which may hold a megabyte each.
//   - ValidatingWebhookConfigurations: the one of the manager's webhook.
//   - Everything else that is watched: all of it, without managedFields.
package caching

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// WebhookConfiguration is the ValidatingWebhookConfiguration of config/webhook, the only one that the manager sees and may change.
const WebhookConfiguration = "callfleet-validating"

// Options of the manager's cache. No namespaces: all of them.
func Options(namespaces ...string) cache.Options {
	options := cache.Options{
		DefaultTransform: withoutBulk,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:            {Label: labelled(v1alpha1.LabelBot)},
			&corev1.ServiceAccount{}: {Label: labelled(v1alpha1.LabelBot)},
			&rbacv1.RoleBinding{}:    {Label: labelled(v1alpha1.LabelBot)},

			&appsv1.ControllerRevision{}: {Label: labelled(v1alpha1.LabelFlow)},
			&admissionv1.ValidatingWebhookConfiguration{}: {
				Field: fields.OneTermEqualSelector(metav1.ObjectNameField, WebhookConfiguration),
			},
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = make(map[string]cache.Config, len(namespaces))
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options
}

// ClientOptions of the manager's client.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}

func labelled(label string) labels.Selector {
	exists, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("the label %s is not a label: %v", label, err))
	}
	return labels.NewSelector().Add(*exists)
}

// withoutBulk drops what no controller reads.
func withoutBulk(obj any) (any, error) {
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return obj, nil //nolint:nilerr // a tombstone has no metadata and nothing to drop
	}
	accessor.SetManagedFields(nil)
	switch o := obj.(type) {
	case *metav1.PartialObjectMetadata:
		// `kubectl apply` keeps the whole object in an annotation, a Secret's data included.
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
	case *corev1.Secret:
		o.Data, o.StringData = nil, nil
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
	case *corev1.ConfigMap:
		o.Data, o.BinaryData = nil, nil
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
	case *corev1.Node:
		o.Status.Images = nil
	}
	return obj, nil
}
