// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	// recordSlack is what the service gets beyond the longest recording, for the beep and to make the file of it.
	recordSlack = time.Minute
	// keepWithin is what it takes at the most to have a file of two minutes, which is 4 MB. It is counted in real time: it is what a
	// network and a disk take.
	keepWithin = 30 * time.Second
)

// record records, has what was recorded kept, and tells how it went. Everybody is told before, and is told that it is over when it is
// kept: nothing is kept but in between.
func (s *Stage) record(r flow.Record) {
	recorded := flow.Recorded{ID: r.ID, End: flow.RecordFailed, Failure: flow.FailedRecording}
	err := s.Announce(s.life)
	if err == nil {
		recorded.End, recorded.Name, err = s.recordOnce(r)
	}
	if s.over(err) {
		return
	}
	s.Withdraw()
	if err == nil {
		recorded.Failure = ""
	} else {
		recorded.End = flow.RecordFailed
		s.cfg.Trouble("nothing could be recorded: " + err.Error())
	}
	s.told(recorded)
}

// recordOnce has the service record, and keeps what it has recorded.
func (s *Stage) recordOnce(r flow.Record) (end flow.RecordEnd, name string, err error) {
	s.hearStopTones(r.StopTones)
	ctx, cancel := s.throughTheEnd()
	defer cancel()
	ctx, stop := s.within(ctx, r.MaxDuration+r.InitialSilence+recordSlack)
	defer stop()
	result, err := s.act(ctx, signaling.Record{
		InitialSilence: r.InitialSilence, MaxSilence: r.MaxSilence, MaxDuration: r.MaxDuration, NoBeep: !r.Beep, StopTones: tonesOf(r.StopTones),
	})
	if end = recordEnd(result); end == flow.RecordFailed && err == nil {
		err = errors.New("the service says that it ended, and not why")
	} else if end != flow.RecordFailed {
		err = nil // silence is no failure, whatever the operation says
	}
	switch {
	case err != nil, end == flow.RecordNothing:
		return end, "", err
	}
	if err := s.keep(r.Name, result.RecordingID); err != nil {
		return flow.RecordFailed, "", err
	}
	if reasonOf(result) == graph.ReasonOperationCompleted && s.stopToneHeard() {
		end = flow.RecordStopTone
	}
	return end, r.Name, nil
}

// hearStopTones begins to listen for the keys that end a recording, and stopToneHeard says whether one was pressed: v1.0 of Graph does
// not say what ended it.
func (s *Stage) hearStopTones(keys []callfleetv1.PhoneKey) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.tellTones()
	s.stopTones, s.stopTone = keys, false
}

func (s *Stage) stopToneHeard() bool {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.tellTones()
	s.stopTones = nil
	return s.stopTone
}

// throughTheEnd is a context that ends when the stage is closed, unless the call has ended by itself: what was recorded until then is
// told of before the end of the call, and may be kept.
func (s *Stage) throughTheEnd() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-s.life.Done():
			if done(s.cfg.Call.Done()) {
				return
			}
			cancel()
		case <-s.cfg.Call.Done():
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// keep fetches a recording, which the service drops soon after the call, and has it kept.
func (s *Stage) keep(name, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	fetched, err := s.act(ctx, signaling.FetchRecording{ID: id})
	if err != nil {
		return fmt.Errorf("fetching what was recorded: %w", err)
	}
	defer fetched.Recording.Close()
	if err := s.cfg.Keeper.Keep(ctx, name, fetched.Recording); err != nil {
		return fmt.Errorf("keeping what was recorded: %w", err)
	}
	return nil
}

// recordEnds are the service's reasons in the words of flows.
var recordEnds = map[string]flow.RecordEnd{
	graph.ReasonStopToneDetected:   flow.RecordStopTone,
	graph.ReasonMaxRecordDuration:  flow.RecordMaxDuration,
	graph.ReasonSilence:            flow.RecordSilence,
	graph.ReasonNobodySpoke:        flow.RecordNothing,
	graph.ReasonOperationCompleted: flow.RecordSilence, // v1.0 has no completionReason, and only says so much
	graph.ReasonOperationCanceled:  flow.RecordSilence, // by somebody's action: they took the caller to be done
}

// recordEnd is how a recording ended. Without anything recorded nothing was said, however it ended.
func recordEnd(r signaling.Result) flow.RecordEnd {
	end, ok := recordEnds[reasonOf(r)]
	switch {
	case !ok:
		return flow.RecordFailed
	case r.RecordingID == "":
		return flow.RecordNothing
	}
	return end
}

func tonesOf(keys []callfleetv1.PhoneKey) []graph.Tone {
	var text string
	for _, k := range keys {
		text += string(k)
	}
	tones, _ := graph.ParseTones(text) // the schema has no others
	return tones
}
