// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the nouns of Callfleet: CallingBot, MediaPod, MeetingSession, Call and CallFlow.
//
// Units are in the names (LossPercent, JitterMs, TTLSecondsAfterFinished); enumerations and limits are enforced by the
// schema, so an object that the API server accepted is one the controllers can act on.
//
// +kubebuilder:object:generate=true
// +groupName=callfleet.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "callfleet.dev", Version: "v1alpha1"}

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme registers the kinds of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&CallingBot{}, &CallingBotList{},
		&MediaPod{}, &MediaPodList{},
		&MeetingSession{}, &MeetingSessionList{},
		&Call{}, &CallList{},
		&CallFlow{}, &CallFlowList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
