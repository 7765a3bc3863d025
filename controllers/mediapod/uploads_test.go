// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func unstored(finished time.Time, names ...string) func(*v1alpha1.MediaPodStatus) {
	return func(s *v1alpha1.MediaPodStatus) {
		s.PendingUploads = &v1alpha1.PendingUploads{Recordings: int32(len(names)), Since: metav1.NewTime(finished), Names: names, Failure: "the bucket says no"}
	}
}

func TestADeletedMediaPodStaysUntilItsRecordingsAreStored(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", unstored(time.Now(), "standup-1"))
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	w.awaitMediaPod(mp, "be marked", func(mp *v1alpha1.MediaPod) error { return nil })
	w.agent(mp, pod, "i1", unstored(time.Now(), "standup-1")) // it saw the mark
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if err := w.get(pod); err != nil || !pod.DeletionTimestamp.IsZero() {
		t.Fatalf("a recording is not stored, and the Pod is going: %v", err)
	}
	if got := w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDraining); !strings.Contains(got, "standup-1") || !strings.Contains(got, "the bucket says no") {
		t.Errorf("message %q does not say what is waited for", got)
	}
	w.agent(mp, pod, "i1", func(s *v1alpha1.MediaPodStatus) { s.PendingUploads = nil })
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
}

func TestRecordingsThatCannotBeStoredDoNotHoldAMediaPodForEver(t *testing.T) {
	w := newWorld(t)
	mp := controllertest.Create(t, w.client, controllertest.MediaPod(w.namespace, "reception", 0).Finalizers(v1alpha1.FinalizerDrain).With(func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Recordings = &v1alpha1.Recordings{Storage: &v1alpha1.RecordingStorage{URL: "gs://tapes", UploadTimeout: "2s"}}
	}).Object())
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", unstored(time.Now(), "standup-1"))
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	w.agent(mp, pod, "i1", unstored(time.Now(), "standup-1")) // it saw the mark, and says nothing more
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
	w.awaitEvent(v1alpha1.ReasonRecordingsLost)
}
