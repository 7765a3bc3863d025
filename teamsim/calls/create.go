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
	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

const (
	directionOutgoing = "outgoing"
	directionIncoming = "incoming"
)

// create serves POST /communications/calls: joining a meeting, or calling people.
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
	app, _ := s.Directory.Get(r.claims.AppID)
	if refusal := s.book(w, app.ID); refusal != nil {
		return refusal
	}
	c := s.newCall(app, r, body, media)
	if refusal := s.place(c); refusal != nil {
		return refusal
	}
	s.start(c)
	if !s.add(c) {
		return &apiError{http.StatusServiceUnavailable, "ServiceUnavailable", "teamsim is stopping."}
	}
	s.Journal.Add(c.meetingID(), c.id, "CallCreated", app.Name()+c.purpose())
	s.Log.Info("call created", "call", c.id, "app", app.ID, "kind", c.kind(), "meeting", c.meetingID())
	w.Header().Set("Location", s.BaseURL+"/"+r.version+c.path())
	made := c.resource()
	s.launch(c, func() {
		reply(w, http.StatusCreated, made)
		_ = http.NewResponseController(w).Flush() // the bot learns the id before its first notification, if it is quick
	})
	return nil
}

// shape checks whom the request speaks for, and what goes together in one to join.
func (s *Service) shape(body *createRequest, r *request) *apiError {
	if src := body.Source; src != nil && src.Identity.ApplicationInstance != nil {
		app, _ := s.Directory.Get(r.claims.AppID)
		if app.InstanceID == "" || !sameID(src.Identity.ApplicationInstance.ID, app.InstanceID) {
			return badRequest("source.identity.applicationInstance.id is not an instance of the application of the access token")
		}
	}
	if src := body.Source; src != nil && src.Identity.Application != nil && !sameID(src.Identity.Application.ID, r.claims.AppID) {
		return badRequest("source.identity.application.id is not the application of the access token")
	}
	if len(body.Targets) > 0 {
		return nil // judged in place
	}
	if body.MeetingInfo == nil {
		return badRequest("the call has neither targets nor meetingInfo")
	}
	if body.MeetingInfo.Type == ns+"organizerMeetingInfo" && body.ChatInfo == nil {
		return badRequest("chatInfo is required with organizerMeetingInfo")
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
	switch info := body.MeetingInfo; info.Type {
	case ns + "joinMeetingIdMeetingInfo":
		m, err = s.Meetings.ByJoinID(info.JoinMeetingID, info.Passcode)
	case ns + "tokenMeetingInfo":
		m, err = s.Meetings.ByToken(info.Token)
	default:
		m, err = s.Meetings.ByThread(body.ChatInfo.ThreadID, body.ChatInfo.MessageID, info.Organizer.User.ID)
	}
	if err != nil {
		return nil, meetingNotFound()
	}
	if !sameID(m.TenantID, body.TenantID) {
		return nil, notConsented()
	}
	return m, nil
}

// place finds, or opens, the conversation of a call.
func (s *Service) place(c *call) *apiError {
	if len(c.request.Targets) == 0 {
		var refusal *apiError
		c.meeting, refusal = s.locate(&c.request)
		return refusal
	}
	if refusal := s.shapeTargets(&c.request, c); refusal != nil {
		return refusal
	}
	form := meeting.OneToOne
	if len(c.request.Targets) > 1 {
		form = meeting.GroupCall
	}
	subject := ""
	if c.request.Subject != nil {
		subject = *c.request.Subject
	}
	c.meeting = s.Meetings.Open(form, cmp.Or(subject, c.app.Name()), c.tenantID)
	c.meeting.WhenOver(c.Gone)
	return nil
}

func (c *call) purpose() string {
	if c.scheduled() {
		return " joins " + c.meeting.Subject
	}
	names := ""
	for _, i := range c.request.invitees() {
		names += " " + cmp.Or(i.displayName, i.id)
	}
	return " calls" + names
}

func (s *Service) newCall(app directory.App, r *request, body createRequest, media blob) *call {
	c := &call{
		service: s, id: uuid.NewString(), app: app, tenantID: strings.ToLower(cmp.Or(body.TenantID, r.claims.TenantID)), participantID: uuid.NewString(),
		chainID: cmp.Or(r.scenarioID, body.CallChainID, uuid.NewString()), direction: directionOutgoing, callbackURI: body.CallbackURI,
		request: body, blob: media, done: make(chan struct{}), state: stateEstablishing, created: time.Now(),
	}
	c.scenarioID = cmp.Or(r.scenarioID, c.chainID)
	s.Secrets.Add(secrets.MediaToken, media.Token)
	return c
}

// start lets the deadlines of an outgoing call run.
func (s *Service) start(c *call) {
	if !c.request.MediaConfig.appHosted() {
		c.player = servicemedia.New()
		s.prefetch(c.app.ID, c.request.MediaConfig)
	}
	c.queue = s.Sender.Queue(callback.Call{
		ID: c.id, AppID: c.app.ID, TenantID: c.tenantID, CallbackURI: c.callbackURI, ChainID: c.chainID, ScenarioID: c.scenarioID,
	})
	c.deadline = s.Clock.AfterFunc(KeepAliveDeadline, func() { c.end(keepAliveLost, "no keepAlive for 45 minutes", false) })
}
