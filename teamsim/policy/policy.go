// SPDX-License-Identifier: Apache-2.0

// Package policy is what the administrators of tenants have decided about bots, with PowerShell in real life: whom apps
// may throw out, on whose behalf they may look up meetings, and who is recorded.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Tenant is the decisions of one tenant's administrators.
type Tenant struct {
	// AllowRemove are the apps that may remove participants (Set-CsApplicationMeetingConfiguration
	// -AllowRemoveParticipantAppIds).
	AllowRemove []string
	// Access are the application access policies (New- and Grant-CsApplicationAccessPolicy).
	Access []Access
	// Recording are the compliance recording policies (New- and Grant-CsTeamsComplianceRecordingPolicy).
	Recording []Recording
}

// Access lets an app look up meetings on behalf of users.
type Access struct {
	AppID string
	Users []string // object ids; empty: granted globally, for every user of the tenant
}

// Recording makes a bot record users' meetings and calls (reference section 7).
type Recording struct {
	ID         string // policyIdentifier; made up when empty
	AppID      string
	InstanceID string // the application instance; made up when empty
	Users      []string
	// RequiredBefore keeps a user out of a meeting that the recorder does not answer for.
	RequiredBefore bool
	// RequiredDuring removes the user when the recorder goes.
	RequiredDuring bool
}

// Set holds the decisions of all tenants. It is safe for concurrent use.
type Set struct {
	mu      sync.Mutex
	tenants map[string]Tenant
}

// Put replaces a tenant's decisions.
func (s *Set) Put(tenantID string, t Tenant) error {
	id, err := uuid.Parse(tenantID)
	if err != nil {
		return fmt.Errorf("tenant id %q is not a GUID", tenantID)
	}
	guids := slices.Clone(t.AllowRemove)
	for _, a := range t.Access {
		guids = append(append(guids, a.AppID), a.Users...)
	}
	t.Recording = slices.Clone(t.Recording)
	for i := range t.Recording {
		p := &t.Recording[i]
		if p.ID == "" {
			p.ID = uuid.NewString()
		}
		if p.InstanceID == "" {
			p.InstanceID = uuid.NewString()
		}
		guids = append(append(guids, p.AppID, p.ID, p.InstanceID), p.Users...)
	}
	for _, g := range guids {
		if _, err := uuid.Parse(g); err != nil {
			return fmt.Errorf("%q is not a GUID", g)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants == nil {
		s.tenants = map[string]Tenant{}
	}
	s.tenants[id.String()] = t
	return nil
}

// Get is a tenant's decisions.
func (s *Set) Get(tenantID string) Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[strings.ToLower(tenantID)]
}

func has(ids []string, id string) bool {
	return slices.ContainsFunc(ids, func(one string) bool { return strings.EqualFold(one, id) })
}

// MayRemove says whether an app may remove participants from a tenant's meetings.
func (s *Set) MayRemove(tenantID, appID string) bool { return has(s.Get(tenantID).AllowRemove, appID) }

// MayAccess says whether an app may look up meetings on behalf of a user.
func (s *Set) MayAccess(tenantID, appID, userID string) bool {
	return slices.ContainsFunc(s.Get(tenantID).Access, func(a Access) bool {
		return strings.EqualFold(a.AppID, appID) && (len(a.Users) == 0 || has(a.Users, userID))
	})
}

// Recorders are the policies a user is under.
func (s *Set) Recorders(tenantID, userID string) []Recording {
	return slices.DeleteFunc(slices.Clone(s.Get(tenantID).Recording), func(p Recording) bool { return !has(p.Users, userID) })
}
