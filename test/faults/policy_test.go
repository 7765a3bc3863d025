// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// joinWithin is how long somebody waits at the door of a meeting for their recorder.
const joinWithin = standsWithin + outage

// playRecorded lets users join a meeting who are to be recorded. What is planned is done in the call that records the first of
// them; it ends, and the meeting after it.
func (s *scene) playRecorded(ctx context.Context) error {
	m, err := world.Teams.CreateMeeting(ctx, admin.NewMeeting{
		Subject: fmt.Sprintf("Round %d, scenario %d", s.weather.seed, s.number), TenantID: rig.TenantID, OrganizerID: uuid.NewString(), People: []string{"Ada"},
	})
	if err != nil {
		return err
	}
	s.meeting = m
	s.person, _ = m.Person("Ada")
	callID := s.join(ctx, 0)
	var others sync.WaitGroup
	for i := 1; i < len(s.recorded); i++ {
		others.Go(func() { s.join(ctx, i) })
		_ = pause(ctx, 50*time.Millisecond)
	}
	if callID != "" {
		s.callID = callID
		for deadline := time.Now().Add(joinWithin); s.name == "" && ctx.Err() == nil && time.Now().Before(deadline); _ = pause(ctx, 25*time.Millisecond) {
			s.name = s.recorder.taken(callID)
		}
	}
	if s.name != "" {
		err = s.goOn(ctx)
	}
	others.Wait()
	return errors.Join(err, world.Teams.EndMeeting(ctx, m.ID))
}

// join brings one of those under policy in and gives the call that records them, if one does.
func (s *scene) join(ctx context.Context, which int) (callID string) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	user := underPolicy[s.bot][s.recorded[which]]
	joined, err := world.Teams.PolicyJoin(ctx, s.meeting.ID, admin.PolicyJoin{UserID: user, DisplayName: fmt.Sprintf("User %d", which)})
	if err != nil || len(joined.Records) != 1 {
		s.done.add("policy recording without an answer")
		return ""
	}
	s.recordedPeople.Lock()
	s.recordedPeople.list = append(s.recordedPeople.list, joined.Person)
	s.recordedPeople.Unlock()
	r := joined.Records[0]
	s.done.add("policy recording " + r.Outcome)
	if r.Outcome != "NewCall" && r.Outcome != "Shared" {
		return ""
	}
	return r.CallID
}

// leaveAll lets all who are recorded leave, one after the other.
func (s *scene) leaveAll(ctx context.Context) {
	s.recordedPeople.Lock()
	defer s.recordedPeople.Unlock()
	for _, p := range s.recordedPeople.list {
		_ = world.Teams.PersonLeaves(ctx, p)
	}
}
