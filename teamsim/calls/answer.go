// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"

	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

var (
	incomingOptions = object{types: []string{ns + "incomingCallOptions"}, members: outgoingOptions.members}
	// answerBody is the body of POST …/answer (reference section 1.1).
	answerBody = object{
		types: []string{""}, typeOptional: true, required: []string{"callbackUri", "mediaConfig"},
		members: map[string]rule{
			"callbackUri": httpsURI, "acceptedModalities": list(modality, 1, 4), "mediaConfig": byType(appHosted, serviceHosted),
			"participantCapacity": integer(0, 1<<31-1), "callOptions": incomingOptions.check,
		},
	}
	rejectBody = object{types: []string{""}, typeOptional: true, members: map[string]rule{
		"reason": oneOf("none", "busy", "forbidden"), "callbackUri": httpsURI,
	}}
)

type answerRequest struct {
	CallbackURI         string      `json:"callbackUri"`
	AcceptedModalities  []string    `json:"acceptedModalities"`
	MediaConfig         mediaConfig `json:"mediaConfig"`
	ParticipantCapacity int         `json:"participantCapacity"`
	CallOptions         callOptions `json:"callOptions"`
}

// serveAnswer serves POST …/answer.
func (c *call) serveAnswer(w http.ResponseWriter, r *request) *apiError {
	var body answerRequest
	if err := parse(r.body, answerBody.check, &body); err != nil {
		return badRequest("%v", err)
	}
	var media blob
	if body.MediaConfig.appHosted() {
		var refusal *apiError
		if media, refusal = parseBlob(body.MediaConfig.Blob); refusal != nil {
			return refusal
		}
		c.service.Secrets.Add(secrets.MediaToken, media.Token)
	}
	if c.direction != directionIncoming {
		return badRequest("only an incoming call can be answered")
	}
	if refusal := permitAnswer(r.claims, c, body.MediaConfig); refusal != nil {
		return refusal
	}
	if refusal := c.react(body.CallbackURI, func() {
		c.request.MediaConfig, c.request.CallOptions, c.blob, c.capacity = body.MediaConfig, body.CallOptions, media, body.ParticipantCapacity
		if len(body.AcceptedModalities) > 0 {
			c.request.RequestedModalities = body.AcceptedModalities
		}
		if !body.MediaConfig.appHosted() {
			c.player = servicemedia.New()
		}
		c.state = stateEstablishing // so that a second answer is refused
		c.deadline = c.service.Clock.AfterFunc(KeepAliveDeadline, func() { c.end(keepAliveLost, "no keepAlive for 45 minutes", false) })
	}); refusal != nil {
		return refusal
	}
	c.service.Journal.Add(c.meetingID(), c.id, "CallAnswered", c.app.Name())
	c.service.prefetch(c.app.ID, body.MediaConfig)
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush() // before the first notification, if the bot is quick
	c.service.background(c.run)
	return nil
}

// react takes the bot's decision about an incoming call: the first one that comes in time. Notifications go to
// callbackURI from now on, if it is not empty.
func (c *call) react(callbackURI string, change func()) *apiError {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == stateTerminated:
		return callNotFound()
	case c.state != stateIncoming:
		return decidedAlready(c.state)
	case !c.deadline.Stop():
		return callNotFound() // too late by a hair: its end is on the way
	}
	if callbackURI != "" {
		c.callbackURI = callbackURI
		c.queue.Redirect(callbackURI)
	}
	change()
	return nil
}

// decidedAlready answers the second answer, rejection or redirection. What the service says is not known (reference
// section 11).
func decidedAlready(state string) *apiError {
	return &apiError{http.StatusConflict, "Conflict", fmt.Sprintf("The call is %s: it was answered, rejected or redirected already.", state)}
}

// serveReject serves POST …/reject.
func (c *call) serveReject(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		Reason      string `json:"reason"`
		CallbackURI string `json:"callbackUri"`
	}
	if err := parse(r.body, rejectBody.check, &body); err != nil {
		return badRequest("%v", err)
	}
	if c.direction != directionIncoming {
		return badRequest("only an incoming call can be rejected")
	}
	if refusal := c.react(body.CallbackURI, func() { c.state = stateTerminating }); refusal != nil {
		return refusal
	}
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush()
	c.end(rejected, "rejected by the bot: "+body.Reason, false)
	return nil
}
