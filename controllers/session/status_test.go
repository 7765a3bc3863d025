// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestAStatusIsWrittenIfItSaysAnythingElse, and not if it says the same in other words.
func TestAStatusIsWrittenIfItSaysAnythingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.OneCallStatus)
		same   bool
	}{
		"nothing":                     {func(*v1alpha1.OneCallStatus) {}, true},
		"an empty list for none":      {func(s *v1alpha1.OneCallStatus) { s.Conditions = []metav1.Condition{} }, true},
		"the phase":                   {func(s *v1alpha1.OneCallStatus) { s.Phase = v1alpha1.PhaseFailed }, false},
		"the generation that is seen": {func(s *v1alpha1.OneCallStatus) { s.ObservedGeneration++ }, false},
		"the direction":               {func(s *v1alpha1.OneCallStatus) { s.Direction = v1alpha1.CallOutgoing }, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := controllertest.Call("voice", "dial", "reception").Object()
			after := before.DeepCopy()
			tc.change(&after.Status)
			if got := calls.subject(after).unchanged(calls.subject(before)); got != tc.same {
				t.Errorf("the same: %t, want %t", got, tc.same)
			}
		})
	}
}
