// SPDX-License-Identifier: Apache-2.0

// Package client reaches the callfleet.dev API without the weight of a full clientset: a REST client that knows the
// kinds, and a way to follow them. It is for the small processes, media pod and router; the manager uses
// controller-runtime.
package client

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Resource names, as the API server spells them.
const (
	MediaPods       = "mediapods"
	MeetingSessions = "meetingsessions"
	Calls           = "calls"
	CallFlows       = "callflows"
)

// ForCallfleet returns a REST client for callfleet.dev.
func ForCallfleet(cfg *rest.Config, userAgent string) (rest.Interface, error) {
	return forGroup(cfg, userAgent, "/apis", callfleetv1.GroupVersion)
}

// ForCore returns a REST client for the core group.
func ForCore(cfg *rest.Config, userAgent string) (rest.Interface, error) {
	return forGroup(cfg, userAgent, "/api", corev1.SchemeGroupVersion)
}

// ForApps returns a REST client for the group of ControllerRevision.
func ForApps(cfg *rest.Config, userAgent string) (rest.Interface, error) {
	return forGroup(cfg, userAgent, "/apis", appsv1.SchemeGroupVersion)
}

func forGroup(cfg *rest.Config, userAgent, path string, gv schema.GroupVersion) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := callfleetv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := appsv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	c := rest.CopyConfig(cfg)
	c.APIPath, c.GroupVersion = path, &gv
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.UserAgent = userAgent
	// The API server's priority and fairness decides who waits; a limit here would only hide that.
	c.QPS = -1
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", gv, err)
	}
	return client, nil
}
