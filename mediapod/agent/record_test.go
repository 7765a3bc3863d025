// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/video"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// studio is an agent with a session that is to be recorded, and the sound of its call.
type studio struct {
	t       *testing.T
	agent   *Agent
	service *service
	memory  *memory
	sound   *ears
	root    string
	call    *fakeCall
}

func newStudio(t *testing.T, change func(*callfleetv1.RecordingBehavior)) *studio {
	t.Helper()
	b := &callfleetv1.RecordingBehavior{Format: callfleetv1.RecordingWAV, Tracks: callfleetv1.TracksMixed, MaxDuration: "4h"}
	if change != nil {
		change(b)
	}
	object := session()
	object.spec.Behavior = &callfleetv1.Behavior{Recording: b}
	s := &studio{t: t, memory: &memory{object: object}, root: t.TempDir()}
	s.agent, s.service = seat(t, s.memory)
	s.agent.recordings = newRecordings(s.root, "reception-0")
	s.sound = s.agent.sound.(*ears)
	return s
}

func (s *studio) join() {
	s.t.Helper()
	s.agent.changed(s.memory.newest())
	s.memory.awaitPhase(s.t, callfleetv1.PhaseEstablished)
	s.call = s.service.call(s.t, "uid-1")
}

// told is what the service says to have taken in.
func (s *studio) told(status graph.RecordingStatus) {
	s.call.change(func(snap *signaling.Snapshot) { snap.Recording = status })
}

// play lets all samples of some frames have one value.
func (s *studio) play(value int16, frames int) {
	pcm := slices.Repeat([]int16{value}, audio.FrameSamples)
	for range frames {
		now := time.Now()
		s.sound.hear(&media.Frame{At: now, Heard: pcm, HeardAt: now})
		<-time.After(audio.FrameDuration)
	}
}

func (s *studio) awaitTaps(n int) {
	s.t.Helper()
	await(s.t, "the recorder to begin or end listening", func() bool { return s.sound.hear(&media.Frame{}) == n })
}

func (s *studio) awaitWanted(status graph.RecordingStatus) {
	s.t.Helper()
	await(s.t, "the service to be told "+string(status), func() bool { return s.call.wanted().Recording == status })
}

func (s *studio) awaitEvent(name string) {
	s.t.Helper()
	await(s.t, name, func() bool {
		return slices.ContainsFunc(s.memory.status().Timeline, func(e callfleetv1.TimelineEvent) bool { return e.Event == name })
	})
}

func (s *studio) awaitEnd() callfleetv1.CallStatus {
	s.t.Helper()
	await(s.t, "the end", func() bool { c := s.memory.status().Call; return c != nil && c.End != nil })
	return s.memory.status()
}

// samples are the values in a file.
func samples(t *testing.T, path string) map[int16]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clip, err := wav.Decode(f, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	count := map[int16]int{}
	for _, v := range clip.Samples {
		count[v]++
	}
	return count
}

// TestNothingIsKeptThatTheServiceWasNotToldOf: no file before it has taken in that the call is recorded, and nothing of what is
// said from the moment on at which it is told otherwise, though the agent hears of that later.
func TestNothingIsKeptThatTheServiceWasNotToldOf(t *testing.T) {
	s := newStudio(t, nil)
	s.join()
	s.awaitWanted(graph.Recording)
	s.play(1, 10)
	if n := s.sound.hear(&media.Frame{}); n != 0 {
		t.Errorf("%d listen before the service has taken it in", n)
	}
	if _, err := os.Stat(filepath.Join(s.root, "recordings")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there are files before the service has taken it in: %v", err)
	}
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingStarted)
	s.awaitTaps(1)
	s.play(2, 30)

	s.told(graph.NotRecording)
	s.play(3, 10)
	s.awaitEvent(eventRecordingPaused)
	s.awaitTaps(0)
	s.play(3, 5)

	s.told(graph.Recording)
	s.awaitEvent(eventRecordingResumed)
	s.awaitTaps(1)
	s.play(4, 30)
	s.told(graph.NotRecording)
	s.play(5, 10)
	s.call.HangUp(signaling.EndedByBot)

	st := s.awaitEnd()
	if len(st.Recordings) != 1 {
		t.Fatalf("recordings %+v", st.Recordings)
	}
	r := st.Recordings[0]
	name, ok := strings.CutPrefix(r.URI, "file:///recordings/reception-0/standup-")
	if !ok || !strings.HasSuffix(name, ".mixed.wav") || r.Track != record.TrackMixed || r.StartTime == nil || r.Incomplete || r.Duration.Duration() < time.Second {
		t.Errorf("recording %+v", r)
	}
	path := filepath.Join(s.root, "recordings", "reception-0", "standup-"+name)
	if info, err := os.Stat(path); err != nil || info.Size() != r.Bytes || len(r.SHA256) != 64 {
		t.Errorf("%v, %v; listed with %d bytes and hash %s", info, err, r.Bytes, r.SHA256)
	}
	heard := samples(t, path)
	if heard[2] == 0 || heard[4] == 0 || heard[1]+heard[3]+heard[5] > 0 {
		t.Errorf("of what was said before, while it was recorded, in the pause, again, and afterwards, the file has %d, %d, %d, %d, %d samples",
			heard[1], heard[2], heard[3], heard[4], heard[5])
	}
}

// TestARecordingIsHeldUpByTheSpecsOwnWord, and goes on when that is taken back.
func TestARecordingIsHeldUpByTheSpecsOwnWord(t *testing.T) {
	s := newStudio(t, nil)
	s.join()
	s.awaitWanted(graph.Recording)
	s.agent.changed(s.memory.specify(func(spec *callfleetv1.CallSpec) { spec.RecordingStatus = callfleetv1.NotRecording }))
	s.awaitWanted(graph.NotRecording)
	s.agent.changed(s.memory.specify(func(spec *callfleetv1.CallSpec) { spec.RecordingStatus = "" }))
	s.awaitWanted(graph.Recording)
}

func TestWhatTheServiceIsToldAboutRecording(t *testing.T) {
	const none, no, yes, failed = callfleetv1.RecordingStatus(""), callfleetv1.NotRecording, callfleetv1.Recording, callfleetv1.RecordingFailed
	asked := &callfleetv1.RecordingBehavior{}
	for name, tc := range map[string]struct {
		tape tape
		spec callfleetv1.RecordingStatus
		want callfleetv1.RecordingStatus
	}{
		"nothing is asked for":            {tape{}, none, none},
		"only the word":                   {tape{}, yes, yes},
		"it records":                      {tape{asked: asked}, none, yes},
		"it records, and says so":         {tape{asked: asked}, yes, yes},
		"it is held up":                   {tape{asked: asked}, no, no},
		"somebody else's has failed":      {tape{asked: asked}, failed, failed},
		"it has failed":                   {tape{asked: asked, over: true, failed: io.ErrShortWrite}, none, failed},
		"it has failed, whatever is said": {tape{asked: asked, over: true, failed: io.ErrShortWrite}, yes, failed},
		"it has reached its limit":        {tape{asked: asked, over: true}, none, no},
		"somebody else records on":        {tape{asked: asked, over: true}, yes, yes},
	} {
		if got := tc.tape.wantedStatus(tc.spec); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestVideoThatTheCallCannotHaveIsTold: there would be files of sound alone, and nobody would know why.
func TestVideoThatTheCallCannotHaveIsTold(t *testing.T) {
	for _, shows := range []bool{false, true} {
		s := newStudio(t, func(b *callfleetv1.RecordingBehavior) { b.Video = callfleetv1.VideoCameras })
		if shows {
			s.agent.pod.Spec.Media.Modalities = callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityVideo}
		}
		s.join()
		s.told(graph.Recording)
		s.awaitEvent(eventRecordingStarted)
		c := meta.FindStatusCondition(s.memory.status().Conditions, callfleetv1.ConditionNeedsAttention)
		if told := c != nil && c.Reason == callfleetv1.ReasonNoEffect && containsAll(c.Message, "behavior.recording.video", "Put Video into media.modalities"); told == shows || shows && c != nil {
			t.Errorf("with cameras: %t, condition %+v", shows, c)
		}
	}
}

// TestWhatIsShownIsRecorded when that is asked for, and like the sound only while everybody is told.
func TestWhatIsShownIsRecorded(t *testing.T) {
	s := newStudio(t, func(b *callfleetv1.RecordingBehavior) { b.Video = callfleetv1.VideoCameras })
	s.join()
	ivf, err := os.ReadFile("../recording/matroska/testdata/testsrc.ivf")
	if err != nil {
		t.Fatal(err)
	}
	picture := ivf[32+12:][:binary.LittleEndian.Uint32(ivf[32:])]
	watch := func() int {
		return s.sound.show(&media.VideoFrame{Source: 7, At: time.Now(), Frame: video.Frame{Codec: video.VP8, Key: true, Data: picture}})
	}
	if n := watch(); n != 0 {
		t.Errorf("%d watch before the service has taken it in", n)
	}
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingStarted)
	await(t, "the recorder to watch", func() bool { return watch() == 1 })
	for _, f := range s.sound.sinks {
		if diff := cmp.Diff(media.VideoFilter{Kind: media.Cameras}, f); diff != "" {
			t.Errorf("it watches (-want +got):\n%s", diff)
		}
	}
	s.told(graph.NotRecording)
	s.awaitEvent(eventRecordingPaused)
	if n := watch(); n != 0 {
		t.Errorf("%d watch in a pause", n)
	}
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingResumed)
	await(t, "the recorder to watch again", func() bool { return watch() == 1 })
	s.sound.mu.Lock()
	s.sound.stats.Video = []media.VideoStats{{Track: 0, Source: 7, Shed: true}, {Track: 1, Source: 8, Screen: true, Shed: true}}
	s.sound.mu.Unlock()
	s.told(graph.Recording) // the engine says that something has changed
	name, _, _ := strings.Cut(path.Base(s.memory.status().Recordings[0].URI), ".")
	manifest := func(ending string) (m recording.Manifest) {
		f, err := os.Open(filepath.Join(s.agent.recordings.dir, name+ending))
		if err != nil {
			return m
		}
		defer f.Close()
		m, _ = recording.ReadManifest(f)
		return m
	}
	await(t, "what is shed to be noted", func() bool { return len(manifest(".recording").Gaps) > 0 })
	s.call.HangUp(signaling.EndedByBot)
	st := s.awaitEnd()
	if len(st.Recordings) != 2 || st.Recordings[1].Track != "camera-0-7" || !strings.HasSuffix(st.Recordings[1].URI, ".camera-0-7.webm") {
		t.Errorf("recordings %+v", st.Recordings)
	}
	if m := manifest(".json"); len(m.Gaps) != 1 || m.Gaps[0].Track != "camera-0-7" || !strings.Contains(m.Gaps[0].Reason, "overloaded") {
		t.Errorf("the manifest tells of %+v: of the camera that was shed, and of no screen, which is not recorded", m.Gaps)
	}
}

func TestWhatIsWatched(t *testing.T) {
	for video, want := range map[callfleetv1.RecordingVideo]media.VideoFilter{
		callfleetv1.VideoAll: {}, callfleetv1.VideoCameras: {Kind: media.Cameras}, callfleetv1.VideoScreen: {Kind: media.Screens},
	} {
		if f, ok := watched(video); !ok || !cmp.Equal(f, want) {
			t.Errorf("%s: %+v, %t", video, f, ok)
		}
	}
	if _, ok := watched(""); ok {
		t.Error("something is watched although nothing is asked for")
	}
}

func TestARecordingEndsAtItsLimitAndTheCallGoesOn(t *testing.T) {
	s := newStudio(t, func(b *callfleetv1.RecordingBehavior) { b.MaxDuration = "500ms" })
	s.join()
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingLimit)
	s.awaitWanted(graph.NotRecording)
	s.awaitTaps(0)
	if s.call.leaving() {
		t.Error("the call is hung up")
	}
	s.told(graph.NotRecording)
	s.call.HangUp(signaling.EndedByBot)
	if st := s.awaitEnd(); len(st.Recordings) != 1 || st.Recordings[0].Incomplete {
		t.Errorf("recordings %+v", st.Recordings)
	}
}

// TestARecordingThatCannotBeKept is told to everybody in the call, and to whoever looks at the status.
func TestARecordingThatCannotBeKept(t *testing.T) {
	s := newStudio(t, nil)
	if err := os.WriteFile(filepath.Join(s.root, "recordings"), []byte("no directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.join()
	s.told(graph.Recording)
	s.awaitEvent(eventRecordingFailed)
	s.awaitWanted(graph.RecordingFailed)
	await(t, "the attention", func() bool {
		c := meta.FindStatusCondition(s.memory.status().Conditions, callfleetv1.ConditionNeedsAttention)
		return c != nil && c.Reason == callfleetv1.ReasonRecordingFailed && strings.Contains(c.Message, "/recordings in the media pod")
	})
	s.call.HangUp(signaling.EndedByBot)
	if st := s.awaitEnd(); len(st.Recordings) != 0 || meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionNeedsAttention) != nil {
		t.Errorf("recordings %+v", st.Recordings)
	}
}

// TestTheRecordingOfAKilledProcessIsListed by the next one in the pod, which buries the call.
func TestTheRecordingOfAKilledProcessIsListed(t *testing.T) {
	s := newStudio(t, nil)
	killed := recording.Config{Dir: s.agent.recordings.dir, Name: "standup-1", RecordingID: "scenario-1", Format: recording.FormatWAV}
	r, err := recording.New(killed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Track(recording.TrackInfo{ID: record.TrackMixed, Kind: recording.KindAudio}); err != nil {
		t.Fatal(err)
	}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	await(t, "the files", func() bool {
		files, _ := filepath.Glob(filepath.Join(killed.Dir, "standup-1.*"))
		return len(files) == 2
	})
	// What is on the disk at this moment is what a killed process leaves.
	left := t.TempDir()
	if err := os.CopyFS(filepath.Join(left, "recordings", "reception-0"), os.DirFS(killed.Dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.agent.recordings = newRecordings(left, "reception-0")
	s.agent.recordings.recover(logr.Discard())

	s.agent.changed(s.memory.write(func(st *callfleetv1.CallStatus) {
		st.Call = &callfleetv1.CallRecord{ClaimedBy: "somebody who is gone", ScenarioID: "scenario-1"}
	}))
	st := s.awaitEnd()
	if len(st.Recordings) != 1 || !st.Recordings[0].Incomplete || st.Recordings[0].URI != "file:///recordings/reception-0/standup-1.mixed.wav" {
		t.Errorf("recordings %+v", st.Recordings)
	}
}

func TestWhereTheServiceHasTheMediaNothingIsRecordedHere(t *testing.T) {
	b := &callfleetv1.Behavior{Recording: &callfleetv1.RecordingBehavior{Format: callfleetv1.RecordingWAV}, Play: &callfleetv1.Play{}}
	if _, err := prepare(t.Context(), &files{}, callfleetv1.HostingService, b); err == nil || !strings.Contains(err.Error(), "hosting: Application") {
		t.Errorf("it says %v", err)
	}
	does, err := prepare(t.Context(), &files{}, callfleetv1.HostingApplication, b)
	if err != nil || does.media.Play == nil || does.recording != b.Recording {
		t.Errorf("it does %+v, %v", does, err)
	}
}

func TestWhoSpeaks(t *testing.T) {
	snap := signaling.Snapshot{Participants: []graph.Participant{
		{ID: "joe", MediaStreams: []graph.MediaStream{{MediaType: graph.ModalityVideo, SourceID: "7"}}},
		{ID: "jane", MediaStreams: []graph.MediaStream{{MediaType: graph.ModalityAudio, SourceID: "7"}}},
	}}
	if who := speakerOf(snap, 7); who != "jane" {
		t.Errorf("%q speaks", who)
	}
	if who := shownBy(snap, 7, false); who != "joe" {
		t.Errorf("%q has the camera", who)
	}
	if who := shownBy(snap, 7, true); who != "jane" {
		t.Errorf("%q shares the screen, of whom only the voice has a number", who)
	}
	if who := speakerOf(snap, 8); who != "" {
		t.Errorf("nobody known is %q", who)
	}
	if name := recordingName("sales.eu-" + strings.Repeat("x", 100)); !strings.HasPrefix(name, "sales-eu-x") || len(name) != 69 {
		t.Errorf("files begin with %q", name)
	}
}
