// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// The events of a recording.
const (
	eventRecordingStarted = "RecordingStarted"
	eventRecordingPaused  = "RecordingPaused"
	eventRecordingResumed = "RecordingResumed"
	eventRecordingEnded   = "RecordingEnded"
	eventRecordingLimit   = "RecordingLimitReached"
	eventRecordingFailed  = "RecordingFailed"
)

// closeWithin is what the disk gets to take the end of a recording, and to be read for the hashes of its files, before the call's
// last word is told without them; see endLate.
const closeWithin = time.Minute

// tape keeps the recording of one call. It belongs to the runner's goroutine, but for what its recorder is told by others.
//
// The gate: nothing is kept before signalling says that the service has taken in that the call is recorded, nor from the moment
// on at which signalling says otherwise, which is before it tells the service so. The tape follows that with its own steps, at
// the runner's pace; may, which the recorder asks about every frame, follows at once.
type tape struct {
	asked *callfleetv1.RecordingBehavior // nil: nothing is recorded

	recorder *record.Recorder // once it has begun
	name     string           // of its files
	unwatch  func()           // while what is shown is kept
	leave    func()           // has the disk watched no more
	paused   bool
	over     bool       // nothing is kept any more
	failed   error      // why; nil if it reached its limit
	wrong    chan error // what the recorder was told; capacity 1, the first counts
}

// wantedStatus is what the service is to be told about recording. The spec's own word comes first, so that a recording can be
// held up; else it is as the tape stands.
func (t *tape) wantedStatus(spec callfleetv1.RecordingStatus) callfleetv1.RecordingStatus {
	switch {
	case t.asked == nil, spec == callfleetv1.NotRecording, spec == callfleetv1.RecordingFailed:
		return spec
	case t.failed != nil:
		return callfleetv1.RecordingFailed
	case t.over && spec == "":
		return callfleetv1.NotRecording
	}
	return callfleetv1.Recording
}

// may is the gate itself.
func may(call signalCall) bool { return call.Snapshot().Recording == graph.Recording }

// tend brings the recording to where signalling lets it be.
func (t *tape) tend(r *runner, both legs) {
	if t.asked == nil || both.sound == nil || t.over {
		return
	}
	select {
	case err := <-t.wrong:
		t.stop(r, both, err)
		return
	default:
	}
	var err error
	switch allowed := r.story.Signal.Recording == graph.Recording; {
	case allowed && t.recorder == nil:
		err = t.start(r, both)
	case allowed && t.paused:
		if err = t.recorder.Resume(); err == nil {
			t.paused = false
			t.listen(both)
			r.tell(eventRecordingResumed, "")
		}
	case !allowed && t.recorder != nil && !t.paused && r.story.Phase() == callfleetv1.PhaseEstablished: // else the call is about to end
		t.turnAway(both)
		if err = t.recorder.Pause(); err == nil {
			t.paused = true
			r.tell(eventRecordingPaused, "the service is told that the call is not recorded")
		}
	}
	if err != nil {
		t.stop(r, both, err)
	} else if t.recorder != nil {
		t.recorder.Present(present(r.story.Signal))
		if filter, any := watched(t.asked.Video); any {
			t.recorder.Watched(of(both.sound.Stats().Video, filter.Kind))
		}
	}
}

// of are those of a kind.
func of(video []media.VideoStats, kind media.VideoKind) []media.VideoStats {
	return slices.DeleteFunc(slices.Clone(video), func(v media.VideoStats) bool {
		return kind != media.AnyVideo && v.Screen != (kind == media.Screens)
	})
}

func (t *tape) start(r *runner, both legs) error {
	if err := r.agent.disk.room(); err != nil {
		return err
	}
	wrong := make(chan error, 1)
	told := func(err error) {
		select {
		case wrong <- err:
			r.poke()
		default: // the first says enough
		}
	}
	name := recordingName(r.object.name())
	recorder, err := record.New(record.Config{
		Dir: r.agent.recordings.dir, Name: name, RecordingID: r.scenario, CallID: r.story.Signal.CallID,
		Format: formatOf(t.asked.Format), Participants: t.asked.Tracks == callfleetv1.TracksParticipants, Video: t.asked.Video != "",
		MaxDuration: t.asked.MaxDuration.Duration(), MaxBytes: t.asked.MaxSize.Bytes(),
		Allowed: func() bool { return may(both.signal) },
		Speaker: func(source uint32) string { return speakerOf(both.signal.Snapshot(), source) },
		Shown:   func(source uint32, screen bool) string { return shownBy(both.signal.Snapshot(), source, screen) },
		OnError: told,
	})
	if err == nil {
		// A process that comes after this one has to know whose it is.
		err = r.agent.uploads.begin(name, r.object)
	}
	if err == nil {
		if err = recorder.Open(); err != nil {
			r.agent.uploads.forget(name)
		}
	}
	if err != nil {
		return err
	}
	t.recorder, t.wrong, t.name = recorder, wrong, name
	t.leave = r.agent.disk.watch(told)
	t.listen(both)
	r.story.Recordings = append(r.story.Recordings, r.agent.recordings.writing(name, t.asked.Format, r.agent.clock.Now())...)
	r.tell(eventRecordingStarted, "as %s", t.asked.Format)
	return nil
}

// listen has the recorder hear, and see what it is to keep of that: from a key frame on, which is asked for.
func (t *tape) listen(both legs) {
	both.sound.AddTap(t.recorder)
	if filter, ok := watched(t.asked.Video); ok {
		t.unwatch = both.sound.WatchVideo(t.recorder, filter)
	}
}

// turnAway returns when the recorder neither hears nor sees.
func (t *tape) turnAway(both legs) {
	both.sound.RemoveTap(t.recorder)
	if t.unwatch != nil {
		t.unwatch()
		t.unwatch = nil
	}
}

// watched is what is to be kept of what is shown, if anything is.
func watched(v callfleetv1.RecordingVideo) (f media.VideoFilter, any bool) {
	switch v {
	case callfleetv1.VideoScreen:
		return media.VideoFilter{Kind: media.Screens}, true
	case callfleetv1.VideoCameras:
		return media.VideoFilter{Kind: media.Cameras}, true
	case callfleetv1.VideoAll:
		return media.VideoFilter{}, true
	}
	return media.VideoFilter{}, false
}

// unshown is the video that is to be recorded, if the call has not the modality for any of it.
func (r *runner) unshown(spec callfleetv1.CallSpec) callfleetv1.RecordingVideo {
	if t := r.tape.asked; t != nil && t.Video != "" && !rules.Shows(rules.Modalities(r.agent.mediaPod().Spec.Media, spec), t.Video) {
		return t.Video
	}
	return ""
}

// stop: nothing more is kept, whatever may be. The files stay to the end of the call as they are.
func (t *tape) stop(r *runner, both legs, err error) {
	t.over = true
	if t.recorder != nil {
		t.turnAway(both)
		t.recorder.Shut()
	}
	if record.Limited(err) {
		r.tell(eventRecordingLimit, "%s; the call goes on", err)
		return
	}
	t.failed = err
	r.story.Unrecorded = fmt.Sprintf("the call cannot be recorded any more, and everybody in it is told so: %s; see that %s in the media pod can be written to and has room", err, recordingsDir)
	r.log.Error(err, "a recording has failed")
	r.tell(eventRecordingFailed, "%s", err)
}

// close ends the recording, and has the story tell of its files. The sound of the call is closed by then.
func (t *tape) close(ctx context.Context, r *runner) {
	if t.recorder == nil {
		return
	}
	t.leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.agent.closeWithin)
	defer cancel()
	manifest, err := t.recorder.Close(ctx)
	if err != nil && ctx.Err() != nil {
		r.log.Error(err, "the disk has not taken the end of a recording yet; it is waited for")
		r.story.Note(story.Event(r.agent.clock.Now(), eventRecordingFailed, "%s; it is waited for", err))
		r.agent.endLate(t.recorder, t.name, r.object)
		return
	}
	if err != nil {
		r.log.Error(err, "the end of a recording is not as it should be")
		r.story.Note(story.Event(r.agent.clock.Now(), eventRecordingFailed, "%s", err))
	}
	files := r.agent.recordings.list(manifest)
	r.story.Recordings, r.story.Recorded = replaced(r.story.Recordings, t.name, files), t.name
	if err == nil || len(manifest.Files) > 0 {
		r.agent.uploads.finished(t.name)
	}
	r.story.Note(story.Event(r.agent.clock.Now(), eventRecordingEnded, "%d files", len(files)))
}

// tell notes an event that is worth a write.
func (r *runner) tell(event, format string, args ...any) {
	r.story.Note(story.Event(r.agent.clock.Now(), event, format, args...))
	r.news = true
}

func formatOf(f callfleetv1.RecordingFormat) recording.Format {
	if f == callfleetv1.RecordingOgg {
		return recording.FormatOgg
	}
	return recording.FormatWAV
}

// recordable says why the behaviour's recording cannot be made here; nil if it can.
func recordable(b *callfleetv1.RecordingBehavior, hosting callfleetv1.Hosting) error {
	switch {
	case b == nil:
		return nil
	case hosting == callfleetv1.HostingService:
		return errors.New("spec.behavior.recording needs the call's media in the pod, and the bot has media.hosting: Service; use kubectl callfleet record, or a bot with hosting: Application")
	}
	if err := record.Supported(formatOf(b.Format)); err != nil {
		return fmt.Errorf("spec.behavior.recording: the media pod cannot make files of format %s; use WAV, or an image with libopus: %w", b.Format, err)
	}
	return nil
}

// recordingName is what the files begin with: the object's name as far as that goes, and something that no other has.
func recordingName(object string) string {
	safe := strings.Map(func(r rune) rune {
		if r == '.' {
			return '-'
		}
		return r
	}, object)
	return story.Clip(safe, 60) + "-" + uuid.NewString()[:8]
}

// present are those in the call, by id, with their names.
func present(s signaling.Snapshot) map[string]string {
	people := map[string]string{}
	for i := range s.Participants {
		if p := &s.Participants[i]; !p.IsInLobby && p.ID != "" {
			name := ""
			if _, identity := p.Info.Identity.Primary(); identity != nil {
				name = identity.DisplayName
			}
			people[p.ID] = name
		}
	}
	return people
}

// speakerOf is the participant whose audio has this number in the call.
func speakerOf(s signaling.Snapshot, source uint32) string {
	return ownerOf(s, source, graph.ModalityAudio)
}

// shownBy is the participant whose camera or screen has this number, or who speaks under it: it is not said which of both a
// number is.
func shownBy(s signaling.Snapshot, source uint32, screen bool) string {
	kind := graph.ModalityVideo
	if screen {
		kind = graph.ModalityVideoScreenSharing
	}
	if who := ownerOf(s, source, kind); who != "" {
		return who
	}
	return speakerOf(s, source)
}

func ownerOf(s signaling.Snapshot, source uint32, kind graph.Modality) string {
	want := graph.MSI(strconv.FormatUint(uint64(source), 10))
	for i := range s.Participants {
		for _, stream := range s.Participants[i].MediaStreams {
			if stream.MediaType == kind && stream.SourceID == want {
				return s.Participants[i].ID
			}
		}
	}
	return ""
}
