// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
)

// DefaultRinging is how long a phone rings if nobody says otherwise. It is not documented; Teams rings about a minute.
const DefaultRinging = 60 * time.Second

// invitee is somebody a bot calls, or sends a call to.
type invitee struct {
	id          string // GUID or number
	displayName string
}

func (i invitee) phone() bool { return people.IsNumber(i.id) }

// identity is who answers when the invitee does.
func (s *Service) identity(i invitee) meeting.Identity {
	known := s.People.Get(i.id)
	who := meeting.Identity{ID: known.ID, DisplayName: known.DisplayName, TenantID: known.TenantID}
	if who.DisplayName == "" {
		who.DisplayName = i.displayName
	}
	if known.Phone() {
		who.Kind = meeting.KindPhone
	}
	if who.DisplayName == "" {
		who.DisplayName = i.id
	}
	return who
}

// ring makes somebody's phone ring because of this call, unless the call has ended.
func (c *call) ring(i invitee, why string, patience time.Duration, tell func(people.Outcome)) *people.Ring {
	c.service.Journal.Add(c.meetingID(), c.id, "Ringing", c.service.identity(i).DisplayName)
	g := c.service.People.Ring(i.id, c.id, why, patience, func(o people.Outcome) {
		c.service.Journal.Add(c.meetingID(), c.id, "Rang", c.service.identity(i).DisplayName+": "+string(o))
		tell(o)
	})
	c.mu.Lock()
	over := c.state == stateTerminated
	c.rings = append(c.rings, g)
	c.mu.Unlock()
	if over {
		g.Cancel()
	}
	return g
}

// reach calls the people of an outgoing call and returns when one has answered. It reports false when the call has
// ended instead. In a group call the phones of the others go on ringing; whoever answers comes later.
func (c *call) reach() bool {
	targets := c.request.invitees()
	if c.direction != directionOutgoing || len(targets) == 0 {
		return true
	}
	patience := DefaultRinging
	if n := c.request.RingingTimeoutInSeconds; n > 0 {
		patience = time.Duration(n) * time.Second
	}
	answered, failed := make(chan struct{}, len(targets)), make(chan people.Outcome, len(targets))
	for _, t := range targets {
		c.ring(t, "Call", patience, func(o people.Outcome) {
			if o != people.Answered {
				failed <- o
				return
			}
			if c.expect(c.service.identity(t)).Join() == nil {
				answered <- struct{}{}
			}
		})
	}
	for range targets {
		select {
		case <-answered:
			return true
		case o := <-failed:
			if len(targets) == 1 {
				c.end(ringResult(o), "the callee: "+string(o), false)
				return false
			}
		case <-c.done:
			return false
		}
	}
	c.end(nobodyJoined, "none of the callees answered", false)
	return false
}

// expect makes a person known who belongs to this call.
func (c *call) expect(who meeting.Identity) *meeting.Person {
	p := c.meeting.Expect(who)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = append(c.people, p)
	return p
}

// enter brings the bot into the conversation, and the people of an incoming call, who have waited for it.
func (c *call) enter(e meeting.Entry) error {
	if c.from != nil {
		for _, p := range c.waiting() {
			if err := p.Join(); err != nil {
				return err
			}
		}
	}
	return c.meeting.Enter(e)
}

func (c *call) waiting() []*meeting.Person {
	c.mu.Lock()
	all := c.people
	c.mu.Unlock()
	var out []*meeting.Person
	for _, p := range all {
		if p.Meeting() == c.meeting && !p.Here() {
			out = append(out, p)
		}
	}
	return out
}

// ringResult is how a call ends whose only callee did not answer. 408/10057 and 480/10037 are in the reference
// (section 4); 486 and 603 are SIP's, whose codes the service passes on, and 487/10004 is what Microsoft's calling
// services answer to a call nobody took in time.
func ringResult(o people.Outcome) Result {
	switch o {
	case people.Declined:
		return rejected
	case people.WasBusy:
		return result(486, 0, "Busy here")
	case people.NotReached:
		return result(480, 10037, "No callee endpoints were found")
	default:
		return result(487, 10004, "The call was not answered in time")
	}
}
