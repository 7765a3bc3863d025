// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

// screenSharing is the modality of shared screens.
const screenSharing = "videoBasedScreenSharing"

// serveChangeScreenSharingRole serves POST …/changeScreenSharingRole: application-hosted group calls only (reference
// section 1.3). The role is the direction of the bot's stream of videoBasedScreenSharing, which a call that neither asked for the
// modality nor answered with it does not have; how the service words that is not documented. What is shared is not simulated, only
// who shares.
func (c *call) serveChangeScreenSharingRole(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		Role string `json:"role"`
	}
	if err := parse(r.body, actionRule(map[string]rule{"role": oneOf("viewer", "sharer")}, "role"), &body); err != nil {
		return badRequest("%v", err)
	}
	if refusal := r.needs(roleMedia); refusal != nil {
		return refusal
	}
	if refusal := c.inGroup("changeScreenSharingRole"); refusal != nil {
		return refusal
	}
	if !c.appHosted() {
		return badRequest("changeScreenSharingRole needs application-hosted media")
	}
	if !c.has(screenSharing) {
		return badRequest("changeScreenSharingRole needs a call with the modality %s", screenSharing)
	}
	if c.meeting.ShareScreen(c.participantID, body.Role == "sharer") != nil {
		return callNotFound()
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// galleryType is how the roster shows the large gallery view (reference section 1.3).
const galleryType = "LargeGallery-V2"

// serveAddLargeGalleryView serves POST …/addLargeGalleryView.
func (c *call) serveAddLargeGalleryView(w http.ResponseWriter, r *request) *apiError {
	context, refusal := parseContext(r)
	if refusal != nil {
		return refusal
	}
	if refusal := r.needs(roleJoin, roleJoinAsGuest, roleGroupCall); refusal != nil {
		return refusal
	}
	if refusal := c.inGroup("addLargeGalleryView"); refusal != nil {
		return refusal
	}
	op := c.begin("addLargeGalleryViewOperation", context)
	op.reply(w, r, http.StatusAccepted)
	c.service.background(func() {
		if err := c.enterGallery(); err != nil {
			op.finish(operationFailed, operationGone, nil)
			return
		}
		op.finish(operationCompleted, operationOK, nil)
	})
	return nil
}

// enterGallery brings the view into the meeting, once however often it is asked for.
func (c *call) enterGallery() error {
	for _, p := range c.meeting.Participants() {
		if p.ApplicationType == galleryType {
			return nil
		}
	}
	metadata, err := json.Marshal(map[string]any{"audienceView": []map[string]any{{"id": uuid.NewString(), "page": 0, "status": "active"}}})
	if err != nil {
		return err
	}
	id := uuid.NewString()
	c.mu.Lock()
	c.gallery = id
	over := c.state == stateTerminated
	c.mu.Unlock()
	if over {
		return meeting.ErrOver
	}
	return c.meeting.Enter(meeting.Entry{Participant: meeting.Participant{
		ID: id, Kind: meeting.KindService, IdentityID: uuid.NewString(), DisplayName: "Large Gallery", TenantID: c.tenantID,
		ApplicationType: galleryType, Metadata: string(metadata),
		Streams: []meeting.Stream{{Type: meeting.Video, Label: "main-video", Direction: "sendReceive"}},
	}})
}

// leaveBehind takes back what a bot that has gone brought about: its large gallery view, and somebody on hold.
func (c *call) leaveBehind() {
	c.mu.Lock()
	gallery, onHold := c.gallery, c.onHold
	c.mu.Unlock()
	if gallery != "" {
		c.meeting.Leave(gallery)
	}
	if onHold != "" {
		_ = c.meeting.Unhold(onHold) // or has left as well
	}
}

// routeContentSharing serves GET …/contentSharingSessions[/{id}] (reference section 1.3).
func (c *call) routeContentSharing(w http.ResponseWriter, r *request, rest []string) *apiError {
	if len(rest) > 1 {
		return badRequest("Resource not found for the segment '%s'.", rest[1])
	}
	return method(r, http.MethodGet, func() *apiError {
		docs := []document{}
		if c.grouped() {
			if id := meeting.SharingSession(c.meeting.SeenBy(c.participantID)); id != "" {
				docs = append(docs, document{"@odata.type": ns + "contentSharingSession", "id": id})
			}
		}
		if len(rest) == 0 {
			reply(w, http.StatusOK, document{"value": docs})
			return nil
		}
		for _, d := range docs {
			if d["id"] == rest[0] {
				reply(w, http.StatusOK, d)
				return nil
			}
		}
		return &apiError{http.StatusNotFound, "NotFound", "Content sharing session not found."}
	})
}

// has says whether the call was created, or answered, with a modality.
func (c *call) has(modality string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.request.RequestedModalities, modality)
}

func (c *call) appHosted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request.MediaConfig.appHosted()
}
