// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/policy"
)

// enterPatience is how long a recorder that answered may take until it is in the meeting, in real time.
const enterPatience = 30 * time.Second

var observedLeft = result(200, 5002, "All other participants have left")

// PolicyUser is somebody under recording policies who wants to join a meeting.
type PolicyUser struct {
	UserID, DisplayName, CountryCode, Region string
}

// PolicyResult is what came of it.
type PolicyResult struct {
	Person    *meeting.Person
	Joined    bool
	Reason    string // why not
	Recorders []Recorder
}

// Recorder is the bot of one policy and what it said.
type Recorder struct {
	PolicyID, AppID, CallID string
	Outcome                 string
	Detail                  string
}

// The outcomes.
const (
	recorderNew        = "NewCall"
	recorderShared     = "Shared"
	recorderRejected   = "Rejected"
	recorderUnanswered = "Unanswered"
	recorderBadReply   = "BadReply"
)

func (r Recorder) records() bool { return r.Outcome == recorderNew || r.Outcome == recorderShared }

// PolicyJoin brings a user into a meeting, once the bots of all policies the user is under have been asked to record
// (reference section 7). A recorder that is in the meeting already and has room is asked whether it takes the user as
// well; else there is a new incoming call. So joins that race the first answer get calls of their own.
func (s *Service) PolicyJoin(ctx context.Context, m *meeting.Meeting, u PolicyUser) (PolicyResult, error) {
	policies := s.Policies.Recorders(m.TenantID, u.UserID)
	if len(policies) == 0 {
		return PolicyResult{}, errors.New("the user is under no recording policy of the meeting's tenant")
	}
	out := PolicyResult{Person: m.Expect(meeting.Identity{ID: u.UserID, DisplayName: u.DisplayName}), Recorders: make([]Recorder, len(policies))}
	var all sync.WaitGroup
	for i, p := range policies {
		all.Go(func() {
			out.Recorders[i] = s.record(ctx, m, p, u, out.Person)
		})
	}
	all.Wait()
	for i, r := range out.Recorders {
		if policies[i].RequiredBefore && !r.records() {
			out.Reason = "There was a problem setting up the recording." // as Teams words it
			s.Journal.Add(m.ID, "", "PolicyBlocked", u.DisplayName)
			s.giveUp(out)
			return out, nil
		}
	}
	if err := out.Person.Join(); err != nil {
		s.giveUp(out)
		return out, err
	}
	out.Joined = true
	return out, nil
}

// giveUp ends what records somebody who does not come.
func (s *Service) giveUp(r PolicyResult) {
	for _, one := range r.Recorders {
		if c, ok := s.any(one.CallID); ok && one.records() {
			c.forget(r.Person.ID)
		}
	}
}

// record finds one policy's recorder for a user.
func (s *Service) record(ctx context.Context, m *meeting.Meeting, p policy.Recording, u PolicyUser, who *meeting.Person) Recorder {
	r := Recorder{PolicyID: p.ID, AppID: p.AppID}
	from := Incoming{
		UserID: u.UserID, DisplayName: u.DisplayName, TenantID: m.TenantID, Meeting: m, PolicyRecording: true, CountryCode: u.CountryCode,
		Region: u.Region, participantID: who.ID, recording: &p, observed: who,
	}
	if c := s.withRoom(m, p, who.ID); c != nil {
		r.CallID = c.id
		switch reply := c.askToJoin(ctx, from); {
		case reply.invite != "":
			from.webhook = reply.invite
		default:
			r.Outcome, r.Detail = reply.outcome, reply.detail
			if r.Outcome != recorderShared {
				c.forget(who.ID)
			}
			return r
		}
		c.forget(who.ID)
	}
	c, err := s.announce(p.AppID, from)
	if err != nil {
		r.Outcome, r.Detail = recorderUnanswered, err.Error()
		return r
	}
	r.CallID = c.id
	select {
	case <-c.entered:
		r.Outcome = recorderNew
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		r.Outcome, r.Detail = recorderUnanswered, c.endDetail
		if *c.result == rejected {
			r.Outcome = recorderRejected
		}
	case <-ctx.Done():
		r.Outcome, r.Detail = recorderUnanswered, ctx.Err().Error()
	case <-time.After(enterPatience):
		r.Outcome, r.Detail = recorderUnanswered, "the recorder answered, but did not come into the meeting"
	}
	return r
}

// withRoom finds a recorder of a policy that is in the meeting and can take one more; it reserves the place.
func (s *Service) withRoom(m *meeting.Meeting, p policy.Recording, participantID string) *call {
	s.mu.Lock()
	var candidates []*call
	for _, c := range s.live {
		if c.meeting == m && c.from != nil && c.from.recording != nil && sameID(c.from.recording.ID, p.ID) {
			candidates = append(candidates, c)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(candidates, func(a, b *call) int { return a.created.Compare(b.created) })
	for _, c := range candidates {
		c.mu.Lock()
		// A capacity of 0 or 1 means no grouping (reference section 7).
		room := c.state == stateEstablished && c.mediaActive && c.capacity > 1 && len(c.observedIDs) < c.capacity
		if room {
			c.observedIDs = append(c.observedIDs, participantID)
		}
		c.mu.Unlock()
		if room {
			return c
		}
	}
	return nil
}

// forget no longer records somebody; a recorder without anybody to record ends.
func (c *call) forget(participantID string) {
	c.mu.Lock()
	c.observedIDs = slices.DeleteFunc(c.observedIDs, func(id string) bool { return id == participantID })
	idle := len(c.observedIDs) == 0
	c.mu.Unlock()
	if idle {
		c.end(observedLeft, "nobody is left whom the policy wants recorded", false)
	}
}

// notifyLeft tells a recorder that somebody it records has gone, and ends it after the last; the caller holds the lock.
func (c *call) notifyLeft(seen []meeting.Participant) {
	if c.entered == nil {
		return
	}
	here := map[string]bool{}
	for _, p := range seen {
		here[p.ID] = true
	}
	if c.observedSeen == nil {
		c.observedSeen = map[string]bool{}
	}
	for _, id := range slices.Clone(c.observedIDs) {
		switch {
		case here[id]:
			c.observedSeen[id] = true
		case c.observedSeen[id]:
			c.observedIDs = slices.DeleteFunc(c.observedIDs, func(one string) bool { return one == id })
			c.queue.Enqueue(callback.Notification{
				ChangeType: "updated", ResourceURL: c.path(), Summary: "participant left",
				Data: document{
					"@odata.type": ns + "participantLeftNotification", "participantId": id,
					"call": document{"@odata.type": ns + "call", "id": c.id, "tenantId": c.tenantID},
				},
			})
			if len(c.observedIDs) == 0 { // not here: the meeting is locked
				c.service.background(func() { c.end(observedLeft, "nobody is left whom the policy wants recorded", false) })
			}
		}
	}
}

// recorderGone removes those from the meeting who may not be there without the recorder that has just gone.
func (c *call) recorderGone() {
	if c.from == nil || c.from.recording == nil || !c.from.recording.RequiredDuring {
		return
	}
	for _, id := range c.observed() {
		if c.meeting.Remove(id) == nil {
			c.service.Journal.Add(c.meeting.ID, c.id, "PolicyRemoved", id)
		}
	}
}
