// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AnyCall is an object of either kind of call.
// +kubebuilder:object:generate=false
type AnyCall interface {
	metav1.Object
	runtime.Object
	// CallParts are what both kinds embed; writes to them are writes to the object.
	CallParts() (*CallSpec, *CallStatus)
}

// CallParts implements AnyCall.
func (s *MeetingSession) CallParts() (*CallSpec, *CallStatus) {
	return &s.Spec.CallSpec, &s.Status.CallStatus
}

// CallParts implements AnyCall.
func (c *Call) CallParts() (*CallSpec, *CallStatus) { return &c.Spec.CallSpec, &c.Status.CallStatus }
