// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

// mediaPrompt is the type of a prompt (reference section 1.3).
var mediaPrompt = object{
	types: []string{ns + "mediaPrompt"}, required: []string{"mediaInfo"},
	members: map[string]rule{"mediaInfo": object{
		types: []string{ns + "mediaInfo"}, typeOptional: true, required: []string{"uri"},
		members: map[string]rule{"uri": promptURI, "resourceId": text},
	}.check},
}

type prompts []struct {
	MediaInfo servicemedia.Prompt `json:"mediaInfo"`
}

func (p prompts) all() []servicemedia.Prompt {
	var all []servicemedia.Prompt
	for _, one := range p {
		all = append(all, one.MediaInfo)
	}
	return all
}

// unknownError is how the service answers operations on media that it does not host (reference section 4).
func unknownError() *apiError {
	return &apiError{http.StatusInternalServerError, "UnknownError",
		"The call's media is hosted by the application; this operation exists with serviceHostedMediaConfig only."}
}

// hosted returns the player of an established call whose media the service hosts.
func (c *call) hosted() (*servicemedia.Player, *apiError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.player == nil && c.request.MediaConfig.appHosted():
		return nil, unknownError()
	case c.state != stateEstablished || c.player == nil:
		return nil, badRequest("the call is %s; this operation needs an established call", c.state)
	}
	return c.player, nil
}

// servePlayPrompt serves POST …/playPrompt.
func (c *call) servePlayPrompt(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		contextBody
		Prompts prompts `json:"prompts"`
	}
	if err := parse(r.body, actionRule(map[string]rule{"prompts": list(mediaPrompt.check, 1, 20)}, "prompts"), &body); err != nil {
		return badRequest("%v", err)
	}
	player, refusal := c.hosted()
	if refusal != nil {
		return refusal
	}
	op := c.begin("playPromptOperation", body.ClientContext)
	job := player.Play(func(e servicemedia.Ending) {
		if e.Reason == servicemedia.PlayPromptFailed {
			e.Reason = "unknown" // the play operation has no reason for it
		}
		c.finishMedia(op, e, nil)
	})
	op.reply(w, r, http.StatusOK)
	c.load(player, job, body.Prompts.all(), nil)
	return nil
}

// load fetches the prompts of a job.
func (c *call) load(player *servicemedia.Player, job *servicemedia.Job, prompts []servicemedia.Prompt, after []int16) {
	c.service.background(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { // the end of the call stops fetching
			select {
			case <-c.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		clip, err := c.service.Prompts.Get(ctx, c.app.ID, prompts)
		player.Load(job, append(clip, after...), err)
	})
}

// finishMedia ends an operation that plays or records.
func (c *call) finishMedia(op *operation, e servicemedia.Ending, extra document) {
	d := document{"completionReason": string(e.Reason)}
	for k, v := range extra {
		d[k] = v
	}
	switch {
	case e.Cancelled:
		op.finish(operationFailed, operationCancelled, d)
	case e.Failure != nil:
		c.service.Journal.Add(c.meetingID(), c.id, "PromptFailed", e.Failure.Error())
		op.finish(operationFailed, Result{Code: 500, Subcode: 0, Message: e.Failure.Error()}, d)
	case e.Reason == servicemedia.MaxDuration:
		op.finish(operationCompleted, Result{Code: 200, Subcode: 8515, Message: "The maximum duration of the recording was reached"}, d)
	default:
		op.finish(operationCompleted, operationOK, d)
	}
}

// serveCancelMediaProcessing serves POST …/cancelMediaProcessing: all that is queued or active ends as failed.
func (c *call) serveCancelMediaProcessing(w http.ResponseWriter, r *request) *apiError {
	clientContext, refusal := parseContext(r)
	if refusal != nil {
		return refusal
	}
	player, refusal := c.hosted()
	if refusal != nil {
		return refusal
	}
	c.succeed("cancelMediaProcessingOperation", clientContext).reply(w, r, http.StatusOK)
	player.Cancel()
	return nil
}

// serveSubscribeToTone serves POST …/subscribeToTone.
func (c *call) serveSubscribeToTone(w http.ResponseWriter, r *request) *apiError {
	clientContext, refusal := parseContext(r)
	if refusal == nil {
		refusal = r.lacks(roleMedia)
	}
	if refusal != nil {
		return refusal
	}
	if _, refusal := c.hosted(); refusal != nil {
		if refusal.status == http.StatusInternalServerError {
			refusal.code = "9999"
		}
		return refusal
	}
	c.mu.Lock()
	c.tones.on = true
	c.mu.Unlock()
	c.succeed("subscribeToToneOperation", clientContext).reply(w, r, http.StatusOK)
	return nil
}

// defaultToneDelay lies between two keys if the bot does not say. It is not documented.
const defaultToneDelay = 300 * time.Millisecond

// serveSendDtmfTones serves POST …/sendDtmfTones, with media of either kind.
func (c *call) serveSendDtmfTones(w http.ResponseWriter, r *request) *apiError {
	var body struct {
		contextBody
		Tones               []string `json:"tones"`
		DelayBetweenTonesMs *int     `json:"delayBetweenTonesMs"`
	}
	check := actionRule(map[string]rule{"tones": list(oneOf(meeting.Tones...), 1, 100), "delayBetweenTonesMs": integer(0, 60_000)}, "tones")
	if err := parse(r.body, check, &body); err != nil {
		return badRequest("%v", err)
	}
	c.mu.Lock()
	state, needed := c.state, roleInitiate
	if c.request.MediaConfig.appHosted() {
		needed = roleMedia
	}
	c.mu.Unlock()
	if refusal := r.lacks(needed); refusal != nil {
		return refusal
	}
	if state != stateEstablished {
		return badRequest("the call is %s; keys can be pressed in an established call", state)
	}
	delay := defaultToneDelay
	if body.DelayBetweenTonesMs != nil {
		delay = time.Duration(*body.DelayBetweenTonesMs) * time.Millisecond
	}
	op := c.begin("sendDtmfTonesOperation", body.ClientContext)
	op.reply(w, r, http.StatusOK)
	c.service.background(func() {
		for i, tone := range body.Tones {
			if i > 0 {
				select {
				case <-c.done:
					return
				case <-time.After(delay):
				}
			}
			c.meeting.Tone(c.participantID, tone)
		}
		op.finish(operationCompleted, operationOK, document{"completionReason": "completedSuccessfully"})
	})
	return nil
}
