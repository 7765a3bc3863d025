// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/policy"
)

// Incoming is somebody calling a bot.
type Incoming struct {
	UserID, DisplayName, TenantID string
	// Phone is the number of somebody who calls the bot's number from the telephone network, instead of a user.
	Phone string
	// ToInstance calls the bot's application instance (a resource account) and not the bot itself.
	ToInstance bool
	// Meeting the bot is called into, by somebody who is in it or not.
	Meeting *meeting.Meeting
	// Others are in the group call already into which the bot is called.
	Others []string
	// PolicyRecording: a policy wants the user recorded, who joins the meeting once the bot has.
	PolicyRecording bool
	// OnBehalfOf and Transferor are users' ids, told in the incomingContext (reference section 1.6); mostly empty.
	OnBehalfOf, Transferor string
	CountryCode, Region    string // of the caller

	participantID string
	recording     *policy.Recording // the policy, if it is known
	observed      *meeting.Person   // whom it is about; they join by themselves
	webhook       string            // instead of the app's
}

// Ring calls a bot, whose webhook is told (reference section 2.4, 1). The bot has 15 s to react, or 5 s if it is to
// record.
func (s *Service) Ring(appID string, from Incoming) (callID string, err error) {
	c, err := s.announce(appID, from)
	if err != nil {
		return "", err
	}
	return c.id, nil
}

func (s *Service) announce(appID string, from Incoming) (*call, error) {
	app, ok := s.Directory.Get(appID)
	if !ok {
		return nil, fmt.Errorf("no app %s is registered", appID)
	}
	if from.recording != nil {
		app.InstanceID = from.recording.InstanceID
	}
	if err := from.check(app); err != nil {
		return nil, err
	}
	c := s.incomingCall(app, from)
	limit := AnswerDeadline
	if from.PolicyRecording {
		limit = RecordingDeadline
	}
	c.deadline = s.Clock.AfterFunc(limit, func() { c.end(notAnswered, fmt.Sprintf("the bot did not react within %v", limit), false) })
	if !s.add(c) {
		return nil, errors.New("teamsim is stopping")
	}
	s.Journal.Add(c.meetingID(), c.id, "IncomingCall", from.DisplayName+" calls "+app.Name())
	c.meeting.WhenOver(c.Gone)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notify("created", stateIncoming, c.incomingData())
	return c, nil
}

func (f *Incoming) check(app directory.App) error {
	switch {
	case httpsURI("webhook", app.WebhookURL) != nil:
		return errors.New("the app has no calling webhook, or one that is not https: register it with one")
	case !app.In(f.TenantID):
		return errors.New("the app is not consented to in the caller's tenant")
	case f.Phone != "" && !people.IsNumber(f.Phone):
		return fmt.Errorf("%q is not an E.164 number", f.Phone)
	case f.Phone != "" && (app.InstanceID == "" || app.PhoneNumber == ""):
		return errors.New("the app has no application instance with a number that could be dialled: register it with instanceID and phoneNumber")
	case (f.ToInstance || f.PolicyRecording) && app.InstanceID == "":
		return errors.New("the app has no application instance: register it with an instanceID")
	case f.PolicyRecording && f.Meeting == nil:
		return errors.New("policy recording needs a meeting that the user is about to join")
	case f.Meeting != nil && !sameID(f.Meeting.TenantID, f.TenantID):
		return errors.New("the meeting belongs to another tenant than the caller")
	}
	return nil
}

func (s *Service) incomingCall(app directory.App, from Incoming) *call {
	from.participantID = cmp.Or(from.participantID, uuid.NewString())
	tenant, chain := strings.ToLower(from.TenantID), uuid.NewString()
	where := from.Meeting
	switch {
	case where != nil:
	case len(from.Others) > 0:
		where = s.Meetings.Open(meeting.GroupCall, from.DisplayName, tenant)
	default:
		where = s.Meetings.Open(meeting.OneToOne, from.DisplayName, tenant)
	}
	c := &call{
		service: s, id: uuid.NewString(), app: app, tenantID: tenant, participantID: uuid.NewString(), chainID: chain,
		scenarioID: chain, direction: directionIncoming, callbackURI: cmp.Or(from.webhook, app.WebhookURL), from: &from, meeting: where,
		done: make(chan struct{}), state: stateIncoming, created: time.Now(),
	}
	c.request.RequestedModalities = []string{"audio"}
	if where.Form() == meeting.Scheduled {
		c.request.rawMeetingInfo = document{
			"@odata.type": ns + "tokenMeetingInfo", "token": where.JoinToken, "allowConversationWithoutHost": true,
		}
	}
	c.queue = s.Sender.Queue(callback.Call{
		ID: c.id, AppID: app.ID, TenantID: c.tenantID, CallbackURI: c.callbackURI, ChainID: chain, ScenarioID: chain, Region: from.Region,
	})
	caller := meeting.Identity{ID: from.UserID, DisplayName: from.DisplayName, TenantID: tenant}
	if from.Phone != "" {
		caller = meeting.Identity{Kind: meeting.KindPhone, ID: from.Phone, DisplayName: from.DisplayName}
	}
	if from.observed == nil {
		c.expect(caller)
	} else {
		c.observedIDs, c.entered = []string{from.observed.ID}, make(chan struct{})
	}
	for _, name := range from.Others {
		_ = c.expect(meeting.Identity{ID: uuid.NewString(), DisplayName: name}).Join() // nobody can be there yet
	}
	return c
}

// HangUp ends a call from the other side: whoever calls gives up, and whoever is in it leaves. In a group it is the one
// with the user id or number; others may stay. It reports false if nobody can hang up.
func (s *Service) HangUp(id, userID string) bool {
	s.mu.Lock()
	c, ok := s.live[id]
	s.mu.Unlock()
	if !ok {
		return false
	}
	if c.undecided() {
		return c.end(callerGaveUp, "the caller gave up", false)
	}
	for _, p := range c.meeting.People() {
		if p.Here() && (sameID(p.UserID, userID) || userID == "" && !c.grouped()) {
			p.Leave()
			return true
		}
	}
	return !c.grouped() && userID == "" && c.end(c.goneResult(meeting.OtherLeft), "the other party gave up", false)
}

// undecided says whether the bot has still to answer, reject or redirect the call, or has redirected it.
func (c *call) undecided() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == stateIncoming || c.state == stateRedirecting
}

// withPhone says whether the other party of a call between two is a telephone.
func (c *call) withPhone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.people, func(p *meeting.Person) bool { return p.Kind == meeting.KindPhone })
}

// sourceDoc is who calls. An app without any permission for calls gets no more than an encrypted identity (reference
// section 2.1).
func (f *Incoming) sourceDoc(app directory.App) document {
	who := identityDoc("user", f.UserID, f.DisplayName, f.TenantID)
	if f.Phone != "" {
		who = identityDoc("phone", f.Phone, f.DisplayName, "")
	}
	if !slices.ContainsFunc(app.Roles, func(r string) bool { return strings.HasPrefix(r, "Calls.") }) {
		who = identityDoc("encrypted", uuid.NewSHA1(uuid.NameSpaceURL, []byte(f.UserID+f.Phone)).String(), "", "")
	}
	d := document{"@odata.type": ns + "participantInfo", "identity": who}
	if f.CountryCode != "" {
		d["countryCode"] = f.CountryCode
	}
	if f.Region != "" {
		d["region"] = f.Region
	}
	return d
}

func (f *Incoming) targetDoc(app directory.App, tenant string) document {
	who := identityDoc("application", app.ID, app.Name(), "")
	if f.viaInstance() {
		who = identityDoc("applicationInstance", app.InstanceID, app.Name(), tenant)
	}
	return document{"@odata.type": ns + "invitationParticipantInfo", "identity": who}
}

func (f *Incoming) viaInstance() bool { return f.ToInstance || f.Phone != "" || f.PolicyRecording }

func (c *call) incomingData() document {
	d := c.stateData()
	d["direction"] = directionIncoming
	d["source"] = c.sourceDoc()
	d["targets"] = c.targetDocs()
	d["requestedModalities"] = c.request.RequestedModalities
	d["myParticipantId"] = c.participantID
	d["callRoutes"] = []any{}
	context := document{"@odata.type": ns + "incomingContext", "sourceParticipantId": c.from.participantID}
	if c.from.PolicyRecording {
		context["observedParticipantId"] = c.from.participantID
		d["applicationMetadata"] = policyMetadata(c.from)
	}
	for member, user := range map[string]string{"onBehalfOf": c.from.OnBehalfOf, "transferor": c.from.Transferor} {
		if user != "" {
			known := c.service.People.Get(user)
			context[member] = identityDoc("user", user, known.DisplayName, cmp.Or(known.TenantID, c.tenantID))
		}
	}
	d["incomingContext"] = context
	if c.scheduled() {
		d["chatInfo"], d["meetingInfo"] = c.chatDoc(), c.request.rawMeetingInfo
	}
	return d
}

// policyMetadata is what a recorder is told about why it is called (reference section 7).
func policyMetadata(f *Incoming) document {
	identifier := "default"
	if f.recording != nil {
		identifier = f.recording.ID
	}
	return document{"botData": document{
		"mediaHostedRegion": f.Region, "user": document{"participationMethod": "Teams", "clientLocation": f.CountryCode},
		"inviteReasons": []string{"PolicyBasedRecording"}, "policyIdentifier": identifier, "pairedRecorders": []any{}, "otherRecorders": []any{},
	}}
}
