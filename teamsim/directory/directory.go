// SPDX-License-Identifier: Apache-2.0

// Package directory knows the tenants, and the applications registered in them, as Entra ID would.
package directory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// App is a bot's application registration and what admins have consented to.
type App struct {
	ID          string
	TenantID    string // home tenant
	DisplayName string
	Secret      string
	Roles       []string // Graph application permissions an admin has granted, reference section 8
	// ConsentedTenants are further tenants whose admin consented to the same roles.
	ConsentedTenants []string
	// WebhookURL is the calling webhook of the bot registration; new incoming calls are announced there.
	WebhookURL string
	// InstanceID and PhoneNumber are those of an application instance (a resource account) of the bot, and the number
	// that is assigned to it, if it has them.
	InstanceID, PhoneNumber string
	// LegacyFirst is the channel's setting to send new calls in the old format first (reference section 2.2).
	LegacyFirst bool
}

// In says whether the app can get tokens for a tenant.
func (a App) In(tenant string) bool {
	return strings.EqualFold(a.TenantID, tenant) ||
		slices.ContainsFunc(a.ConsentedTenants, func(t string) bool { return strings.EqualFold(t, tenant) })
}

// Name is what people in a meeting see.
func (a App) Name() string { return cmp.Or(a.DisplayName, "bot "+a.ID[:8]) }

// Directory is safe for concurrent use.
type Directory struct {
	mu      sync.Mutex
	apps    map[string]App // by lower-case id
	tenants map[string]bool
}

// New returns an empty directory.
func New() *Directory {
	return &Directory{apps: map[string]App{}, tenants: map[string]bool{}}
}

// Put registers an app or replaces its registration.
func (d *Directory) Put(a App) error {
	id, err := uuid.Parse(a.ID)
	if err != nil {
		return fmt.Errorf("app id %q is not a GUID", a.ID)
	}
	for _, t := range append([]string{a.TenantID}, a.ConsentedTenants...) {
		if _, err := uuid.Parse(t); err != nil {
			return fmt.Errorf("tenant id %q is not a GUID", t)
		}
	}
	if a.InstanceID != "" {
		if _, err := uuid.Parse(a.InstanceID); err != nil {
			return fmt.Errorf("instance id %q is not a GUID", a.InstanceID)
		}
	}
	if a.PhoneNumber != "" && (a.InstanceID == "" || !strings.HasPrefix(a.PhoneNumber, "+")) {
		return fmt.Errorf("phone number %q must be in E.164 form and belong to an instance", a.PhoneNumber)
	}
	if a.Secret == "" {
		return errors.New("an app needs a client secret")
	}
	for _, role := range a.Roles {
		if !strings.Contains(role, ".") {
			return fmt.Errorf("role %q is not a Graph application permission such as Calls.JoinGroupCall.All", role)
		}
	}
	a.ID = id.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apps[a.ID] = a
	for _, t := range append([]string{a.TenantID}, a.ConsentedTenants...) {
		d.tenants[strings.ToLower(t)] = true
	}
	return nil
}

// Delete removes an app.
func (d *Directory) Delete(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.apps, strings.ToLower(id))
}

// Get finds an app.
func (d *Directory) Get(id string) (App, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.apps[strings.ToLower(id)]
	return a, ok
}

// Apps lists all apps by id.
func (d *Directory) Apps() []App {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]App, 0, len(d.apps))
	for _, a := range d.apps {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// AddTenant makes a tenant known, as one that holds meetings but no app.
func (d *Directory) AddTenant(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tenants[strings.ToLower(id)] = true
}

// HasTenant says whether a tenant exists.
func (d *Directory) HasTenant(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tenants[strings.ToLower(id)]
}
