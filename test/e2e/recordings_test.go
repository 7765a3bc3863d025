// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// TestARecordingIsStoredBeforeItsPodGoes: a bucket that takes nothing holds the pod of a fleet that nobody wants any more, and
// once it takes the recording, what was said is in it, and the pod goes.
func TestARecordingIsStoredBeforeItsPodGoes(t *testing.T) {
	bucket := t.TempDir()
	must(t, os.Chmod(bucket, 0o777))           // in a real container the media pod is another user
	obstacle := filepath.Join(bucket, "voice") // a file where a directory is to be
	must(t, os.WriteFile(obstacle, nil, 0o600))
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "taped"
	bot.Spec.Media.Recordings = &callfleetv1.Recordings{Storage: &callfleetv1.RecordingStorage{URL: "file:///store", Prefix: "voice/"}}
	bot.Spec.Template = &runtime.RawExtension{Raw: []byte(fmt.Sprintf(`{"spec":{"os":{"name":"linux"},"volumes":[{"name":"store","hostPath":{"path":%q}}],
		"containers":[{"name":"mediapod","volumeMounts":[{"name":"store","mountPath":"/store"}]}]}}`, bucket))}
	startBot(t, bot)

	m, ada := meeting(t)
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.BotRef.Name = bot.Name
		s.Spec.Behavior = &callfleetv1.Behavior{Recording: &callfleetv1.RecordingBehavior{}}
	})
	awaitCondition(t, s, callfleetv1.ConditionRecording, metav1.ConditionTrue, callfleetv1.ReasonAnnounced)
	awaitFile(t, s, callfleetv1.RecordingWriting)
	raw, said := speech(t, "standup.wav")
	value[admin.Utterance](t)(world.Teams.Speak(t.Context(), ada, raw, admin.SpeakOptions{Wait: true}))
	<-time.After(time.Second)
	end(t, s)
	awaitCondition(t, s, callfleetv1.ConditionRecordingsStored, metav1.ConditionFalse, callfleetv1.ReasonUploadFailed)
	local := awaitFile(t, s, callfleetv1.RecordingUploading)

	mp := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Status.MediaPod}}
	_, err := world.Kubectl(t.Context(), "-n", rig.Namespace, "scale", "cb/"+bot.Name, "--replicas=0")
	must(t, err)
	eventually(t, "the pod to wait for its recording", func() error {
		if err := world.Client.Get(t.Context(), client.ObjectKeyFromObject(mp), mp); err != nil {
			return err
		}
		for _, c := range mp.Status.Conditions {
			if c.Type == callfleetv1.ConditionReady && strings.Contains(c.Message, "1 recording (") && mp.Status.PendingUploads != nil {
				return nil
			}
		}
		return fmt.Errorf("conditions %s, pending %+v", conditions(mp.Status.Conditions), mp.Status.PendingUploads)
	})
	pod := &corev1.Pod{}
	if err := world.Client.Get(t.Context(), client.ObjectKeyFromObject(mp), pod); err != nil || pod.DeletionTimestamp != nil {
		t.Fatalf("the Pod goes before its recording is stored: %v", err)
	}

	must(t, os.Remove(obstacle))
	must(t, awaitGone(t.Context(), mp))
	stored := awaitFile(t, s, callfleetv1.RecordingStored) // the pod went afterwards, so the status has had it by then
	path, ok := strings.CutPrefix(stored.URI, "file:///store/")
	if !ok || stored.SHA256 != local.SHA256 || !strings.HasPrefix(path, "voice/"+s.Name) {
		t.Fatalf("stored as %+v, it was %+v", stored, local)
	}
	file := value[[]byte](t)(os.ReadFile(filepath.Join(bucket, filepath.FromSlash(path))))
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != stored.SHA256 || int64(len(file)) != stored.Bytes {
		t.Errorf("the file has %d bytes and SHA-256 %x, the status says %d and %s", len(file), sum, stored.Bytes, stored.SHA256)
	}
	clip := value[wav.Clip](t)(wav.Decode(bytes.NewReader(file), 64<<20))
	clearVoice(t, "recording", value[measure.Report](t)(measure.Compare(said.Samples, clip.Resample(said.SampleRate).Samples, said.SampleRate)))
	awaitCondition(t, s, callfleetv1.ConditionRecordingsStored, metav1.ConditionTrue, callfleetv1.ReasonStored)
	if manifests, err := filepath.Glob(filepath.Join(bucket, filepath.Dir(path), "*.json")); err != nil || len(manifests) != 1 {
		t.Errorf("manifests beside it: %v, %v", manifests, err)
	}
}

// awaitFile waits until the one file of a session's recording is in a state.
func awaitFile(t *testing.T, s *callfleetv1.MeetingSession, state callfleetv1.RecordingState) (f callfleetv1.RecordedFile) {
	t.Helper()
	awaitStatus(t, s, "a file that is "+string(state), func(st *callfleetv1.CallStatus) bool {
		if len(st.Recordings) != 1 || st.Recordings[0].State != state {
			return false
		}
		f = st.Recordings[0]
		return true
	})
	return f
}
