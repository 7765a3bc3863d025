// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/recording/store"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// vault is a bucket that can be shut.
type vault struct {
	store.Directory
	mu   sync.Mutex
	shut error
}

func (v *vault) set(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut = err
}

func (v *vault) Put(ctx context.Context, key string, r io.Reader) error {
	v.mu.Lock()
	err := v.shut
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return v.Directory.Put(ctx, key, r)
}

// newVaultStudio is a studio whose recordings go into a bucket.
func newVaultStudio(t *testing.T, storage callfleetv1.RecordingStorage) (*studio, *vault) {
	t.Helper()
	s, v := newStudio(t, nil), &vault{Directory: store.Directory{Path: t.TempDir()}}
	storage.URL = "s3://tapes?region=eu-west-1"
	if err := s.agent.uploadTo(storage, v, logr.Discard()); err != nil {
		t.Fatal(err)
	}
	return s, v
}

// record makes a recording of a second or so.
func (s *studio) record() {
	s.t.Helper()
	s.join()
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingStarted)
	s.awaitTaps(1)
	s.play(2, 30)
	s.call.HangUp(signaling.EndedByBot)
	s.awaitEnd()
}

// awaitFile waits until the status says that the recording's file is in a state.
func (s *studio) awaitFile(state callfleetv1.RecordingState) callfleetv1.RecordedFile {
	s.t.Helper()
	var f callfleetv1.RecordedFile
	await(s.t, "a file that is "+string(state), func() bool {
		list := s.memory.status().Recordings
		if len(list) != 1 || list[0].State != state {
			return false
		}
		f = list[0]
		return true
	})
	return f
}

func (s *studio) condition() metav1.Condition {
	if c := meta.FindStatusCondition(s.memory.status().Conditions, callfleetv1.ConditionRecordingsStored); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// onDisk are the files of the pod's recordings.
func (s *studio) onDisk() []string {
	entries, _ := os.ReadDir(s.agent.recordings.dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestARecordingEndsUpInTheBucket, its status says so, and only then is it deleted here.
func TestARecordingEndsUpInTheBucket(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{Prefix: "voice/"})
	v.set(errors.New("the bucket is away"))
	s.join()
	s.told(graph.Recording)
	if f := s.awaitFile(callfleetv1.RecordingWriting); !strings.HasPrefix(f.URI, "file:///recordings/reception-0/standup-") || f.StartTime == nil {
		t.Errorf("while it is written: %+v", f)
	}
	s.awaitTaps(1)
	s.play(2, 30)
	s.call.HangUp(signaling.EndedByBot)
	s.awaitEnd()
	local := s.awaitFile(callfleetv1.RecordingUploading)
	if p := s.agent.uploads.pending(); p == nil || p.Recordings != 1 || len(p.Names) != 1 || p.Since.IsZero() {
		t.Errorf("while it waits the pod reports %+v", p)
	}
	v.set(nil)
	f := s.awaitFile(callfleetv1.RecordingStored)
	name := strings.TrimPrefix(local.URI, "file:///recordings/reception-0/")
	base, _, _ := strings.Cut(name, ".")
	if f.URI != "s3://tapes/voice/"+base+"/"+name || f.SHA256 != local.SHA256 || f.Bytes != local.Bytes || f.Message != "" {
		t.Errorf("stored as %+v, it was %+v", f, local)
	}
	got, err := v.Stat(t.Context(), "voice/"+base+"/"+name)
	if err != nil || got.SHA256 != f.SHA256 || got.Bytes != f.Bytes {
		t.Errorf("the bucket has %+v, %v", got, err)
	}
	if heard := samples(t, filepath.Join(v.Path, "voice", base, name)); heard[2] == 0 {
		t.Error("nothing is heard in it")
	}
	if c := s.condition(); c.Status != metav1.ConditionTrue || c.Reason != callfleetv1.ReasonStored {
		t.Errorf("condition %+v", c)
	}
	s.awaitEvent(eventRecordingStored)
	await(t, "the files to be deleted here", func() bool { return len(s.onDisk()) == 0 && s.agent.uploads.pending() == nil })
}

// TestABucketThatSaysNoIsToldOf at once, with what to do; and what is refused is stored when it is no longer.
func TestABucketThatSaysNoIsToldOf(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	v.set(&store.Refusal{Denied: true})
	s.record()
	await(t, "the refusal", func() bool {
		c := s.condition()
		return c.Status == metav1.ConditionFalse && c.Reason == callfleetv1.ReasonUploadFailed
	})
	s.awaitEvent(eventRecordingUnstored)
	if f := s.awaitFile(callfleetv1.RecordingUploading); f.Message == "" && f.State != callfleetv1.RecordingUploading {
		t.Errorf("the file is %+v", f)
	}
	v.set(nil)
	s.awaitFile(callfleetv1.RecordingStored)
	if c := s.condition(); c.Status != metav1.ConditionTrue {
		t.Errorf("condition %+v", c)
	}
}

// TestTheNextProcessStoresWhatItFinds, and tells the call that was recorded.
func TestTheNextProcessStoresWhatItFinds(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	v.set(errors.New("the bucket is away"))
	life, kill := context.WithCancel(t.Context())
	s.agent.uploads.life = life
	s.record()
	local := s.awaitFile(callfleetv1.RecordingUploading)
	kill()

	next := newAgent(t.Context(), "reception-0", "pod-2", s.agent.clock, logr.Discard(), s.agent.metrics)
	next.objects, next.recordings = s.memory, newRecordings(s.root, "reception-0")
	v.set(nil)
	if err := next.uploadTo(callfleetv1.RecordingStorage{URL: "gs://tapes"}, v, logr.Discard()); err != nil {
		t.Fatal(err)
	}
	next.recordings.recover(logr.Discard())
	next.uploads.resume()
	f := s.awaitFile(callfleetv1.RecordingStored)
	if f.SHA256 != local.SHA256 || !strings.HasPrefix(f.URI, "gs://tapes/standup-") {
		t.Errorf("stored as %+v, it was %+v", f, local)
	}
	await(t, "nothing to be pending", func() bool { return next.uploads.pending() == nil })
}

// TestAFileThatIsDamagedCostsNoOther: the call is told of each file how far it is.
func TestAFileThatIsDamagedCostsNoOther(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	m := s.leave("standup-1", "mixed", "bot")
	if err := s.agent.uploads.begin("standup-1", s.memory.newest()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.agent.recordings.dir, m.Files[0].File), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.agent.uploads.resume()
	await(t, "each file to be told of", func() bool {
		list := s.memory.status().Recordings
		return len(list) == 2 && list[0].State == callfleetv1.RecordingLost && strings.Contains(list[0].Message, "differs from its manifest") &&
			list[1].State == callfleetv1.RecordingStored && list[1].URI == "s3://tapes/standup-1/"+m.Files[1].File && list[1].Message == ""
	})
	if _, err := v.Stat(t.Context(), "standup-1/"+m.Files[1].File); err != nil {
		t.Error(err)
	}
	if p := s.agent.uploads.pending(); p == nil || p.Failure == "" {
		t.Errorf("the pod, which has the only copy, reports %+v", p)
	}
}

// TestStoredFilesAreKeptAsLongAsTheBotSays, if there is room.
func TestStoredFilesAreKeptAsLongAsTheBotSays(t *testing.T) {
	s, _ := newVaultStudio(t, callfleetv1.RecordingStorage{KeepLocal: "1h"})
	s.record()
	s.awaitFile(callfleetv1.RecordingStored)
	await(t, "nothing to be pending", func() bool { return s.agent.uploads.pending() == nil })
	s.agent.uploads.sweep()
	if len(s.onDisk()) == 0 {
		t.Fatal("it is deleted before its time")
	}
	s.agent.uploads.resume()
	if p := s.agent.uploads.pending(); p != nil {
		t.Errorf("a process that comes after this one would store it again: %+v", p)
	}
	s.agent.disk = newDisk(s.agent.recordings.dir, resource.MustParse("1"), s.agent.uploads.free)
	if err := s.agent.disk.room(); err == nil && len(s.onDisk()) != 0 {
		t.Errorf("there is no room, and %v is kept", s.onDisk())
	}
}

// TestAProcessThatHasToGoTellsWhatItLeaves.
func TestAProcessThatHasToGoTellsWhatItLeaves(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	v.set(errors.New("the bucket is away"))
	s.record()
	s.awaitFile(callfleetv1.RecordingUploading)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.agent.uploads.windDown(ctx, t.Context())
	if f := s.awaitFile(callfleetv1.RecordingLost); !strings.Contains(f.Message, "lost with an emptyDir") {
		t.Errorf("the file is %+v", f)
	}
	if c := s.condition(); c.Reason != callfleetv1.ReasonRecordingsLost {
		t.Errorf("condition %+v", c)
	}
	v.set(nil)
	stored := make(chan struct{})
	go func() { s.agent.uploads.windDown(t.Context(), t.Context()); close(stored) }()
	select {
	case <-stored:
		s.awaitFile(callfleetv1.RecordingStored)
	case <-time.After(20 * time.Second):
		t.Error("the process waits although everything is stored")
	}
}

// TestAPodIsKeptForARecordingThatTheDiskHasNotTaken: the call's last word does not wait for a disk that has stalled. The pod does.
func TestAPodIsKeptForARecordingThatTheDiskHasNotTaken(t *testing.T) {
	for name, bucket := range map[string]bool{"with a bucket": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			s := newStudio(t, nil)
			v := &vault{Directory: store.Directory{Path: t.TempDir()}, shut: errors.New("the bucket is away")}
			if bucket {
				if err := s.agent.uploadTo(callfleetv1.RecordingStorage{URL: "s3://tapes"}, v, logr.Discard()); err != nil {
					t.Fatal(err)
				}
			}
			s.agent.closeWithin = 0
			s.record()
			if !bucket {
				if f := s.awaitFile(callfleetv1.RecordingLocal); f.Bytes < 10_000 || f.SHA256 == "" || f.Incomplete {
					t.Errorf("the file is %+v", f)
				}
				return
			}
			await(t, "the call to be over in the agent", func() bool { return !s.agent.carried("uid-1") })
			if p := s.agent.uploads.pending(); p == nil || p.Recordings != 1 || len(p.Names) != 1 || p.Since.IsZero() {
				t.Errorf("the pod may be deleted with a recording: it reports %+v", p)
			}
			v.set(nil)
			if f := s.awaitFile(callfleetv1.RecordingStored); f.Bytes < 10_000 || f.SHA256 == "" {
				t.Errorf("the file is %+v", f)
			}
			await(t, "nothing to be pending", func() bool { return s.agent.uploads.pending() == nil })
		})
	}
}

// TestAProcessThatHasToGoTellsOfWhatTheDiskHasNotTaken, and waits not at all where the bot says so.
func TestAProcessThatHasToGoTellsOfWhatTheDiskHasNotTaken(t *testing.T) {
	s, _ := newVaultStudio(t, callfleetv1.RecordingStorage{UploadTimeout: "0s"})
	s.memory.write(func(st *callfleetv1.CallStatus) {
		st.Recordings = s.agent.recordings.writing("standup-1", callfleetv1.RecordingWAV, s.agent.clock.Now())
	})
	s.agent.uploads.unclosed("standup-1", s.memory.newest())
	gone := make(chan struct{})
	go func() { s.agent.uploads.windDown(t.Context(), t.Context()); close(gone) }()
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("uploadTimeout is 0s, and the process waits")
	}
	if f := s.awaitFile(callfleetv1.RecordingLost); !strings.Contains(f.Message, "before the file was stored") {
		t.Errorf("the file is %+v", f)
	}
}

// TestWhatWentWithAPodIsToldOf by the process in the next one.
func TestWhatWentWithAPodIsToldOf(t *testing.T) {
	s, _ := newVaultStudio(t, callfleetv1.RecordingStorage{})
	file := func(name string, state callfleetv1.RecordingState) callfleetv1.RecordedFile {
		return callfleetv1.RecordedFile{URI: "file:///recordings/reception-0/" + name, State: state}
	}
	s.agent.changed(s.memory.write(func(st *callfleetv1.CallStatus) {
		st.Phase = callfleetv1.PhaseFailed
		st.Recordings = []callfleetv1.RecordedFile{
			file("a-1.mixed.wav", callfleetv1.RecordingUploading), file("a-2.mixed.wav", callfleetv1.RecordingWriting),
			{URI: "s3://tapes/a-3/a-3.mixed.wav", State: callfleetv1.RecordingStored},
			{URI: "file:///recordings/reception-7/a-4.mixed.wav", State: callfleetv1.RecordingUploading},
		}
	}))
	want := []callfleetv1.RecordingState{callfleetv1.RecordingLost, callfleetv1.RecordingLost, callfleetv1.RecordingStored, callfleetv1.RecordingUploading}
	await(t, "what is lost to be told", func() bool {
		var got []callfleetv1.RecordingState
		for _, f := range s.memory.status().Recordings {
			got = append(got, f.State)
		}
		return slices.Equal(got, want)
	})
}

func TestWithoutRoomNothingIsRecorded(t *testing.T) {
	s := newStudio(t, nil)
	s.agent.disk = newDisk(s.root, resource.MustParse("1Ki"), func() bool { return false })
	if err := os.WriteFile(filepath.Join(s.root, "full"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	s.join()
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingFailed)
	s.awaitWanted(graph.RecordingFailed)
	await(t, "the attention", func() bool {
		c := meta.FindStatusCondition(s.memory.status().Conditions, callfleetv1.ConditionNeedsAttention)
		return c != nil && strings.Contains(c.Message, "maxDisk is 1Ki")
	})
	if n := s.sound.hear(&media.Frame{}); n != 0 {
		t.Errorf("%d listen", n)
	}
}

// TestWhenTheRoomRunsOutARecordingEnds, with all that it has, and the call goes on.
func TestWhenTheRoomRunsOutARecordingEnds(t *testing.T) {
	s := newStudio(t, nil)
	s.agent.disk = newDisk(filepath.Join(s.root, "recordings"), resource.MustParse("100Ki"), func() bool { return false })
	s.join()
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingStarted)
	s.awaitTaps(1)
	s.agent.disk.look()
	if s.sound.hear(&media.Frame{}) != 1 {
		t.Error("it ends though there is room")
	}
	s.play(2, 30)
	if err := os.WriteFile(filepath.Join(s.root, "recordings", "full"), make([]byte, 95<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s.agent.disk.look()
	s.awaitEvent(eventRecordingFailed)
	s.awaitWanted(graph.RecordingFailed)
	if s.call.leaving() {
		t.Error("the call is hung up")
	}
	s.call.HangUp(signaling.EndedByBot)
	if st := s.awaitEnd(); len(st.Recordings) != 1 || st.Recordings[0].State != callfleetv1.RecordingLocal || st.Recordings[0].Bytes < 10_000 {
		t.Errorf("recordings %+v", st.Recordings)
	}
}

// leave makes a recording as an earlier process left it on the disk.
func (s *studio) leave(name string, tracks ...string) recording.Manifest {
	s.t.Helper()
	r, err := recording.New(recording.Config{Dir: s.agent.recordings.dir, Name: name, Format: recording.FormatWAV})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range tracks {
		if _, err := r.Track(recording.TrackInfo{ID: id, Kind: recording.KindAudio}); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := r.Open(); err != nil {
		s.t.Fatal(err)
	}
	m, err := r.Close(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// A recording of an earlier version has no owner; it is stored, and nobody is told.
func TestARecordingOfNobodyIsStored(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	s.leave("old", "mixed")
	s.agent.uploads.resume()
	await(t, "nothing to be pending", func() bool { return s.agent.uploads.pending() == nil })
	if _, err := v.Stat(t.Context(), "old/old.mixed.wav"); err != nil {
		t.Error(err)
	}
}

// TestAProcessThatIsKilledAgainAndAgainDoesNotKeepItsPod: uploadTimeout counts from the end of the recording.
func TestAProcessThatIsKilledAgainAndAgainDoesNotKeepItsPod(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	v.set(errors.New("the bucket is away"))
	m := s.leave("old", "mixed")
	s.agent.uploads.clock = clocktesting.NewFakeClock(m.Ended.Add(time.Hour))
	s.agent.uploads.resume()
	if p := s.agent.uploads.pending(); p == nil || !p.Since.Time.Equal(m.Ended.Truncate(time.Second)) {
		t.Errorf("the pod reports %+v of a recording that ended at %s", p, m.Ended)
	}
}
