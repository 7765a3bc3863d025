// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestWhatMediaPodsMayDoWithFlows: know them, and read a version by its name. ControllerRevisions are StatefulSets' too, and nobody's
// to list.
func TestWhatMediaPodsMayDoWithFlows(t *testing.T) {
	p := newPlace(t, install(t))
	p.pod("reception", 0)
	for _, tc := range []struct {
		verb, group, resource, sub string
		may                        bool
	}{
		{"get", "callfleet.dev", "callflows", "", true},
		{"list", "callfleet.dev", "callflows", "", true},
		{"watch", "callfleet.dev", "callflows", "", true},
		{"get", "apps", "controllerrevisions", "", true},
		{"list", "apps", "controllerrevisions", "", false},
		{"create", "apps", "controllerrevisions", "", false},
		{"update", "callfleet.dev", "callflows", "", false},
		{"patch", "callfleet.dev", "callflows", "status", false},
		{"get", "", "secrets", "", false},
	} {
		t.Run(tc.verb+" "+tc.resource, func(t *testing.T) {
			controllertest.Eventually(t, "the role counts", func() error {
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User: "system:serviceaccount:" + p.ns + ":reception-mediapod",
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: p.ns, Verb: tc.verb, Group: tc.group, Resource: tc.resource, Subresource: tc.sub,
					},
				}}
				if err := p.Client.Create(t.Context(), review); err != nil {
					return err
				}
				if review.Status.Allowed != tc.may {
					return fmt.Errorf("allowed: %t, want %t", review.Status.Allowed, tc.may)
				}
				return nil
			})
		})
	}
}
