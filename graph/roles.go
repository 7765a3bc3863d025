// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The application permissions of the calls API. Documentation often misspells them in the plural.
const (
	RoleInitiate           = "Calls.Initiate.All"
	RoleInitiateGroupCall  = "Calls.InitiateGroupCall.All"
	RoleJoinGroupCall      = "Calls.JoinGroupCall.All"
	RoleJoinGroupCallGuest = "Calls.JoinGroupCallAsGuest.All"
	RoleAccessMedia        = "Calls.AccessMedia.All"

	// With these goes an application access policy, which an administrator grants to the user whose meetings are meant.
	RoleMeetingsRead      = "OnlineMeetings.Read.All"
	RoleMeetingsReadWrite = "OnlineMeetings.ReadWrite.All"
)

const maxTokenBytes = 64 << 10

// RolesOf reads the roles claim of an access token of our own. It does not verify the token, so the answer is good
// for telling a user what is missing and for nothing else.
func RolesOf(token string) ([]string, error) {
	if len(token) > maxTokenBytes {
		return nil, errors.New("access token: too long")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("access token: not a JWT, its roles cannot be told")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, errors.New("access token: its payload is not base64url") // err would quote a byte of it
	}
	var claims struct {
		Roles rolesClaim `json:"roles"`
	}
	if !isObject(payload) || json.Unmarshal(payload, &claims) != nil {
		return nil, errors.New("access token: its payload is not JSON")
	}
	return claims.Roles, nil
}

// rolesClaim takes an array, and a single role given as a string.
type rolesClaim []string

func (r *rolesClaim) UnmarshalJSON(data []byte) error {
	var one string
	if startsWith(data, '"') && json.Unmarshal(data, &one) == nil {
		*r = rolesClaim{one}
		return nil
	}
	var many []string
	if err := decode(data, &many); err != nil {
		return err
	}
	*r = slices.DeleteFunc(many, func(role string) bool { return role == "" })
	return nil
}

// RequiredRoles lists the roles without which Graph refuses to create the call.
func RequiredRoles(call *Call) []string {
	var needed []string
	for _, feature := range FeaturesOf(call) {
		for _, roles := range feature.Roles() {
			needed = append(needed, roles.String())
		}
	}
	return needed
}

// MissingRoles lists those of required that are not among have.
func MissingRoles(required, have []string) []string {
	var missing []string
	for _, role := range required {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, role) }) {
			missing = append(missing, role)
		}
	}
	return missing
}
