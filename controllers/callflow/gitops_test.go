// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"flag"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var update = flag.Bool("update", false, "write the fixtures of test/gitops anew")

// TestStatusesThatGitOpsToolsJudge keeps the fixtures of test/gitops what the controller really writes.
func TestStatusesThatGitOpsToolsJudge(t *testing.T) {
	for name, spec := range map[string]*v1alpha1.CallFlowSpec{"valid": silent("hello"), "stalled": silent("hello", "to-hours")} {
		t.Run(name, func(t *testing.T) {
			flow := &v1alpha1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "menu", UID: "u", Generation: 2}, Spec: *spec}
			flow.APIVersion, flow.Kind = v1alpha1.GroupVersion.String(), "CallFlow"
			seen := &observation{facts: facts{name: "menu", flows: flows{"menu": spec}, limit: maxRevision}}
			flow.Status = statusOf(flow, seen, judge(seen.facts), metav1.NewTime(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
			controllertest.MatchGitOpsFixture(t, "callflow-"+name, flow, *update)
		})
	}
}
