// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"slices"
	"strings"

	"github.com/callfleet/callfleet/teamsim/login"
)

// The application permissions of the calls API (reference section 8).
const (
	roleJoin        = "Calls.JoinGroupCall.All"
	roleJoinAsGuest = "Calls.JoinGroupCallAsGuest.All"
	roleMedia       = "Calls.AccessMedia.All"
)

// permit decides whether an app may make this call. Permissions are checked when the call is created; later
// operations on it need none (reference section 8, "Simulator rule").
func permit(claims login.Claims, r *createRequest) *apiError {
	if r.TenantID == "" || !strings.EqualFold(r.TenantID, claims.TenantID) {
		return tenantMismatch()
	}
	if o := r.MeetingInfo.Organizer.User; o.TenantID != "" && !strings.EqualFold(o.TenantID, r.TenantID) {
		return tenantMismatch()
	}
	needed := []string{roleJoin}
	if r.guest() != nil {
		needed = []string{roleJoinAsGuest}
	}
	if r.MediaConfig.appHosted() {
		needed = append(needed, roleMedia)
	}
	missing := slices.DeleteFunc(needed, claims.Has)
	if len(missing) > 0 {
		return missingRoles(missing)
	}
	return nil
}
