// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"slices"
	"strings"

	"github.com/callfleet/callfleet/teamsim/login"
	"github.com/callfleet/callfleet/teamsim/meeting"
)

// The application permissions of the calls API (reference section 8).
const (
	roleInitiate    = "Calls.Initiate.All"
	roleGroupCall   = "Calls.InitiateGroupCall.All"
	roleJoin        = "Calls.JoinGroupCall.All"
	roleJoinAsGuest = "Calls.JoinGroupCallAsGuest.All"
	roleMedia       = "Calls.AccessMedia.All"
)

func sameID(a, b string) bool { return strings.EqualFold(a, b) }

// permit decides whether an app may make this call. Permissions are checked when the call is created; few later
// operations need one (reference section 8, "Simulator rule").
func permit(claims login.Claims, r *createRequest) *apiError {
	if len(r.Targets) == 0 && r.TenantID == "" || r.TenantID != "" && !sameID(r.TenantID, claims.TenantID) {
		return tenantMismatch()
	}
	if m := r.MeetingInfo; m != nil && m.Organizer.User.TenantID != "" && !sameID(m.Organizer.User.TenantID, claims.TenantID) {
		return tenantMismatch()
	}
	needed := []string{roleJoin}
	switch {
	case len(r.Targets) > 1:
		needed = []string{roleGroupCall}
	case len(r.Targets) == 1:
		needed = []string{roleInitiate}
	case r.guest() != nil:
		needed = []string{roleJoinAsGuest}
	}
	if r.MediaConfig.appHosted() {
		needed = append(needed, roleMedia)
	}
	return lacking(claims, needed)
}

// permitAnswer decides whether an app may answer this call with that media.
func permitAnswer(claims login.Claims, c *call, m mediaConfig) *apiError {
	var needed []string
	if c.meeting.Form() != meeting.OneToOne && !claims.Has(roleJoinAsGuest) {
		needed = append(needed, roleJoin)
	}
	if m.appHosted() {
		needed = append(needed, roleMedia)
	}
	return lacking(claims, needed)
}

func lacking(claims login.Claims, needed []string) *apiError {
	missing := slices.DeleteFunc(needed, claims.Has)
	if len(missing) > 0 {
		return missingRoles(missing)
	}
	return nil
}
