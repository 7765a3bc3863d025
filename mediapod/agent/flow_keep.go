// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/story"
)

// keepPatience is how long a flow waits for the disk to take the end of what a caller has said, before it goes on and the disk is left
// to take its time.
const keepPatience = 5 * time.Second

// flowKeeper keeps what a flow records in one call: each step's is a recording of its own, with one file, whose track is named as the
// flow has it. Those files go the way of all: they are listed in the call's status, stored in the bucket, and found again after a
// process was killed.
type flowKeeper struct {
	r    *runner
	call signalCall

	open sync.WaitGroup // recordings that have not ended
}

func newFlowKeeper(r *runner, call signalCall) *flowKeeper { return &flowKeeper{r: r, call: call} }

var (
	_ engine.Recorder  = (*flowKeeper)(nil)
	_ engine.Recording = (*flowRecording)(nil)
)

// May implements engine.Recorder.
func (k *flowKeeper) May() bool { return may(k.call) }

func (k *flowKeeper) config() recording.Config {
	return recording.Config{
		Dir: k.r.agent.recordings.dir, Name: recordingName(k.r.object.name()), RecordingID: k.r.scenario, CallID: k.call.Snapshot().CallID,
		Format: recording.FormatWAV,
	}
}

// Begin implements engine.Recorder.
func (k *flowKeeper) Begin(name string, wrong func(error)) (engine.Recording, error) {
	a := k.r.agent
	if err := a.disk.room(); err != nil {
		return nil, k.failed(err)
	}
	cfg := k.config()
	cfg.OnError = wrong
	made, err := recording.New(cfg)
	if err != nil {
		return nil, k.failed(err)
	}
	f := &flowRecording{keeper: k, name: cfg.Name, made: made}
	if f.track, err = made.Track(recording.TrackInfo{ID: name, Kind: recording.KindAudio}); err != nil {
		return nil, k.failed(err)
	}
	// A process that comes after this one has to know whose it is.
	if err := a.uploads.begin(cfg.Name, k.r.object); err != nil {
		return nil, k.failed(err)
	}
	if err := made.Open(); err != nil {
		a.uploads.forget(cfg.Name)
		return nil, k.failed(err)
	}
	f.opened = time.Now()
	f.leave = a.disk.watch(wrong)
	k.open.Add(1)
	return f, nil
}

// Keep keeps a WAV file that the service has recorded.
func (k *flowKeeper) Keep(ctx context.Context, name string, wav io.Reader) error {
	a := k.r.agent
	if err := a.disk.room(); err != nil {
		return k.failed(err)
	}
	cfg := k.config()
	if err := a.uploads.begin(cfg.Name, k.r.object); err != nil {
		return k.failed(err)
	}
	m, err := recording.Import(ctx, cfg, name, wav)
	if err != nil {
		a.uploads.forget(cfg.Name)
		return k.failed(err)
	}
	k.kept(cfg.Name, m)
	return nil
}

// kept has the call's status list a recording, and the bucket get it.
func (k *flowKeeper) kept(name string, m recording.Manifest) {
	k.r.mu.Lock()
	k.r.recorded = append(k.r.recorded, k.r.agent.recordings.list(m)...)
	k.r.mu.Unlock()
	if len(m.Files) > 0 {
		k.tell(eventRecordingEnded, "%s", m.Files[0].Track)
		k.r.agent.uploads.finished(name)
	}
}

// failed has the timeline tell.
func (k *flowKeeper) failed(err error) error {
	k.r.log.Error(err, "a flow's recording has failed")
	k.tell(eventRecordingFailed, "%s", err)
	return err
}

func (k *flowKeeper) tell(event, format string, args ...any) {
	k.r.mu.Lock()
	k.r.happened = addBounded(k.r.happened, story.Event(k.r.agent.clock.Now(), event, format, args...), maxHappened)
	k.r.mu.Unlock()
	k.r.poke()
}

// wait returns when everything has ended: what a caller says last ends with the call, after which the flow's stage was closed.
func (k *flowKeeper) wait(ctx context.Context) {
	if k == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		k.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	case <-k.r.agent.clock.After(k.r.agent.closeWithin):
	}
}

// flowRecording is one of them while it is made.
type flowRecording struct {
	keeper *flowKeeper
	name   string
	made   *recording.Recording
	track  *recording.Track
	opened time.Time
	leave  func() // has the disk watched no more
}

// Keep implements engine.Recording.
func (f *flowRecording) Keep(at time.Time, frame []int16) { f.track.WritePCM(at.Sub(f.opened), frame) }

// End implements engine.Recording.
func (f *flowRecording) End(keep bool) error {
	k, a := f.keeper, f.keeper.r.agent
	defer k.open.Done()
	f.leave()
	ctx, cancel := context.WithTimeout(a.life, keepPatience)
	defer cancel()
	m, err := f.made.Close(ctx)
	switch {
	case err != nil && ctx.Err() != nil && a.life.Err() == nil:
		k.r.log.Error(err, "the disk has not taken the end of a flow's recording yet; it is waited for")
		a.endLate(f.made, f.name, k.r.object)
		return nil
	case err != nil: // what there is of it is listed as it is
		k.kept(f.name, m)
		return k.failed(err)
	case !keep:
		if err := m.Remove(a.recordings.dir); err != nil {
			k.r.log.Error(err, "a recording in which nothing was said is left on the disk", "name", f.name)
		}
		a.uploads.forget(f.name)
	default:
		k.kept(f.name, m)
	}
	return nil
}

// takeRecorded takes what flows recorded into the story. It says whether there was anything.
func (r *runner) takeRecorded() bool {
	r.mu.Lock()
	recorded := r.recorded
	r.recorded = nil
	r.mu.Unlock()
	r.story.Recordings = append(slices.Clip(r.story.Recordings), recorded...)
	return len(recorded) > 0
}

// replaced is a list of files with those of one recording as they are now.
func replaced(list []callfleetv1.RecordedFile, name string, files []callfleetv1.RecordedFile) []callfleetv1.RecordedFile {
	others := slices.DeleteFunc(slices.Clone(list), func(f callfleetv1.RecordedFile) bool { return strings.HasPrefix(story.FileName(f), name+".") })
	return append(others, files...)
}
