// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func jwtWith(payload string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestRolesOf(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		want  []string
		fails bool
	}{
		"two":                {token: jwtWith(`{"aud":"https://graph.microsoft.com","roles":["Calls.JoinGroupCall.All","Calls.AccessMedia.All"]}`), want: []string{RoleJoinGroupCall, RoleAccessMedia}},
		"none":               {token: jwtWith(`{"aud":"x"}`)},
		"null":               {token: jwtWith(`{"roles":null}`)},
		"one, as a string":   {token: jwtWith(`{"roles":"Calls.Initiate.All"}`), want: []string{RoleInitiate}},
		"padded base64":      {token: strings.Replace(jwtWith(`{"roles":["a"]}`), ".c2ln", "==.c2ln", 1), want: []string{"a"}},
		"odd things skipped": {token: jwtWith(`{"roles":["a",7,null]}`), want: []string{"a"}},
		"opaque":             {token: "abc", fails: true},
		"empty":              {token: "", fails: true},
		"not base64":         {token: "a.$$.c", fails: true},
		"not JSON":           {token: jwtWith("x"), fails: true},
		"not an object":      {token: jwtWith("[]"), fails: true},
		"endless":            {token: strings.Repeat("a", maxTokenBytes+1), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := RolesOf(c.token)
			if (err != nil) != c.fails {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err != nil && len(c.token) > 2 && strings.Contains(err.Error(), c.token) {
				t.Errorf("error %q holds the token", err)
			}
		})
	}
}

func TestRequiredRoles(t *testing.T) {
	target := InvitationParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "u"}}}
	for name, c := range map[string]struct {
		call Call
		want []string
	}{
		"meeting":             {Call{MeetingInfo: &MeetingInfo{Token: "t"}, MediaConfig: ServiceHostedMedia()}, []string{RoleJoinGroupCall}},
		"meeting, own media":  {Call{MeetingInfo: &MeetingInfo{Token: "t"}, MediaConfig: AppHostedMedia("b")}, []string{RoleJoinGroupCall, RoleAccessMedia}},
		"meeting, as a guest": {Call{ChatInfo: &ChatInfo{}, Source: &ParticipantInfo{Identity: IdentitySet{Guest: &Identity{}}}}, []string{RoleJoinGroupCallGuest}},
		"one callee":          {Call{Targets: []InvitationParticipantInfo{target}}, []string{RoleInitiate}},
		"several callees":     {Call{Targets: []InvitationParticipantInfo{target, target}}, []string{RoleInitiateGroupCall}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, RequiredRoles(&c.call)); diff != "" {
				t.Error(diff)
			}
		})
	}
	missing := MissingRoles([]string{RoleJoinGroupCall, RoleAccessMedia}, []string{"calls.joingroupcall.all", "User.Read.All"})
	if diff := cmp.Diff([]string{RoleAccessMedia}, missing); diff != "" {
		t.Error(diff)
	}
}
