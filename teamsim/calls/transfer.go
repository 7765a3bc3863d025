// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
)

// The ends of transfers (reference section 1.1): the call is gone, or is as before and says why.
var (
	transferred    = Result{Code: 0, Subcode: 7015, Message: "GracefulTransferCompleted"}
	transferFailed = result(500, 7000, "The transfer failed")
	replaceFailed  = result(500, 7700, "The call to be replaced could not be replaced")
)

type transferRequest struct {
	TransferTarget target `json:"transferTarget"`
	Transferee     *struct {
		Identity struct {
			User  *person `json:"user"`
			Phone *person `json:"phone"`
		} `json:"identity"`
		ParticipantID string `json:"participantId"`
	} `json:"transferee"`
}

// serveTransfer serves POST …/transfer: to somebody whose phone rings, or, with replacesCallId, to whom the bot speaks in
// another call.
func (c *call) serveTransfer(w http.ResponseWriter, r *request) *apiError {
	var body transferRequest
	check := actionRule(map[string]rule{"transferTarget": invitation(r.beta).check, "transferee": participantInfo.check}, "transferTarget")
	if err := parse(r.body, check, &body); err != nil {
		return badRequest("%v", err)
	}
	if refusal := r.lacks(roleInitiate); refusal != nil {
		return refusal
	}
	to, refusal := body.TransferTarget.invitee("transferTarget")
	if refusal == nil {
		refusal = c.service.reachable(c, "transferTarget", to)
	}
	if refusal != nil {
		return refusal
	}
	who, refusal := c.transferee(body)
	if refusal != nil {
		return refusal
	}
	c.mu.Lock()
	if c.state != stateEstablished {
		defer c.mu.Unlock()
		return badRequest("the call is %s; only an established call can be transferred", c.state)
	}
	c.state = stateTransferring // before the reply, so that a second transfer is refused
	c.mu.Unlock()
	c.service.Journal.Add(c.meetingID(), c.id, "Transfer", who.DisplayName+" to "+c.service.identity(to).DisplayName)
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush()
	c.advance(stateTransferring)
	if body.TransferTarget.ReplacesCallID != "" {
		c.service.background(func() { c.replace(who, to, body.TransferTarget.ReplacesCallID) })
		return nil
	}
	c.ring(to, "Transfer", DefaultRinging, func(o people.Outcome) {
		if o != people.Answered {
			c.transferEnds(transferFailed, "the target: "+string(o))
			return
		}
		c.handOver(who, false, func(where *meeting.Meeting) error { return c.join(where, c.service.identity(to)) })
	})
	return nil
}

// transferee is who is transferred: the other party, or in a group the one who is named.
func (c *call) transferee(body transferRequest) (*meeting.Person, *apiError) {
	c.mu.Lock()
	all := c.people
	c.mu.Unlock()
	if !c.grouped() {
		for _, p := range all {
			if p.Here() {
				return p, nil
			}
		}
		return nil, badRequest("there is nobody in the call who could be transferred")
	}
	t := body.Transferee
	if t == nil {
		return nil, badRequest("transferee is required to transfer somebody out of a group call")
	}
	for _, p := range c.meeting.People() {
		named := t.ParticipantID == p.ID || t.Identity.User != nil && sameID(t.Identity.User.ID, p.UserID) || t.Identity.Phone != nil && t.Identity.Phone.ID == p.UserID
		if named && p.Here() {
			return p, nil
		}
	}
	return nil, badRequest("transferee is nobody in the call")
}

// replace connects the transferee with the other party of another call of the same bot, which ends with it.
func (c *call) replace(who *meeting.Person, to invitee, otherID string) {
	other, ok := c.service.find(otherID, c.app.ID)
	if !ok || other == c {
		c.transferEnds(replaceFailed, "there is no other call of the bot to be replaced")
		return
	}
	target := other.partner(to)
	if target == nil {
		c.transferEnds(replaceFailed, "the call to be replaced is not one with the target")
		return
	}
	c.handOver(who, true, func(where *meeting.Meeting) error {
		if err := where.Move(target); err != nil {
			return err
		}
		other.endWith(appTransferred(), transferred, "replaced by a transfer")
		return nil
	})
}

// partner finds the invitee in an established call between two.
func (c *call) partner(i invitee) *meeting.Person {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grouped() || c.state != stateEstablished {
		return nil
	}
	for _, p := range c.people {
		if sameID(p.UserID, i.id) {
			return p
		}
	}
	return nil
}

// join brings somebody who answered into a conversation because of this call.
func (c *call) join(where *meeting.Meeting, who meeting.Identity) error {
	p := where.Expect(who)
	c.mu.Lock()
	c.people = append(c.people, p)
	c.mu.Unlock()
	return p.Join()
}

// appTransferred is what the last notification of a consultative transfer says in place of a result.
func appTransferred() document {
	return document{"terminationReason": "AppTransferred", "resultInfo": nil}
}

// handOver connects the people, tells the bot and ends its part. Media may become inactive before or after the transfer
// is accepted (reference section 2.3): here before in a consultative transfer, and after in the other kind.
func (c *call) handOver(who *meeting.Person, consultative bool, bring func(*meeting.Meeting) error) {
	where := c.meeting
	if c.grouped() {
		where = c.service.Meetings.Open(meeting.OneToOne, who.DisplayName, c.tenantID)
	}
	if err := errors.Join(bring(where), where.Move(who)); err != nil {
		c.transferEnds(transferFailed, err.Error())
		return
	}
	detail := "transferred " + who.DisplayName
	if consultative {
		c.mediaInactive()
		c.advance(stateTransferAccepted)
		c.endWith(appTransferred(), transferred, detail)
		return
	}
	c.advance(stateTransferAccepted)
	c.mediaInactive()
	c.end(transferred, detail, false)
}

func (c *call) mediaInactive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateTerminated {
		return
	}
	c.mediaActive = false
	d := c.stateData()
	d["mediaState"] = document{"@odata.type": ns + "callMediaState", "audio": "inactive"}
	c.notify("updated", c.state+", media inactive", d)
}

// transferEnds takes a failed transfer back: the call is established again and says why.
func (c *call) transferEnds(r Result, detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateTransferring {
		return
	}
	c.state = stateEstablished
	d := c.stateData()
	d["resultInfo"] = resultDoc(r)
	c.notify("updated", fmt.Sprintf("established, transfer failed %d/%d", r.Code, r.Subcode), d)
	c.service.Journal.Add(c.meetingID(), c.id, "TransferFailed", detail)
}
