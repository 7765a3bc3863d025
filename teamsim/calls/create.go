// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/meeting"
)

const (
	directionOutgoing = "outgoing"
	directionIncoming = "incoming"
)

// create serves POST /communications/calls: joining a meeting.
func (s *Service) create(w http.ResponseWriter, r *request) *apiError {
	var body createRequest
	if err := parse(r.body, callRule(r.beta), &body); err != nil {
		return badRequest("%v", err)
	}
	var media blob
	if body.MediaConfig.appHosted() {
		var refusal *apiError
		if media, refusal = parseBlob(body.MediaConfig.Blob); refusal != nil {
			return refusal
		}
	}
	if refusal := s.shape(&body, r); refusal != nil {
		return refusal
	}
	if refusal := permit(r.claims, &body); refusal != nil {
		return refusal
	}
	where, refusal := s.locate(&body)
	if refusal != nil {
		return refusal
	}
	app, _ := s.Directory.Get(r.claims.AppID)
	c := s.newCall(app, r, body, media, where)
	if !s.add(c) {
		return &apiError{http.StatusServiceUnavailable, "ServiceUnavailable", "teamsim is stopping."}
	}
	s.Journal.Add(where.ID, c.id, "CallCreated", app.Name()+" joins "+where.Subject)
	s.Log.Info("call created", "call", c.id, "app", app.ID, "meeting", where.ID)
	w.Header().Set("Location", s.BaseURL+"/"+r.version+c.path())
	reply(w, http.StatusCreated, c.resource())
	_ = http.NewResponseController(w).Flush() // the bot learns the id before its first notification, if it is quick
	s.background(c.run)
	return nil
}

// shape checks what goes together in a request to join.
func (s *Service) shape(body *createRequest, r *request) *apiError {
	if len(body.Targets) > 0 {
		return notSimulated("Calling people (targets)")
	}
	if body.MeetingInfo == nil {
		return badRequest("the call has neither targets nor meetingInfo")
	}
	if body.MeetingInfo.Type == ns+"tokenMeetingInfo" {
		return notSimulated("Joining by tokenMeetingInfo")
	}
	if body.MeetingInfo.Type == ns+"organizerMeetingInfo" && body.ChatInfo == nil {
		return badRequest("chatInfo is required with organizerMeetingInfo")
	}
	if src := body.Source; src != nil && src.Identity.Application != nil && !strings.EqualFold(src.Identity.Application.ID, r.claims.AppID) {
		return badRequest("source.identity.application.id is not the application of the access token")
	}
	var raw struct {
		MeetingInfo map[string]any `json:"meetingInfo"`
	}
	if err := json.Unmarshal(r.body, &raw); err != nil {
		return badRequest("%v", err)
	}
	body.rawMeetingInfo = raw.MeetingInfo
	return nil
}

// locate finds the meeting.
func (s *Service) locate(body *createRequest) (*meeting.Meeting, *apiError) {
	var m *meeting.Meeting
	var err error
	if info := body.MeetingInfo; info.Type == ns+"joinMeetingIdMeetingInfo" {
		m, err = s.Meetings.ByJoinID(info.JoinMeetingID, info.Passcode)
	} else {
		m, err = s.Meetings.ByThread(body.ChatInfo.ThreadID, body.ChatInfo.MessageID, info.Organizer.User.ID)
	}
	if err != nil {
		return nil, meetingNotFound()
	}
	if !strings.EqualFold(m.TenantID, body.TenantID) {
		return nil, notConsented()
	}
	return m, nil
}

func (s *Service) newCall(app directory.App, r *request, body createRequest, media blob, where *meeting.Meeting) *call {
	c := &call{
		service: s, id: uuid.NewString(), app: app, tenantID: strings.ToLower(body.TenantID), participantID: uuid.NewString(),
		chainID: cmp.Or(r.scenarioID, body.CallChainID, uuid.NewString()), direction: directionOutgoing, callbackURI: body.CallbackURI,
		request: body, meeting: where, blob: media, done: make(chan struct{}), state: stateEstablishing, created: time.Now(),
	}
	c.scenarioID = cmp.Or(r.scenarioID, c.chainID)
	c.queue = s.Sender.Queue(callback.Call{
		ID: c.id, AppID: app.ID, TenantID: c.tenantID, CallbackURI: c.callbackURI, ChainID: c.chainID, ScenarioID: c.scenarioID,
	})
	c.deadline = s.Clock.AfterFunc(KeepAliveDeadline, func() { c.end(keepAliveLost, "no keepAlive for 45 minutes", false) })
	return c
}
