// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

// JoinRequest asks for a call: into a meeting, or to somebody.
type JoinRequest struct {
	// UID is the session's. It is how notifications find the call.
	UID        string
	ScenarioID string // a GUID; a new one for every attempt
	// TenantID is the tenant whose token speaks for the call. Empty: that of the meeting, or the bot's own.
	TenantID string

	// Meeting to join. GuestName, if given, is the name the bot joins as a guest with.
	Meeting   graph.Meeting
	GuestName string

	// Targets are whom to call instead: one makes a peer-to-peer call, two to five users a group call. Source is whom the call
	// is shown to come from; a telephone can be called by an application instance only. RingingTimeout, if
	// given, is how long it may ring.
	Targets        []graph.InvitationParticipantInfo
	Source         *graph.ParticipantInfo
	Subject        string
	RingingTimeout time.Duration

	// Modalities of the call; empty: audio.
	Modalities []graph.Modality
	// Blob is where the far side finds the media, opaque. Empty: the service hosts the media.
	Blob string
	// PreFetch are prompts for the service to fetch before they are played, with service-hosted media.
	PreFetch []graph.MediaInfo

	// OnChange is called on the call's own goroutine when Snapshot has changed. It
	// must be quick: the call waits for it.
	OnChange func()
}

// maxTargets of a call (Graph, "Create call").
const maxTargets = 5

// Join begins a call and returns at once; the Call tells how it goes. An error
// means that no call was begun, because of how Join was used: what is wrong with
// the meeting, the targets or with Graph is told by the call's End.
func (s *Server) Join(req JoinRequest) (*Call, error) {
	if req.UID == "" {
		return nil, errors.New("signaling: a join needs the session's UID")
	}
	if req.ScenarioID == "" {
		req.ScenarioID = uuid.NewString()
	}
	if len(req.Targets) > 0 {
		return s.hold(s.callOut(req))
	}
	return s.hold(s.goIn(req))
}

// planned is what all calls that are made have in common.
func (s *Server) planned(req JoinRequest, tenant string, group bool) plan {
	media := mediaConfig(req.Blob, req.PreFetch)
	return plan{
		uid: req.UID, onChange: req.OnChange,
		setting: setting{
			group: group, hosting: media.Hosting, modalities: modalities(req.Modalities), tenant: tenant, scenario: req.ScenarioID,
			keepAliveEvery: s.cfg.KeepAliveEvery, callback: s.callbackURI(req.UID),
		},
		request: &graph.Call{
			CallbackURI: s.callbackURI(req.UID), TenantID: tenant, Subject: req.Subject,
			RequestedModalities: modalities(req.Modalities), MediaConfig: media, CallOptions: rosterOptions(group, false),
		},
	}
}

// goIn is the way into a meeting.
func (s *Server) goIn(req JoinRequest) plan {
	meeting := req.Meeting
	tenant := s.tenantOr(req.TenantID)
	if meeting.TenantID != "" {
		tenant = meeting.TenantID
	}
	p := s.planned(req, tenant, true)
	if err := meeting.Validate(); err != nil {
		end := EndFor(EndInvalidMeeting)
		end.Message = sentences(fmt.Sprintf("The meeting cannot be joined as given: %s.", strings.TrimPrefix(err.Error(), "meeting: ")), "Check the join link or the meeting ID and passcode.")
		p.end = &end
		return p
	}
	if p.end = s.foreign(tenant, "The meeting belongs to"); p.end != nil {
		return p
	}
	if meeting.JoinMeetingID != "" {
		meeting.JoinMeetingID, _ = graph.NormalizeJoinMeetingID(meeting.JoinMeetingID) // valid, as was just seen
	}
	meeting.TenantID = tenant
	meeting.Apply(p.request)
	if req.GuestName != "" {
		// The id is any GUID (Graph, "Create call", join as a guest); the session's own keeps it the same over all attempts.
		id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("guest "+req.UID)).String()
		p.request.Source = &graph.ParticipantInfo{Identity: graph.IdentitySet{Guest: &graph.Identity{ID: id, DisplayName: req.GuestName}}}
	}
	return p
}

// callOut is the way to somebody.
func (s *Server) callOut(req JoinRequest) plan {
	tenant := s.tenantOr(req.TenantID)
	p := s.planned(req, tenant, len(req.Targets) > 1)
	p.setting.origin, p.setting.ringing = originPlaced, req.RingingTimeout
	p.request.Source, p.request.Targets = req.Source, req.Targets
	if why := wrongTargets(req); why != "" {
		end := EndFor(EndInvalidTarget)
		end.Message = why
		p.end = &end
		return p
	}
	p.end = s.foreign(tenant, "The call is made in")
	return p
}

// wrongTargets says why those cannot be called, "" if they can.
func wrongTargets(req JoinRequest) string {
	phones := 0
	for _, t := range req.Targets {
		kind, id := t.Identity.Primary()
		switch {
		case id == nil || id.ID == "":
			return "One of those to be called has no id. Give the object id of a user or application, or a telephone number."
		case kind == "phone":
			phones++
		}
	}
	switch {
	case len(req.Targets) > maxTargets:
		return fmt.Sprintf("%d are to be called at once. Graph takes up to %d; call fewer and invite the others.", len(req.Targets), maxTargets)
	case phones > 0 && len(req.Targets) > 1:
		return "A telephone cannot be called together with others. Call it alone and invite the others."
	case phones > 0 && (req.Source == nil || req.Source.Identity.ApplicationInstance == nil || req.Source.Identity.ApplicationInstance.ID == ""):
		return "Calling a telephone needs an application instance that owns a number. Name it as the source of the call (from.application)."
	}
	return ""
}

// foreign is the end of a call in a tenant whose notifications would be refused, so that it
// would never be known to be established; nil if the bot serves the tenant.
func (s *Server) foreign(tenant, what string) *End {
	if slices.Contains(s.tenants, strings.ToLower(tenant)) {
		return nil
	}
	end := ForeignTenant(what, tenant)
	return &end
}

// mediaConfig is how the call's media is hosted.
func mediaConfig(blob string, preFetch []graph.MediaInfo) *graph.MediaConfig {
	if blob == "" {
		return graph.ServiceHostedMedia(preFetch...)
	}
	return graph.AppHostedMedia(blob)
}

func modalities(list []graph.Modality) []graph.Modality {
	if len(list) == 0 {
		return []graph.Modality{graph.ModalityAudio}
	}
	return list
}

// rosterOptions asks for changes of the roster instead of whole ones: those of large meetings are long and many.
func rosterOptions(group, incoming bool) *graph.CallOptions {
	if !group {
		return nil
	}
	return &graph.CallOptions{IsDeltaRosterEnabled: true, Incoming: incoming}
}
