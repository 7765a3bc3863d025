// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

// A flow with a mistake is refused at kubectl apply, with its path. While no manager is there it passes, and is told its mistake
// afterwards.
func TestABrokenFlowIsRefusedWithThePathOfItsMistake(t *testing.T) {
	flow := &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "tested"}}
	t.Cleanup(func() {
		_, _ = world.Kubectl(context.Background(), "-n", rig.Namespace, "delete", "cf", flow.Name, "--ignore-not-found")
	})
	apply := func(next string, args ...string) error {
		file := filepath.Join(t.TempDir(), "flow.yaml")
		must(t, os.WriteFile(file, fmt.Appendf(nil, "apiVersion: callfleet.dev/v1alpha1\nkind: CallFlow\nmetadata: {name: %s, namespace: %s}\n"+
			"spec: {start: hello, steps: [{name: hello, mute: {muted: true}, next: %s}, {name: bye, hangup: {}}]}\n", flow.Name, rig.Namespace, next), 0o600))
		_, err := world.Kubectl(t.Context(), append([]string{"apply", "-f", file}, args...)...)
		return err
	}
	refused := func(next string, args ...string) error {
		err := apply(next, args...)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("spec.steps[0].next: Invalid value: %q", next)) {
			return fmt.Errorf("not refused with the path: %v", err)
		}
		return nil
	}
	// The leader may be telling the API server whom to trust just now.
	asked := func(next string) {
		t.Helper()
		for until := time.Now().Add(patience); ; <-time.After(100 * time.Millisecond) {
			err := refused(next, "--dry-run=server")
			if err == nil {
				return
			}
			if time.Now().After(until) {
				t.Fatal(err)
			}
		}
	}
	says := func(status metav1.ConditionStatus, reason string) {
		t.Helper()
		must(t, world.Await(t.Context(), flow, patience, "the flow to be "+reason, func() error {
			c := meta.FindStatusCondition(flow.Status.Conditions, callfleetv1.ConditionValid)
			if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != flow.Generation {
				return fmt.Errorf("conditions are %s", conditions(flow.Status.Conditions))
			}
			return nil
		}))
	}
	asked("nowhere")
	if err := refused("nowhere"); err != nil {
		t.Error(err)
	}
	must(t, apply("bye"))
	says(metav1.ConditionTrue, callfleetv1.ReasonValid)
	if err := refused("nowhere"); err != nil {
		t.Errorf("a change: %v", err)
	}

	scale(t, "callfleet-manager", 0)
	defer bring(t, "callfleet-manager")
	for until := time.Now().Add(patience); apply("nowhere") != nil; <-time.After(100 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("without a manager nothing can be applied")
		}
	}
	bring(t, "callfleet-manager")
	says(metav1.ConditionFalse, callfleetv1.ReasonInvalid)
	if flow.Status.Revision == "" {
		t.Error("new calls have no version to run: the last valid one is gone")
	}
	asked("elsewhere")
}
