// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// Recordings are the agents' to tell of: of one that is lost with its Pod, the process in the next Pod of the MediaPod. Where there
// is no next one, because the MediaPod is gone too, nobody would, and the status would say for ever that a file is on its way.

// unsavedIn is the media pod that alone has a file; "" if the file is in the bucket, is not to be, or is known to be lost.
func unsavedIn(f *v1alpha1.RecordedFile) string {
	if f.State != v1alpha1.RecordingUploading && f.State != v1alpha1.RecordingWriting {
		return ""
	}
	below, ok := strings.CutPrefix(f.URI, "file://"+podspec.RecordingsDirectory+"/")
	pod, _, more := strings.Cut(below, "/")
	if !ok || !more {
		return ""
	}
	return pod
}

// unsavedPods are those of all of a session's files.
func unsavedPods(s *subject) (pods []string) {
	for i := range s.status.Recordings {
		if pod := unsavedIn(&s.status.Recordings[i]); pod != "" && !slices.Contains(pods, pod) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// observeRecordings asks the API server itself before it says that a media pod is gone.
func (r *Reconciler) observeRecordings(ctx context.Context, s *subject) (gone []string, err error) {
	for _, pod := range unsavedPods(s) {
		key := types.NamespacedName{Namespace: s.object.GetNamespace(), Name: pod}
		var mp v1alpha1.MediaPod
		err := r.Client.Get(ctx, key, &mp)
		if apierrors.IsNotFound(err) {
			err = r.APIReader.Get(ctx, key, &mp)
		}
		switch {
		case apierrors.IsNotFound(err):
			gone = append(gone, pod)
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("reading media pod %s, which has recordings: %w", pod, err)
		}
	}
	return gone, nil
}

// loseRecordings says of the files that only media pods had which are gone that they are lost. A process that is about to end may
// still store one, or a later pod of that name, where a volume outlives them; either says so.
func loseRecordings(s *subject, gone []string) {
	message := ""
	for i := range s.status.Recordings {
		f := &s.status.Recordings[i]
		pod := unsavedIn(f)
		if pod == "" || !slices.Contains(gone, pod) {
			continue
		}
		f.State = v1alpha1.RecordingLost
		f.Message = fmt.Sprintf("media pod %s, which had the file, went before it was stored; it is lost with an emptyDir, else look on the volume", pod)
		if message == "" {
			message = path.Base(f.URI) + ": " + f.Message
		}
	}
	if message != "" {
		meta.SetStatusCondition(&s.status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionRecordingsStored, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRecordingsLost,
			Message: message, ObservedGeneration: s.object.GetGeneration(),
		})
	}
}
