// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

var voicemail = flow.Record{
	ID: 1, Name: "message-1", Beep: true, MaxDuration: time.Minute, InitialSilence: 5 * time.Second, MaxSilence: 4 * time.Second,
	StopTones: []callfleetv1.PhoneKey{"#", "1"},
}

// records has the service record, for ten seconds, with this end.
func (s *scene) records(result signaling.Result, err error) {
	s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
		switch a.(type) {
		case signaling.Record:
			if s.call.Snapshot().Recording != graph.Recording {
				s.t.Error("the service is asked to record before everybody was told")
			}
			select {
			case <-time.After(10 * time.Second):
			case <-s.call.done:
			case <-ctx.Done():
				return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionUncertain}
			}
			return result, err
		case signaling.FetchRecording:
			return signaling.Result{Recording: io.NopCloser(strings.NewReader("RIFF"))}, nil
		}
		return signaling.Result{}, nil
	}
}

func TestHowRecordingsEnd(t *testing.T) {
	with := func(r signaling.Result) signaling.Result {
		r.RecordingID = "op"
		return r
	}
	tests := map[string]struct {
		result signaling.Result
		err    error
		keys   string
		want   string
		kept   bool
	}{
		"by a key":      {result: with(ended(graph.OperationCompleted, 200, 0, "stopToneDetected")), want: "Recorded{ID:1 End:StopTone Name:message-1 Failure:}", kept: true},
		"by silence":    {result: with(ended(graph.OperationCompleted, 200, 0, "maxSilenceTimeout")), want: "Recorded{ID:1 End:Silence Name:message-1 Failure:}", kept: true},
		"by its length": {result: with(ended(graph.OperationCompleted, 200, 8515, "")), want: "Recorded{ID:1 End:MaxDuration Name:message-1 Failure:}", kept: true},
		"nobody spoke":  {result: with(ended(graph.OperationCompleted, 200, 0, "initialSilenceTimeout")), want: "Recorded{ID:1 End:Nothing Name: Failure:}"},
		"nobody spoke, which is a failure of the operation": {
			result: ended(graph.OperationFailed, 400, 8510, ""), err: forbidden, want: "Recorded{ID:1 End:Nothing Name: Failure:}",
		},
		"v1.0 does not say":              {result: with(ended(graph.OperationCompleted, 200, 0, "")), want: "Recorded{ID:1 End:Silence Name:message-1 Failure:}", kept: true},
		"v1.0 does not say, by a key":    {result: with(ended(graph.OperationCompleted, 200, 0, "")), keys: "1", want: "Tone{Key:1}, Recorded{ID:1 End:StopTone Name:message-1 Failure:}", kept: true},
		"v1.0 does not say, by no key":   {result: with(ended(graph.OperationCompleted, 200, 0, "")), keys: "2", want: "Tone{Key:2}, Recorded{ID:1 End:Silence Name:message-1 Failure:}", kept: true},
		"somebody stopped it":            {result: with(ended(graph.OperationFailed, 400, 8508, "operationCanceled")), err: canceled, want: "Recorded{ID:1 End:Silence Name:message-1 Failure:}", kept: true},
		"no sound came":                  {result: ended(graph.OperationFailed, 500, 0, "mediaReceiveTimeout"), err: failedOp, want: "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}"},
		"the service forbids it":         {err: forbidden, want: "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}"},
		"the service has said not a bit": {want: "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				s.records(tc.result, tc.err)
				s.open().Do(voicemail)
				s.wait(5 * time.Second)
				if tc.keys != "" {
					s.call.press(tc.keys)
				}
				s.wait(10 * time.Second)
				s.expect("in the end", tc.want)
				if _, kept := s.kept["message-1"]; kept != tc.kept {
					t.Errorf("kept: %v", s.kept)
				}
				if s.wished().Recording || s.call.Snapshot().Recording == graph.Recording {
					t.Error("everybody is still told that the call is recorded")
				}
			})
		})
	}
}

func TestWhatTheServiceIsAskedToRecord(t *testing.T) {
	perform(t, func(s *scene) {
		s.open().Do(voicemail)
		s.wait(time.Minute)
		r := s.call.acts[1].(signaling.Record)
		if r.NoBeep || r.MaxDuration != time.Minute || r.InitialSilence != 5*time.Second || r.MaxSilence != 4*time.Second ||
			len(r.StopTones) != 2 || r.StopTones[0] != graph.TonePound || r.StopTones[1] != "tone1" || r.Prompt != nil || r.BargeIn {
			t.Errorf("%+v", r)
		}
	})
}

// TestNothingIsRecordedThatNobodyWasToldOf: the service refuses the recording status, or does not answer.
func TestNothingIsRecordedThatNobodyWasToldOf(t *testing.T) {
	for name, refusals := range map[string][]signaling.Refusal{
		"no answer": nil, "refused": {{What: signaling.WantRecording, Message: "Calls.JoinGroupCall.All is missing."}},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				s.refused, s.call.snap.Refusals = true, refusals
				s.records(signaling.Result{}, nil)
				s.open().Do(voicemail)
				s.wait(announceWithin)
				s.expect("after a while", "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}")
				if got := s.call.asked(); got != "subscribe to tones" {
					t.Errorf("asked for %s", got)
				}
				if s.wished().Recording {
					t.Error("it is told later that the call is recorded")
				}
			})
		})
	}
}

// TestTheStatusStaysUntilTheFileIsKept: what is kept has to lie between the two.
func TestTheStatusStaysUntilTheFileIsKept(t *testing.T) {
	perform(t, func(s *scene) {
		result := ended(graph.OperationCompleted, 200, 8515, "")
		result.RecordingID = "op"
		s.records(result, nil)
		handle := s.call.handle
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.FetchRecording); is {
				time.Sleep(2 * time.Second)
				if !s.wished().Recording {
					t.Error("withdrawn before it was kept")
				}
			}
			return handle(ctx, a)
		}
		s.open().Do(voicemail)
		s.wait(20 * time.Second)
		s.expect("in the end", "Recorded{ID:1 End:MaxDuration Name:message-1 Failure:}")
	})
}

func TestARecordingThatCannotBeKeptFailed(t *testing.T) {
	result := ended(graph.OperationCompleted, 200, 8515, "")
	result.RecordingID = "op"
	perform(t, func(s *scene) {
		s.broken = errors.New("no space left on device")
		s.records(result, nil)
		s.open().Do(voicemail)
		s.wait(20 * time.Second)
		s.expect("the disk is full", "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}")
	})
	perform(t, func(s *scene) {
		s.records(result, nil)
		handle, fetched := s.call.handle, 0
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.FetchRecording); is {
				if fetched++; fetched < 3 {
					return signaling.Result{}, serverErr
				}
			}
			return handle(ctx, a)
		}
		s.open().Do(voicemail)
		s.wait(20 * time.Second)
		s.expect("the service has it the third time", "Recorded{ID:1 End:MaxDuration Name:message-1 Failure:}")
	})
}

// TestWhoHangsUpAfterSpeakingHasLeftAMessage: that is how most people end one.
func TestWhoHangsUpAfterSpeakingHasLeftAMessage(t *testing.T) {
	perform(t, func(s *scene) {
		result := ended(graph.OperationCompleted, 200, 0, "maxSilenceTimeout")
		result.RecordingID = "op"
		s.records(result, nil)
		handle, fetched := s.call.handle, 0
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.FetchRecording); is {
				if fetched++; fetched == 1 {
					return signaling.Result{}, serverErr
				}
			}
			return handle(ctx, a)
		}
		s.open().Do(voicemail)
		s.wait(5 * time.Second)
		s.call.end(signaling.EndRemoteHungUp)
		s.expect("the call is over", "Ended{}")
		s.stage.Close()
		s.stage.Wait()
		if s.kept["message-1"] != "RIFF" {
			t.Errorf("kept: %v", s.kept)
		}
	})
}

func TestARecordingWhoseEndNobodyTellsIsGivenUp(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.Record); is {
				<-ctx.Done()
				return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionUncertain, Message: "Nobody said."}
			}
			return signaling.Result{}, nil
		}
		s.open().Do(voicemail)
		s.wait(time.Minute + recordSlack)
		s.expect("not yet", "")
		s.wait(6 * time.Second)
		s.expect("given up", "Recorded{ID:1 End:Failed Name: Failure:RecordingFailed}")
	})
}
