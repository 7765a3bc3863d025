// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
)

// How long redirected phones ring unless the bot says otherwise: a single one, and several (reference section 4).
const (
	redirectOne  = 55 * time.Second
	redirectMany = 60 * time.Second
)

// redirected is how a call ends that somebody else has answered. The code is not documented.
var redirected = result(200, 0, "The call was redirected")

// redirectBody is the body of POST …/redirect (reference section 1.1). More than one target is simulring.
func redirectBody(beta bool) rule {
	members := map[string]rule{
		"targets": list(invitation(beta).check, 1, 25), "timeout": integer(15, 90), "callbackUri": httpsURI, "routingPolicies": list(text, 0, 5),
	}
	if beta {
		members["maskCallee"], members["maskCaller"], members["targetDisposition"] = boolean, boolean, oneOf("default", "simultaneousRing", "forward")
	}
	return object{types: []string{""}, typeOptional: true, required: []string{"targets"}, members: members}.check
}

// serveRedirect serves POST …/redirect.
func (c *call) serveRedirect(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		Targets     []target `json:"targets"`
		Timeout     int      `json:"timeout"`
		CallbackURI string   `json:"callbackUri"`
	}
	if err := parse(r.body, redirectBody(r.beta), &body); err != nil {
		return badRequest("%v", err)
	}
	if c.direction != directionIncoming {
		return badRequest("only an incoming call can be redirected")
	}
	if refusal := r.lacks(roleInitiate); refusal != nil {
		return refusal
	}
	var to []invitee
	for i, t := range body.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		who, refusal := t.invitee(path)
		if refusal == nil {
			refusal = c.service.reachable(c, path, who)
		}
		if refusal != nil {
			return refusal
		}
		to = append(to, who)
	}
	patience := redirectOne
	if len(to) > 1 {
		patience = redirectMany
	}
	if body.Timeout > 0 {
		patience = time.Duration(body.Timeout) * time.Second
	}
	if refusal := c.react(body.CallbackURI, func() { c.state = stateRedirecting }); refusal != nil {
		return refusal
	}
	c.service.Journal.Add(c.meetingID(), c.id, "CallRedirected", fmt.Sprintf("to %d targets", len(to)))
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush()
	c.service.background(func() { c.forward(to, patience) })
	return nil
}

// forward rings everybody at once and gives the call to whoever answers first.
func (c *call) forward(to []invitee, patience time.Duration) {
	type answer struct {
		invitee
		people.Outcome
	}
	answers := make(chan answer, len(to))
	for _, i := range to {
		c.ring(i, "Redirect", patience, func(o people.Outcome) { answers <- answer{i, o} })
	}
	last := people.NobodyAnswered
	for range to {
		select {
		case a := <-answers:
			if a.Outcome == people.Answered {
				c.giveTo(c.service.identity(a.invitee))
				return
			}
			last = a.Outcome
		case <-c.done:
			return
		}
	}
	c.end(ringResult(last), "redirected, but: "+string(last), false)
}

// giveTo connects the caller of a redirected call with whoever answered, and ends the bot's part in it.
func (c *call) giveTo(who meeting.Identity) {
	for _, p := range c.waiting() {
		_ = p.Join() // or has given up at this moment, and the call is over
	}
	_ = c.expect(who).Join()
	c.endWith(document{
		"answeredBy": document{"@odata.type": ns + "participantInfo", "identity": identityOf(who)},
	}, redirected, "redirected to "+who.DisplayName)
}

// endWith ends a call, and the last notification says more than the result.
func (c *call) endWith(terminal document, r Result, detail string) {
	c.mu.Lock()
	c.terminal = terminal
	c.mu.Unlock()
	c.end(r, detail, false)
}

func identityOf(who meeting.Identity) document {
	if who.Kind == meeting.KindPhone {
		return identityDoc("phone", who.ID, who.DisplayName, "")
	}
	return identityDoc("user", who.ID, who.DisplayName, who.TenantID)
}

// lacks names the permission an operation needs of its own and the app has not got.
func (r *request) lacks(role string) *apiError { return lacking(r.claims, []string{role}) }
