// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// routingGroup is an audioRoutingGroup (reference section 1.4). It is kept and checked; the mix does not follow it.
type routingGroup struct {
	ID        string   `json:"id"`
	Mode      string   `json:"routingMode"`
	Sources   []string `json:"sources"`
	Receivers []string `json:"receivers"`
}

type routingGroups struct {
	mu   sync.Mutex
	byID map[string]routingGroup
}

var routingGroupRule = object{
	types: []string{ns + "audioRoutingGroup"}, typeOptional: true,
	members: map[string]rule{
		"id": nonEmpty, "routingMode": oneOf("oneToOne", "multicast"), "sources": list(nonEmpty, 0, 1000), "receivers": list(nonEmpty, 0, 1000),
	},
}

func (g routingGroup) document() document {
	return document{"@odata.type": ns + "audioRoutingGroup", "id": g.ID, "routingMode": g.Mode, "sources": g.Sources, "receivers": g.Receivers}
}

// routeRoutingGroups serves …/audioRoutingGroups[/{id}].
func (c *call) routeRoutingGroups(w http.ResponseWriter, r *request, rest []string) *apiError {
	if len(rest) > 1 {
		return badRequest("Resource not found for the segment '%s'.", rest[1])
	}
	if refusal := r.needs(roleJoin, roleGroupCall); refusal != nil {
		return refusal
	}
	if refusal := c.inGroup("audio routing groups"); refusal != nil {
		return refusal
	}
	g := &c.routing
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(rest) == 0 {
		switch r.Method {
		case http.MethodGet:
			docs := []document{}
			for _, one := range slices.SortedFunc(maps.Values(g.byID), func(a, b routingGroup) int { return cmp.Compare(a.ID, b.ID) }) {
				docs = append(docs, one.document())
			}
			reply(w, http.StatusOK, document{"value": docs})
			return nil
		case http.MethodPost:
			return c.createGroup(w, r)
		}
		return notAllowed(r)
	}
	one, ok := g.byID[rest[0]]
	if !ok {
		return &apiError{http.StatusNotFound, "NotFound", "Audio routing group not found."}
	}
	switch r.Method {
	case http.MethodGet:
		reply(w, http.StatusOK, one.document())
	case http.MethodPatch:
		return c.changeGroup(w, r, one)
	case http.MethodDelete:
		delete(g.byID, one.ID)
		w.WriteHeader(http.StatusNoContent)
	default:
		return notAllowed(r)
	}
	return nil
}

func (c *call) createGroup(w http.ResponseWriter, r *request) *apiError {
	var one routingGroup
	if err := parse(r.body, routingGroupRule.check, &one); err != nil {
		return badRequest("%v", err)
	}
	if refusal := c.checkGroup(one); refusal != nil {
		return refusal
	}
	one.ID = cmp.Or(one.ID, uuid.NewString())
	if _, taken := c.routing.byID[one.ID]; taken {
		return &apiError{http.StatusConflict, "Conflict", "There is an audio routing group of this id."}
	}
	if c.routing.byID == nil {
		c.routing.byID = map[string]routingGroup{}
	}
	c.routing.byID[one.ID] = one
	reply(w, http.StatusOK, one.document()) // 200 by the text of the documentation (reference section 1.4)
	return nil
}

// changeGroup changes what the body names and leaves the rest.
func (c *call) changeGroup(w http.ResponseWriter, r *request, one routingGroup) *apiError {
	changed := one
	if err := parse(r.body, routingGroupRule.check, &changed); err != nil {
		return badRequest("%v", err)
	}
	if changed.ID != one.ID || changed.Mode != one.Mode {
		return badRequest("id and routingMode of an audio routing group cannot be changed")
	}
	if refusal := c.checkGroup(changed); refusal != nil {
		return refusal
	}
	c.routing.byID[one.ID] = changed
	reply(w, http.StatusOK, changed.document())
	return nil
}

func (c *call) checkGroup(g routingGroup) *apiError {
	switch {
	case g.Mode == "":
		return badRequest("routingMode is required")
	case g.Mode == "oneToOne" && (len(g.Sources) != 1 || len(g.Receivers) != 1):
		return badRequest("a oneToOne group has one source and one receiver")
	case g.Mode == "multicast" && (len(g.Sources) != 1 || len(g.Receivers) == 0):
		return badRequest("a multicast group has one source and at least one receiver")
	}
	for _, id := range append(slices.Clone(g.Sources), g.Receivers...) {
		if _, here := c.meeting.Find(id); !here {
			return badRequest("%q is not a participant of the call", id)
		}
	}
	return nil
}
