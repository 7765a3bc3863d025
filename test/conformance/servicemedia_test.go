// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func (s *service) prompt(seconds float64) graph.MediaInfo {
	return graph.MediaInfo{URI: s.bot.file("prompt.wav", tone(seconds)), ResourceID: "1d6de2d4-cd51-4309-8daa-70768651088e"}
}

func TestPlayPrompt(t *testing.T) {
	s := start(t)
	id, ada := s.answered()
	op, err := s.graph.PlayPrompt(t.Context(), scenario, id, []graph.MediaInfo{s.prompt(1)}, "context")
	s.must(err)
	begun(t, op, "playPromptOperation")
	succeeded(t, s.bot.waitEnd(id, op))
	if heard, err := s.admin.Heard(t.Context(), ada); err != nil || len(heard) < 16000 {
		t.Errorf("Ada heard %d bytes, %v", len(heard), err)
	}

	op, err = s.graph.PlayPrompt(t.Context(), scenario, id, []graph.MediaInfo{{URI: s.bot.file("noise.wav", []byte("not a WAV file"))}}, "context")
	s.must(err)
	if end := s.bot.waitEnd(id, op); end.Status != graph.OperationFailed {
		t.Errorf("what cannot be played ended as %+v", end)
	}
	hosted, _, _ := s.join(s.appHosted)
	_, err = s.graph.PlayPrompt(t.Context(), scenario, hosted, []graph.MediaInfo{s.prompt(1)}, "context")
	refused(t, err, http.StatusInternalServerError, graph.ReasonPlatformError)
}

func TestCancelMediaProcessing(t *testing.T) {
	s := start(t)
	id, _ := s.answered()
	playing, err := s.graph.PlayPrompt(t.Context(), scenario, id, []graph.MediaInfo{s.prompt(30)}, "context")
	s.must(err)
	op, err := s.graph.CancelMediaProcessing(t.Context(), scenario, id, "context")
	s.must(err)
	done(t, op, "cancelMediaProcessingOperation")
	end := s.bot.waitEnd(id, playing)
	if e := graph.ExplainOperationEnd(end); end.Status != graph.OperationFailed || e.Reason != graph.ReasonOperationCanceled {
		t.Errorf("the prompt ended as %+v", end)
	}
}

// record records what Ada says until she is silent.
func (s *service) record() (callID string, ended *graph.Operation) {
	s.Helper()
	id, ada := s.answered()
	op, err := s.graph.RecordResponse(s.Context(), scenario, id, graph.RecordRequest{
		Prompts: []graph.MediaInfo{s.prompt(0.2)}, InitialSilence: 10 * time.Second, MaxSilence: time.Second, MaxDuration: 20 * time.Second,
		StopTones: []graph.Tone{graph.TonePound}, ClientContext: "context",
	})
	s.must(err)
	begun(s, op, "recordOperation")
	_, err = s.admin.Speak(s.Context(), ada, tone(2), admin.SpeakOptions{Wait: true})
	s.must(err)
	s.must(s.admin.Press(s.Context(), ada, "pound"))
	return id, s.bot.waitEnd(id, op)
}

func TestRecordResponse(t *testing.T) {
	s := start(t)
	_, end := s.record()
	succeeded(t, end)
	if end.RecordingLocation == "" || end.RecordingAccessToken == "" {
		t.Errorf("nothing to download: %+v", *end)
	}
	if e := graph.ExplainOperationEnd(end); e.Reason != graph.ReasonStopToneDetected && e.Reason != graph.ReasonSilence {
		t.Errorf("ended by %s", e.Reason)
	}
}

func TestDownloadRecording(t *testing.T) {
	s := start(t)
	_, end := s.record()
	body, err := s.graph.DownloadRecording(t.Context(), end.RecordingLocation, end.RecordingAccessToken)
	s.must(err)
	defer body.Close()
	if file, err := io.ReadAll(body); err != nil || !bytes.HasPrefix(file, []byte("RIFF")) || len(file) < 16000 {
		t.Errorf("%d bytes, %v", len(file), err)
	}
	_, err = s.graph.DownloadRecording(t.Context(), end.RecordingLocation, "another")
	refused(t, err, http.StatusUnauthorized, graph.ReasonTokenRejected)
}

func TestSubscribeToTone(t *testing.T) {
	s := start(t)
	id, ada := s.answered()
	op, err := s.graph.SubscribeToTone(t.Context(), scenario, id, "context")
	s.must(err)
	done(t, op, "subscribeToToneOperation")
	s.must(s.admin.Press(t.Context(), ada, "tone1", "star"))
	for _, want := range []graph.Tone{"tone1", graph.ToneStar} {
		s.bot.waitFor(string(want), id, func(n graph.Notification) bool {
			return n.Call != nil && n.Call.ToneInfo != nil && n.Call.ToneInfo.Tone == want
		})
	}
}

func TestSendDTMFTones(t *testing.T) {
	s := start(t)
	id, ada := s.answered()
	op, err := s.graph.SendDTMFTones(t.Context(), scenario, id, []graph.Tone{"tone4", graph.TonePound}, 100*time.Millisecond, "context")
	s.must(err)
	begun(t, op, "sendDtmfTonesOperation")
	succeeded(t, s.bot.waitEnd(id, op))
	if keys, err := s.admin.Pressed(t.Context(), ada); err != nil || len(keys) != 2 || keys[0] != "tone4" || keys[1] != "pound" {
		t.Errorf("Ada was let know of %q, %v", keys, err)
	}
}
