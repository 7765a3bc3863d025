// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"bytes"
	"net/http"
)

// maxClientContext is the length of clientContext everywhere (reference section 1).
const maxClientContext = 256

// serveKeepAlive serves POST …/keepAlive, which has no body.
func (c *call) serveKeepAlive(w http.ResponseWriter, r *request) *apiError {
	if b := bytes.TrimSpace(r.body); len(b) > 0 && string(b) != "{}" {
		return badRequest("keepAlive takes no body")
	}
	if c.undecided() {
		return badRequest("the call has not been answered")
	}
	if !c.keepAlive() {
		return callNotFound()
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// serveParticipants serves GET …/participants. Calls without a meeting have an empty list (reference section 1.3).
func (c *call) serveParticipants(w http.ResponseWriter) *apiError {
	docs := []document{}
	if c.grouped() {
		docs = participantDocs(c.meeting.SeenBy(c.participantID))
	}
	reply(w, http.StatusOK, document{
		"@odata.context": c.service.BaseURL + "/v1.0/$metadata#communications/calls('" + c.id + "')/participants", "value": docs,
	})
	return nil
}

// serveParticipant serves GET …/participants/{id}.
func (c *call) serveParticipant(w http.ResponseWriter, id string) *apiError {
	if c.grouped() {
		for _, p := range c.meeting.SeenBy(c.participantID) {
			if p.ID == id {
				reply(w, http.StatusOK, participantDoc(p))
				return nil
			}
		}
	}
	return &apiError{http.StatusNotFound, "NotFound", "Participant not found."}
}

// serveMute serves POST …/mute and …/unmute: the service drops the bot's packets, and the roster says so.
func (c *call) serveMute(w http.ResponseWriter, r *request, muted bool) *apiError {
	context, refusal := parseContext(r)
	if refusal != nil {
		return refusal
	}
	if !c.grouped() {
		return badRequest("mute and unmute exist in group calls only")
	}
	if c.meeting.Mute(c.participantID, muted) != nil {
		return badRequest("the bot is not in the meeting yet")
	}
	kind := "muteParticipantOperation"
	if !muted {
		kind = "unmuteParticipantOperation"
	}
	c.succeed(kind, context).reply(w, r, http.StatusOK)
	return nil
}
