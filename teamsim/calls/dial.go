// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"net/http"
)

// noNumber answers calls to the telephone network without a number to call from (reference section 1.1, PSTN matrix).
func noNumber() *apiError {
	return &apiError{http.StatusForbidden, codeNotConsented,
		"Calls to the telephone network need an application instance that owns a number."}
}

// shapeTargets checks a request to call people (reference section 1.2).
func (s *Service) shapeTargets(body *createRequest, c *call) *apiError {
	if body.MeetingInfo != nil || body.ChatInfo != nil {
		return badRequest("a call has either targets or chatInfo and meetingInfo, not both")
	}
	if body.guest() != nil {
		return badRequest("source.identity.guest can join meetings, but call nobody")
	}
	for i, t := range body.Targets {
		path := "targets[" + string(rune('0'+i)) + "]"
		who, refusal := t.invitee(path)
		if refusal != nil {
			return refusal
		}
		if t.ReplacesCallID != "" {
			return badRequest("%s.replacesCallId makes sense in transfer and invite only", path)
		}
		if who.phone() {
			if len(body.Targets) > 1 {
				return badRequest("%s: a group call is created with users of Teams; invite telephones afterwards", path)
			}
			if body.Source == nil || body.Source.Identity.ApplicationInstance == nil {
				return badRequest("source.identity.applicationInstance is required to call a telephone")
			}
			if body.TenantID == "" {
				return badRequest("tenantId is required to call a telephone")
			}
		}
		if refusal := s.reachable(c, path, who); refusal != nil {
			return refusal
		}
	}
	return nil
}

// ownsNumber says whether the call may reach telephones: it came to the number or the instance, or was made as the
// instance, or joined a meeting otherwise than by a token.
func (c *call) ownsNumber() bool {
	if c.app.InstanceID == "" || c.app.PhoneNumber == "" {
		return false
	}
	if c.from != nil {
		return c.from.viaInstance()
	}
	if m := c.request.MeetingInfo; m != nil {
		return m.Type != ns+"tokenMeetingInfo"
	}
	return c.request.Source != nil && c.request.Source.Identity.ApplicationInstance != nil
}

// invitees are the people the request calls; shapeTargets has checked them.
func (r *createRequest) invitees() []invitee {
	var all []invitee
	for _, t := range r.Targets {
		if i, refusal := t.invitee(""); refusal == nil {
			all = append(all, i)
		}
	}
	return all
}
