// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/url"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/people"
)

// maxTargets is how many people a bot may call at once (reference section 4, "group call at create / invite at once").
const maxTargets = 5

// invitation is the type of somebody who is called, invited or transferred to (reference sections 1.2 and 1.3).
func invitation(beta bool) object {
	members := map[string]rule{
		"identity": identitySet.check, "replacesCallId": nonEmpty, "participantId": nonEmpty, "hidden": boolean,
		"removeFromDefaultAudioRoutingGroup": boolean,
	}
	if beta {
		members["endpointType"] = oneOf("default", "voicemail")
	}
	return object{types: []string{ns + "invitationParticipantInfo"}, typeOptional: true, required: []string{"identity"}, members: members}
}

// target is a valid invitationParticipantInfo.
type target struct {
	Identity struct {
		User                *person `json:"user"`
		Phone               *person `json:"phone"`
		Application         *person `json:"application"`
		ApplicationInstance *person `json:"applicationInstance"`
	} `json:"identity"`
	ReplacesCallID string `json:"replacesCallId"`
	ParticipantID  string `json:"participantId"`
	Hidden         bool   `json:"hidden"`
}

// invitee is the person a target means; path names the target in the complaint.
func (t target) invitee(path string) (invitee, *apiError) {
	switch i := t.Identity; {
	case i.Application != nil || i.ApplicationInstance != nil:
		return invitee{}, notSimulated("Calling another application (" + path + ")")
	case i.User != nil && i.Phone == nil:
		if _, err := uuid.Parse(i.User.ID); err != nil {
			return invitee{}, badRequest("%s.identity.user.id must be the GUID of a user", path)
		}
		return invitee{i.User.ID, i.User.DisplayName}, nil
	case i.Phone != nil && i.User == nil:
		if !people.IsNumber(i.Phone.ID) {
			return invitee{}, badRequest("%s.identity.phone.id must be a number in E.164 form, such as +4930123456", path)
		}
		return invitee{i.Phone.ID, i.Phone.DisplayName}, nil
	}
	return invitee{}, badRequest("%s.identity must name one user or one phone", path)
}

// reachable says whether people of this app in this tenant may be called: users of the same tenant, and telephones by an
// application instance that owns a number (reference section 1.1, "Note on transfer").
func (s *Service) reachable(c *call, path string, i invitee) *apiError {
	if i.phone() {
		if !c.ownsNumber() {
			return noNumber()
		}
		return nil
	}
	if known := s.People.Get(i.id); known.TenantID != "" && !sameID(known.TenantID, c.tenantID) {
		return badRequest("%s: the user belongs to another tenant; only users of the call's own tenant can be reached", path)
	}
	return nil
}

// promptURI is http or https: prompts are the only thing the service fetches without TLS.
func promptURI(path string, value any) error {
	s, _ := value.(string)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("%s must be an absolute http or https URI", path)
	}
	return nil
}
