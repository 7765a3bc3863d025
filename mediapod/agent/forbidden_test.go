// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/callfleet/callfleet/mediapod/signaling"
)

// TestACallThatIsOverIsToldOfUnlessThatIsRefusedForGood: an API server that has just started forbids everything until it
// has read the roles.
func TestACallThatIsOverIsToldOfUnlessThatIsRefusedForGood(t *testing.T) {
	calls := schema.GroupResource{Group: "callfleet.dev", Resource: "calls"}
	ending := apierrors.NewForbidden(calls, "call", errors.New("the namespace is being terminated"))
	ending.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, tc := range map[string]struct {
		refuse error
		told   bool
	}{
		"no role yet":             {apierrors.NewForbidden(calls, "call", errors.New("clusterrole not found")), true},
		"the namespace goes away": {ending, false},
		"invalid":                 {apierrors.NewInvalid(schema.GroupKind{Kind: "Call"}, "call", field.ErrorList{field.Required(field.NewPath("spec"), "")}), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{away: true}
			a, service := seat(t, m, withRules(answerAll))
			call := pickUp(t, a, service, ring("call-7"))
			call.establishAnswered()
			call.end(signaling.End{Reason: signaling.EndRemoteHungUp})
			await(t, "the call to be over", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return a.used() == 0
			})
			m.mu.Lock()
			m.away, m.refuse = false, tc.refuse
			m.mu.Unlock()
			await(t, "the runner to end", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.runners) == 0 })
			if creates, patches := m.writes(); (creates+patches > 0) != tc.told {
				t.Errorf("%d creates and %d patches, told of: want %v", creates, patches, tc.told)
			}
		})
	}
}
