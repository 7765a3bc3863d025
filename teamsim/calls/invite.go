// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
)

// maxInvited is how many may be invited at once (reference section 4).
const maxInvited = 5

var (
	operationGone = result(404, 8522, "The participant or the call is gone")
	withdrawn     = result(400, 8508, "The invitation was withdrawn")
	// callReplaced ends the call out of which an invitation took the person.
	callReplaced = result(200, 0, "The call was replaced by another")
)

// invite is a running inviteParticipantsOperation. It ends when everybody has answered or not; the first to fail makes it
// fail, though the others may come.
type invite struct {
	call *call
	op   *operation

	mu      sync.Mutex
	waiting int
	failure *Result
}

// serveInvite serves POST …/participants/invite.
func (c *call) serveInvite(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		ClientContext *string  `json:"clientContext"`
		Participants  []target `json:"participants"`
	}
	rules := map[string]rule{"participants": list(invitation(r.beta).check, 1, maxInvited)}
	if err := parse(r.body, actionRule(rules, "participants"), &body); err != nil {
		return badRequest("%v", err)
	}
	if refusal := r.needs(roleGroupCall); refusal != nil {
		return refusal
	}
	if !c.isEstablished() {
		return badRequest("participants can be invited once the call is established")
	}
	if body.Participants[0].ReplacesCallID != "" {
		body.Participants = body.Participants[:1] // the others are not read (reference section 1.3)
	}
	who := make([]invitee, len(body.Participants))
	asked := make([]document, len(body.Participants))
	for i := range body.Participants {
		var refusal *apiError
		if who[i], refusal = c.checkInvited(fmt.Sprintf("participants[%d]", i), &body.Participants[i]); refusal != nil {
			return refusal
		}
		kind := "user"
		if who[i].phone() {
			kind = "phone"
		}
		asked[i] = document{
			"@odata.type": ns + "invitationParticipantInfo", "identity": identityDoc(kind, who[i].id, who[i].displayName, ""),
			"participantId": body.Participants[i].ParticipantID,
		}
	}
	op := c.begin("inviteParticipantsOperation", body.ClientContext)
	op.describe(document{"status": "Running", "participants": asked}) // capital only here (reference section 1.3)
	op.reply(w, r, http.StatusOK)
	c.meeting.Escalate() // a call between two becomes a group call (reference section 2.4, 14)
	v := &invite{call: c, op: op, waiting: len(who)}
	for i, t := range body.Participants {
		if t.ReplacesCallID != "" {
			v.replace(who[i], t.ReplacesCallID)
		} else {
			v.ask(who[i], t.ParticipantID)
		}
	}
	return nil
}

// checkInvited judges one of the invited and finds it an id.
func (c *call) checkInvited(path string, t *target) (invitee, *apiError) {
	who, refusal := t.invitee(path)
	if refusal != nil {
		return who, refusal
	}
	if t.ParticipantID == "" {
		t.ParticipantID = uuid.NewString()
	}
	if t.ReplacesCallID == "" {
		return who, c.service.reachable(c, path, who)
	}
	other, ok := c.service.find(t.ReplacesCallID, c.app.ID)
	if !ok || other == c || other.grouped() {
		return who, badRequest("%s.replacesCallId is not a call of the application with one person", path)
	}
	return who, nil
}

// ask makes a phone ring. Until it is answered, the bot can withdraw the invitation by removing the participant.
func (v *invite) ask(who invitee, participantID string) {
	c := v.call
	c.mu.Lock()
	if c.invited == nil {
		c.invited = map[string]*people.Ring{}
	}
	c.invited[participantID] = nil // so that the answer finds it
	c.mu.Unlock()
	ring := c.ring(who, "Invite", DefaultRinging, func(o people.Outcome) {
		c.mu.Lock()
		delete(c.invited, participantID)
		c.mu.Unlock()
		if o != people.Answered {
			r := inviteResult(o)
			v.done(&r)
			return
		}
		v.enter(c.meeting.ExpectAs(participantID, c.service.identity(who)))
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waiting := c.invited[participantID]; waiting {
		c.invited[participantID] = ring
	}
}

// withdraw gives up an invitation that has not been answered.
func (c *call) withdraw(participantID string) bool {
	c.mu.Lock()
	ring := c.invited[participantID]
	c.mu.Unlock()
	if ring == nil {
		return false
	}
	ring.Cancel()
	return true
}

// replace takes the person of a call between two into this one; that call ends.
func (v *invite) replace(who invitee, callID string) {
	c := v.call
	other, ok := c.service.find(callID, c.app.ID)
	if !ok {
		v.done(&operationGone)
		return
	}
	for _, p := range other.meeting.Participants() {
		person, known := other.meeting.Person(p.ID)
		if !known || !sameID(p.IdentityID, who.id) {
			continue
		}
		if c.meeting.Move(person) != nil {
			break
		}
		c.mu.Lock()
		c.people = append(c.people, person)
		c.mu.Unlock()
		other.end(callReplaced, "replaced by an invitation into call "+c.id, false)
		v.done(nil)
		return
	}
	v.done(&operationGone)
}

func (v *invite) enter(p *meeting.Person) {
	c := v.call
	if p.Join() != nil { // the conversation is over
		v.done(&operationGone)
		return
	}
	c.mu.Lock()
	c.people = append(c.people, p)
	c.mu.Unlock()
	v.done(nil)
}

// done counts one of the invited off, with why they did not come.
func (v *invite) done(failure *Result) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failure == nil {
		v.failure = failure
	}
	if v.waiting--; v.waiting > 0 {
		return
	}
	if v.failure != nil {
		v.op.finish(operationFailed, *v.failure, nil)
		return
	}
	v.op.finish(operationCompleted, operationOK, nil)
}

func inviteResult(o people.Outcome) Result {
	if o == people.CallerCancelled {
		return withdrawn
	}
	return ringResult(o)
}
