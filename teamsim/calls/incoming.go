// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/callback"
)

// Caller is a person who calls a bot.
type Caller struct {
	UserID, DisplayName, TenantID string
}

// Ring calls a bot, whose webhook is told (reference section 2.4, 1). The bot has 15 s to react.
func (s *Service) Ring(appID string, from Caller) (callID string, err error) {
	app, ok := s.Directory.Get(appID)
	if !ok {
		return "", fmt.Errorf("no app %s is registered", appID)
	}
	if httpsURI("webhook", app.WebhookURL) != nil {
		return "", fmt.Errorf("the app has no calling webhook, or one that is not https: register it with one")
	}
	if !app.In(from.TenantID) {
		return "", fmt.Errorf("the app is not consented to in the caller's tenant")
	}
	chain := uuid.NewString()
	c := &call{
		service: s, id: uuid.NewString(), app: app, tenantID: strings.ToLower(from.TenantID), participantID: uuid.NewString(), chainID: chain,
		scenarioID: chain, direction: directionIncoming, callbackURI: app.WebhookURL, caller: &from, done: make(chan struct{}),
		state: stateIncoming, created: time.Now(),
	}
	c.request.RequestedModalities = []string{"audio"}
	c.queue = s.Sender.Queue(callback.Call{
		ID: c.id, AppID: app.ID, TenantID: c.tenantID, CallbackURI: c.callbackURI, ChainID: chain, ScenarioID: chain,
	})
	c.deadline = s.Clock.AfterFunc(AnswerDeadline, func() { c.end(notAnswered, "the bot did not react within 15 s", false) })
	if !s.add(c) {
		return "", fmt.Errorf("teamsim is stopping")
	}
	s.Journal.Add("", c.id, "IncomingCall", from.DisplayName+" calls "+app.Name())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notify("created", stateIncoming, c.incomingData())
	return c.id, nil
}

func (c *call) incomingData() document {
	d := c.stateData()
	d["direction"] = directionIncoming
	d["source"] = c.sourceDoc()
	d["targets"] = []document{{
		"@odata.type": ns + "invitationParticipantInfo", "identity": identityDoc("application", c.app.ID, c.app.Name(), ""),
	}}
	d["requestedModalities"] = c.request.RequestedModalities
	d["myParticipantId"] = c.participantID
	d["callRoutes"] = []any{}
	d["incomingContext"] = document{"@odata.type": ns + "incomingContext", "sourceParticipantId": uuid.NewString()}
	return d
}

// serveReject serves POST …/reject.
func (c *call) serveReject(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		Reason      string `json:"reason"`
		CallbackURI string `json:"callbackUri"`
	}
	check := object{types: []string{""}, typeOptional: true, members: map[string]rule{
		"reason": oneOf("none", "busy", "forbidden"), "callbackUri": httpsURI,
	}}
	if err := parse(r.body, check.check, &body); err != nil {
		return badRequest("%v", err)
	}
	if c.direction != directionIncoming {
		return badRequest("only an incoming call can be rejected")
	}
	if body.CallbackURI != "" {
		c.queue.Redirect(body.CallbackURI)
	}
	if !c.end(rejected, "rejected by the bot: "+body.Reason, false) {
		return callNotFound()
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
