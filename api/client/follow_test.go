// SPDX-License-Identifier: Apache-2.0

package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func pod(name, uid, version string) *callfleetv1.MediaPod {
	return &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "voice", Name: name, UID: types.UID(uid), ResourceVersion: version,
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
	}}
}

// TestAListAfterABreakTellsWhatChangedMeanwhile: nothing is told twice, nothing is missed.
func TestAListAfterABreakTellsWhatChangedMeanwhile(t *testing.T) {
	var told []string
	f := &Follower[*callfleetv1.MediaPod]{
		Changed: func(p *callfleetv1.MediaPod) {
			told = append(told, "changed "+p.Name+" "+p.ResourceVersion)
			if p.ManagedFields != nil {
				t.Error("managedFields were kept")
			}
		},
		Gone:   func(p *callfleetv1.MediaPod) { told = append(told, "gone "+p.Name+" "+p.ResourceVersion) },
		Synced: func() { told = append(told, "synced") },
		known:  map[types.NamespacedName]*callfleetv1.MediaPod{},
	}
	s := store[*callfleetv1.MediaPod]{f}
	steps := []struct {
		do   func() error
		want []string
	}{
		{func() error {
			return s.Replace([]any{pod("a", "1", "10"), pod("b", "2", "11"), pod("c", "3", "12")}, "")
		},
			[]string{"changed a 10", "changed b 11", "changed c 12", "synced"}},
		{func() error { return s.Update(pod("a", "1", "13")) }, []string{"changed a 13"}},
		{func() error { return s.Delete(pod("c", "3", "14")) }, []string{"gone c 14"}},
		// While nobody watched: a stayed, b was deleted and made anew, d is new.
		{func() error {
			return s.Replace([]any{pod("a", "1", "13"), pod("b", "9", "20"), pod("d", "4", "21")}, "")
		},
			[]string{"gone b 11", "changed b 20", "changed d 21", "synced"}},
		{func() error { return s.Replace(nil, "") }, []string{"gone", "gone", "gone", "synced"}},
	}
	for i, step := range steps {
		told = nil
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if i == len(steps)-1 { // the order of a map
			for j := range told[:3] {
				told[j] = told[j][:4]
			}
		}
		if diff := cmp.Diff(step.want, told); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}
