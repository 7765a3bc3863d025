// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
	"net/http"

	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

// holdFailed has no code of its own in the documentation.
var holdFailed = result(400, 0, "The hold music cannot be played")

// holdPrompt is a mediaPrompt (reference sections 1.3 and 5).
var holdPrompt = object{
	types: []string{ns + "mediaPrompt"}, typeOptional: true, required: []string{"mediaInfo"},
	members: map[string]rule{"mediaInfo": object{
		types: []string{ns + "mediaInfo"}, typeOptional: true, required: []string{"uri"},
		members: map[string]rule{"uri": promptURI, "resourceId": text},
	}.check},
}

// serveStartHoldMusic serves POST …/participants/{id}/startHoldMusic. Only one participant of a call can be on hold at
// a time (reference section 1.3).
func (c *call) serveStartHoldMusic(w http.ResponseWriter, r *request, id string) *apiError {
	var body struct {
		ClientContext *string `json:"clientContext"`
		CustomPrompt  *struct {
			MediaInfo servicemedia.Prompt `json:"mediaInfo"`
		} `json:"customPrompt"`
	}
	if len(r.body) > 0 {
		if err := parse(r.body, actionRule(map[string]rule{"customPrompt": holdPrompt.check}), &body); err != nil {
			return badRequest("%v", err)
		}
	}
	if refusal := c.inGroup("hold music"); refusal != nil {
		return refusal
	}
	if p, here := c.meeting.Find(id); !here || p.InLobby || id == c.participantID {
		return participantNotFound()
	}
	c.mu.Lock()
	busy := c.onHold != ""
	if !busy {
		c.onHold = id
	}
	c.mu.Unlock()
	if busy {
		return badRequest("a participant is on hold already; only one can be at a time")
	}
	op := c.begin("startHoldMusicOperation", body.ClientContext)
	op.reply(w, r, http.StatusAccepted)
	c.service.background(func() {
		var clip []int16
		if p := body.CustomPrompt; p != nil {
			var err error
			if clip, err = c.service.Prompts.Get(context.Background(), c.app.ID, []servicemedia.Prompt{p.MediaInfo}); err != nil {
				c.unhold(id)
				c.service.Journal.Add(c.meeting.ID, c.id, "PromptFailed", err.Error())
				op.finish(operationFailed, holdFailed, nil)
				return
			}
		}
		if c.meeting.Hold(id, clip) != nil { // gone meanwhile
			c.unhold(id)
			op.finish(operationFailed, operationGone, nil)
			return
		}
		op.finish(operationCompleted, operationOK, nil)
	})
	return nil
}

// serveStopHoldMusic serves POST …/participants/{id}/stopHoldMusic.
func (c *call) serveStopHoldMusic(w http.ResponseWriter, r *request, id string) *apiError {
	context, refusal := parseContext(r)
	if refusal != nil {
		return refusal
	}
	if refusal := c.inGroup("hold music"); refusal != nil {
		return refusal
	}
	if !c.unhold(id) {
		return badRequest("the participant is not on hold")
	}
	op := c.begin("stopHoldMusicOperation", context)
	op.reply(w, r, http.StatusAccepted)
	_ = c.meeting.Unhold(id) // or has left, which ends the music as well
	op.finish(operationCompleted, operationOK, nil)
	return nil
}

func (c *call) unhold(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onHold != id {
		return false
	}
	c.onHold = ""
	return true
}
