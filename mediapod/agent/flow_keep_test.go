// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// keeper is what keeps the recordings of a flow in the studio's call.
func (s *studio) keeper() *flowKeeper {
	s.t.Helper()
	s.join()
	s.agent.mu.Lock()
	defer s.agent.mu.Unlock()
	return newFlowKeeper(s.agent.runners["uid-1"], s.call)
}

// say has a recording keep some frames in which all samples have one value.
func say(r engine.Recording, value int16, frames int) {
	pcm := slices.Repeat([]int16{value}, audio.FrameSamples)
	for range frames {
		r.Keep(time.Now(), pcm)
		<-time.After(audio.FrameDuration)
	}
}

func noTrouble(t *testing.T) func(error) { return func(err error) { t.Error(err) } }

// A call that is recorded as a whole has a flow that records too: each recording is listed, and stored, once.
func TestWhatAFlowRecordsGoesTheWayOfAllRecordings(t *testing.T) {
	s, v := newVaultStudio(t, callfleetv1.RecordingStorage{})
	k := s.keeper()
	if k.May() {
		t.Error("the gate is open before the service has taken it in")
	}
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingStarted)
	s.awaitTaps(1)
	if !k.May() {
		t.Error("the gate is shut though the service has taken it in")
	}
	first, err := k.Begin("leave-1", noTrouble(t))
	if err != nil {
		t.Fatal(err)
	}
	first.Keep(time.Now().Add(-time.Minute), slices.Repeat([]int16{7}, audio.FrameSamples)) // was said before
	say(first, 2, 20)
	if err := first.End(true); err != nil {
		t.Fatal(err)
	}
	s.awaitEvent(eventRecordingEnded)
	silent, err := k.Begin("leave-2", noTrouble(t))
	if err != nil {
		t.Fatal(err)
	}
	say(silent, 3, 10)
	if err := silent.End(false); err != nil {
		t.Fatal(err)
	}
	if err := k.Keep(t.Context(), "leave-3", bytes.NewReader(tone())); err != nil {
		t.Fatal(err)
	}
	s.play(4, 20)
	s.call.HangUp(signaling.EndedByBot)
	s.awaitEnd()
	await(t, "everything to be stored", func() bool { return s.agent.uploads.pending() == nil })

	st := s.memory.status()
	var tracks []string
	for _, f := range st.Recordings {
		tracks = append(tracks, f.Track)
		if f.State != callfleetv1.RecordingStored || f.Incomplete || len(f.SHA256) != 64 || f.StartTime == nil || f.Duration.Duration() == 0 {
			t.Errorf("%+v", f)
		}
	}
	slices.Sort(tracks)
	if want := []string{"leave-1", "leave-3", record.TrackMixed}; !slices.Equal(tracks, want) {
		t.Errorf("tracks %v, want %v", tracks, want)
	}
	for _, f := range st.Recordings {
		_, key, _ := strings.Cut(f.URI, "tapes/")
		key, _, _ = strings.Cut(key, "?")
		stored := filepath.Join(v.Path, filepath.FromSlash(key))
		if f.Track == "leave-3" {
			if raw, err := os.ReadFile(stored); err != nil || !bytes.Equal(raw, tone()) {
				t.Errorf("what the service recorded is another file: %v", err)
			}
			continue
		}
		if heard := samples(t, stored); f.Track == "leave-1" && (heard[2] == 0 || heard[7]+heard[4] > 0) {
			t.Errorf("%s has %v", path.Base(stored), heard)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(s.agent.recordings.dir, "*leave-2*")); len(left) > 0 {
		t.Errorf("of a recording in which nothing was said there is %v", left)
	}
}

// What a caller says last is listed with the end of the call.
func TestTheEndOfACallWaitsForWhatIsRecorded(t *testing.T) {
	s := newStudio(t, nil)
	k := s.keeper()
	r, err := k.Begin("leave-1", noTrouble(t))
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() { k.wait(t.Context()); close(waited) }()
	say(r, 2, 10)
	select {
	case <-waited:
		t.Fatal("a recording that goes on is not waited for")
	default:
	}
	if err := r.End(true); err != nil {
		t.Fatal(err)
	}
	<-waited
	s.call.HangUp(signaling.EndedByBot)
	if st := s.awaitEnd(); len(st.Recordings) != 1 || st.Recordings[0].Track != "leave-1" || st.Recordings[0].State != callfleetv1.RecordingLocal {
		t.Errorf("recordings %+v", st.Recordings)
	}
}

func TestWhatCannotBeKeptIsTold(t *testing.T) {
	s := newStudio(t, nil)
	k := s.keeper()
	if err := k.Keep(t.Context(), "leave-1", strings.NewReader("no sound")); err == nil || !strings.Contains(err.Error(), "no WAV file") {
		t.Errorf("a file that is none: %v", err)
	}
	if err := k.Keep(t.Context(), "leave/1", bytes.NewReader(tone())); err == nil {
		t.Error("a name that is a path is taken")
	}
	s.awaitEvent(eventRecordingFailed)
	if left, _ := os.ReadDir(s.agent.recordings.dir); len(left) > 0 {
		t.Errorf("there is %v", left)
	}
	if err := os.WriteFile(s.root+"/recordings", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := make(chan error, 1)
	r, err := k.Begin("leave-2", func(err error) {
		select {
		case wrong <- err:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrong; err == nil {
		t.Error("a disk that takes nothing is not told of")
	}
	if err := r.End(true); err == nil {
		t.Error("a recording that is on no disk is taken for one")
	}
}

// A process that is killed while a caller speaks leaves what its successor lists.
func TestWhatAFlowRecordedIsFoundAfterAKill(t *testing.T) {
	s := newStudio(t, nil)
	k := s.keeper()
	r, err := k.Begin("leave-1", noTrouble(t))
	if err != nil {
		t.Fatal(err)
	}
	say(r, 2, 60)
	left := t.TempDir() // as the disk is at this moment
	if err := os.CopyFS(left, os.DirFS(s.agent.recordings.dir)); err != nil {
		t.Fatal(err)
	}
	found, err := recording.Recover(left)
	if err != nil || len(found) != 1 || found[0].RecordingID != k.r.scenario || len(found[0].Files) != 1 || found[0].Files[0].Track != "leave-1" {
		t.Errorf("found %+v, %v", found, err)
	} else if d := found[0].Files[0].DurationMs; d < 200 {
		t.Errorf("of 1.2 s there are %d ms", d)
	}
	if err := r.End(false); err != nil {
		t.Error(err)
	}
}
