// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

const statusRecording = "recording"

// recording is what a bot has told of its recording, and when: media may be kept from when success was returned until
// anything else is asked for (reference section 7, "Recording rule").
type recording struct {
	mu      sync.Mutex
	status  string
	allowed []interval
}

// interval is a time in which keeping media was allowed; a zero end is still to come.
type interval struct{ from, to time.Time }

// close notes that a status other than recording was asked for: from now on nothing may be kept.
func (r *recording) close(at time.Time) {
	if n := len(r.allowed); n > 0 && r.allowed[n-1].to.IsZero() {
		r.allowed[n-1].to = at
	}
}

func (r *recording) asked(status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
	if status != statusRecording {
		r.close(time.Now())
	}
}

// granted notes that success was returned.
func (r *recording) granted(status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := len(r.allowed) > 0 && r.allowed[len(r.allowed)-1].to.IsZero()
	if status == statusRecording && r.status == statusRecording && !open {
		r.allowed = append(r.allowed, interval{from: time.Now()})
	}
}

// covers says whether all of a time lies in one in which keeping media was allowed.
func (r *recording) covers(from, to time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.allowed {
		if !from.Before(i.from) && (i.to.IsZero() || !to.After(i.to)) {
			return true
		}
	}
	return false
}

// serveUpdateRecordingStatus serves POST …/updateRecordingStatus.
func (c *call) serveUpdateRecordingStatus(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		ClientContext *string `json:"clientContext"`
		Status        string  `json:"status"`
	}
	rules := map[string]rule{"status": oneOf("notRecording", statusRecording, "failed")}
	if err := parse(r.body, actionRule(rules, "status"), &body); err != nil {
		return badRequest("%v", err)
	}
	if refusal := r.needs(roleMedia, roleJoin); refusal != nil {
		return refusal
	}
	if !c.isEstablished() {
		return badRequest("the recording status can be updated once the call is established")
	}
	c.recording.asked(body.Status)
	if c.grouped() {
		info := &meeting.Recording{
			Status: body.Status, InitiatorID: c.app.ID, InitiatorName: c.app.Name(), InitiatorParticipant: c.participantID, Tenant: c.tenantID,
		}
		// The roster says it of the bot, and of whom it records (reference section 7).
		for _, id := range append([]string{c.participantID}, c.observed()...) {
			_ = c.meeting.Update(id, func(p *meeting.Participant) { p.Recording = info }) // or has left
		}
	}
	c.service.Journal.Add(c.meetingID(), c.id, "RecordingStatus", body.Status)
	c.succeed("updateRecordingStatusOperation", body.ClientContext).reply(w, r, http.StatusOK)
	c.recording.granted(body.Status)
	return nil
}

// Violation is media that was kept though it might not have been.
type Violation struct {
	CallID   string
	From, To time.Time
	Frames   int
	Why      string
}

// Persisted tells that frames of a call were kept which arrived from one time to another. It says whether that was
// allowed, and remembers it if not.
func (s *Service) Persisted(callID string, from, to time.Time, frames int) (bool, error) {
	c, ok := s.any(callID)
	if !ok {
		return false, fmt.Errorf("no call %s", callID)
	}
	if to.Before(from) {
		return false, fmt.Errorf("the time of the frames ends before it begins")
	}
	if c.recording.covers(from, to) {
		return true, nil
	}
	v := Violation{CallID: callID, From: from, To: to, Frames: frames, Why: "not all of that time had the recording status recording, acknowledged by the service"}
	s.mu.Lock()
	s.violations = append(s.violations, v)
	s.mu.Unlock()
	s.Journal.Add(c.meetingID(), c.id, "RecordingViolation", fmt.Sprintf("%d frames kept", frames))
	return false, nil
}

// Violations lists what was kept though it might not have been.
func (s *Service) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Violation{}, s.violations...)
}

// observed are the participants whom the call records for a policy.
func (c *call) observed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.observedIDs)
}

// any finds a call, ended or not.
func (s *Service) any(id string) (*call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.live[id]; ok {
		return c, true
	}
	for _, c := range s.history {
		if c.id == id {
			return c, true
		}
	}
	return nil, false
}
