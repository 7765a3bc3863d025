// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"net/http"
	"slices"
	"strings"
)

// routeParticipants serves …/participants and what is below it (reference section 1.3).
func (c *call) routeParticipants(w http.ResponseWriter, r *request, rest []string) *apiError {
	switch len(rest) {
	case 0:
		return method(r, http.MethodGet, func() *apiError { return c.serveParticipants(w) })
	case 1:
		switch {
		case actionName(rest[0]) == "invite":
			return method(r, http.MethodPost, func() *apiError { return c.serveInvite(w, r) })
		case actionName(rest[0]) == "muteall", actionName(rest[0]) == "configuremixer":
			return notSimulated(rest[0])
		case r.Method == http.MethodGet:
			return c.serveParticipant(w, rest[0])
		case r.Method == http.MethodDelete:
			return c.serveRemove(w, r, rest[0])
		}
		return notAllowed(r)
	case 2:
		if serve, known := participantActions[actionName(rest[1])]; known {
			return method(r, http.MethodPost, func() *apiError { return serve(c, w, r, rest[0]) })
		}
	}
	return badRequest("Resource not found for the segment '%s'.", rest[len(rest)-1])
}

// participantActions are POST …/participants/{id}/{action}, by lower-case name.
var participantActions = map[string]func(*call, http.ResponseWriter, *request, string) *apiError{
	"mute":           (*call).serveMuteParticipant,
	"startholdmusic": (*call).serveStartHoldMusic,
	"stopholdmusic":  (*call).serveStopHoldMusic,
}

// actionName is the lower-case name of an action, with or without its namespace.
func actionName(segment string) string {
	return strings.TrimPrefix(strings.ToLower(segment), "microsoft.graph.")
}

func participantNotFound() *apiError {
	return &apiError{http.StatusNotFound, "NotFound", "Participant not found."}
}

// needs checks for one of several permissions, for the few operations that need one of their own after the call was
// created (reference section 8, "Simulator rule").
func (r *request) needs(anyOf ...string) *apiError {
	if slices.ContainsFunc(anyOf, r.claims.Has) {
		return nil
	}
	return missingRoles(anyOf[:1])
}

// inGroup says whether the bot is in a conversation that has a roster.
func (c *call) inGroup(what string) *apiError {
	if !c.grouped() {
		return badRequest("%s exists in group calls and meetings only", what)
	}
	if p, here := c.meeting.Find(c.participantID); !here || p.InLobby {
		return badRequest("the bot is not in the meeting yet")
	}
	return nil
}

// serveRemove serves DELETE …/participants/{id}: throwing somebody out, or giving up inviting them. A tenant's admin
// must have allowed the app to remove people (Set-CsApplicationMeetingConfiguration -AllowRemoveParticipantAppIds).
func (c *call) serveRemove(w http.ResponseWriter, r *request, id string) *apiError {
	if refusal := r.needs(roleJoin, roleJoinAsGuest); refusal != nil {
		return refusal
	}
	if c.withdraw(id) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if refusal := c.inGroup("removing participants"); refusal != nil {
		return refusal
	}
	if !c.service.Policies.MayRemove(c.tenantID, c.app.ID) {
		return &apiError{http.StatusForbidden, "Forbidden", "The application is not allowed to remove participants in this tenant."}
	}
	if c.meeting.Remove(id) != nil {
		return participantNotFound()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveMuteParticipant serves POST …/participants/{id}/mute. There is no way for a bot to unmute somebody else.
func (c *call) serveMuteParticipant(w http.ResponseWriter, r *request, id string) *apiError {
	context, refusal := parseContext(r)
	if refusal != nil {
		return refusal
	}
	if refusal := c.inGroup("muting participants"); refusal != nil {
		return refusal
	}
	if c.meeting.Mute(id, true) != nil {
		return participantNotFound()
	}
	c.succeed("muteParticipantOperation", context).reply(w, r, http.StatusOK)
	return nil
}

func (c *call) isEstablished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == stateEstablished
}
