// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

// recordingKept is how long a recording can be had after its call has ended. "Soon" is all that is known.
const recordingKept = 5 * time.Minute

// stopTones are the keys that can end a recording, as the request names them, and as tones.
var stopTones = map[string]string{
	"0": "tone0", "1": "tone1", "2": "tone2", "3": "tone3", "4": "tone4", "5": "tone5", "6": "tone6", "7": "tone7", "8": "tone8", "9": "tone9",
	"*": "star", "#": "pound", "A": "a", "B": "b", "C": "c", "D": "d",
}

var recordRule = actionRule(map[string]rule{
	"prompts": list(mediaPrompt.check, 0, 1), "bargeInAllowed": boolean, "playBeep": boolean,
	"initialSilenceTimeoutInSeconds": integer(1, 120), "maxSilenceTimeoutInSeconds": integer(1, 120), "maxRecordDurationInSeconds": integer(1, 120),
	"stopTones": list(oneOf(slices.Sorted(maps.Keys(stopTones))...), 0, len(stopTones)),
})

type recordRequest struct {
	contextBody
	Prompts        prompts  `json:"prompts"`
	BargeInAllowed bool     `json:"bargeInAllowed"`
	PlayBeep       bool     `json:"playBeep"`
	InitialSilence int      `json:"initialSilenceTimeoutInSeconds"`
	MaxSilence     int      `json:"maxSilenceTimeoutInSeconds"`
	MaxDuration    int      `json:"maxRecordDurationInSeconds"`
	StopTones      []string `json:"stopTones"`
}

// serveRecordResponse serves POST …/recordResponse.
func (c *call) serveRecordResponse(w http.ResponseWriter, r *request) *apiError {
	body := recordRequest{PlayBeep: true, InitialSilence: 5, MaxSilence: 5, MaxDuration: 5} // the documented defaults
	if err := parse(r.body, recordRule, &body); err != nil {
		return badRequest("%v", err)
	}
	if refusal := r.lacks(roleMedia); refusal != nil {
		return refusal
	}
	player, refusal := c.hosted()
	if refusal != nil {
		return refusal
	}
	options := servicemedia.RecordOptions{
		InitialSilence: time.Duration(body.InitialSilence) * time.Second, MaxSilence: time.Duration(body.MaxSilence) * time.Second,
		MaxDuration: time.Duration(body.MaxDuration) * time.Second,
	}
	for _, t := range body.StopTones {
		options.StopTones = append(options.StopTones, stopTones[strings.ToUpper(t)])
	}
	op := c.begin("recordOperation", body.ClientContext)
	job := player.Record(options, body.BargeInAllowed, func(e servicemedia.Ending) { c.recorded(op, e) })
	op.reply(w, r, http.StatusOK)
	var beep []int16
	if body.PlayBeep {
		beep = servicemedia.Beep()
	}
	c.load(player, job, body.Prompts.all(), beep)
	return nil
}

// recorded ends the operation and, if there is a recording, says where it is and by what token it can be had.
func (c *call) recorded(op *operation, e servicemedia.Ending) {
	var extra document
	if e.Failure == nil && !e.Cancelled {
		location, token := c.service.Recordings.Keep(c.id, e.Recording)
		extra = document{"recordingLocation": c.service.BaseURL + location, "recordingAccessToken": token}
	}
	c.finishMedia(op, e, extra)
}
