// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestAnEmptyPodWaitsForItsRecordings, is looked at again when it has waited for long enough, and then goes.
func TestAnEmptyPodWaitsForItsRecordings(t *testing.T) {
	pod := empty(0).With(func(p *v1alpha1.MediaPod) {
		p.Spec.Media.Recordings = &v1alpha1.Recordings{Storage: &v1alpha1.RecordingStorage{URL: "gs://tapes", UploadTimeout: "30m"}}
		p.Status.PendingUploads = &v1alpha1.PendingUploads{Recordings: 1, Names: []string{"standup-1"}, Since: metav1.NewTime(noon)}
	}).Object()
	seen := &observation{bot: controllertest.Bot("voice", "b").Replicas(0).Object(), revision: newRevision, pods: []v1alpha1.MediaPod{*pod}}
	p := makePlan(seen, noon.Add(10*time.Minute))
	if len(p.deletes) != 0 || len(p.waits) != 1 || !p.until().Equal(noon.Add(30*time.Minute)) {
		t.Errorf("plan %v, again at %s", describe(seen, p), p.until())
	}
	p = makePlan(seen, noon.Add(30*time.Minute))
	if len(p.deletes) != 1 || !strings.Contains(p.deletes[0].why, "standup-1") || !p.until().IsZero() {
		t.Errorf("plan %v", describe(seen, p))
	}
}
