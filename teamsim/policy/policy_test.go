// SPDX-License-Identifier: Apache-2.0

package policy

import "testing"

const (
	tenant  = "AAAAAAAA-0000-4000-8000-000000000001"
	app     = "bbbbbbbb-0000-4000-8000-000000000002"
	another = "bbbbbbbb-0000-4000-8000-000000000003"
	user    = "cccccccc-0000-4000-8000-00000000000a"
	nobody  = "cccccccc-0000-4000-8000-00000000000b"
)

func TestDecisions(t *testing.T) {
	for name, c := range map[string]struct {
		tenant Tenant
		check  func(*Set) bool
		want   bool
	}{
		"nothing decided, nothing removed": {Tenant{}, func(s *Set) bool { return s.MayRemove(tenant, app) }, false},
		"an app may remove":                {Tenant{AllowRemove: []string{app}}, func(s *Set) bool { return s.MayRemove(tenant, app) }, true},
		"another app may not":              {Tenant{AllowRemove: []string{app}}, func(s *Set) bool { return s.MayRemove(tenant, another) }, false},
		"not in another tenant":            {Tenant{AllowRemove: []string{app}}, func(s *Set) bool { return s.MayRemove(another, app) }, false},
		"access for a user":                {Tenant{Access: []Access{{app, []string{user}}}}, func(s *Set) bool { return s.MayAccess(tenant, app, user) }, true},
		"no access for another user":       {Tenant{Access: []Access{{app, []string{user}}}}, func(s *Set) bool { return s.MayAccess(tenant, app, nobody) }, false},
		"access for all users":             {Tenant{Access: []Access{{AppID: app}}}, func(s *Set) bool { return s.MayAccess(tenant, app, nobody) }, true},
		"no access for another app":        {Tenant{Access: []Access{{AppID: app}}}, func(s *Set) bool { return s.MayAccess(tenant, another, user) }, false},
		"a recorder for a user, in any case": {Tenant{Recording: []Recording{{AppID: app, Users: []string{user}}}}, func(s *Set) bool {
			r := s.Recorders(tenant, "CCCCCCCC-0000-4000-8000-00000000000A")
			return len(r) == 1 && r[0].ID != "" && r[0].InstanceID != ""
		}, true},
		"no recorder for another user": {Tenant{Recording: []Recording{{AppID: app, Users: []string{user}}}}, func(s *Set) bool { return len(s.Recorders(tenant, nobody)) > 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			if err := s.Put(tenant, c.tenant); err != nil {
				t.Fatal(err)
			}
			if got := c.check(&s); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestWhatIsNoGUIDIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		tenant string
		t      Tenant
	}{
		"the tenant":      {"contoso", Tenant{}},
		"an app":          {tenant, Tenant{AllowRemove: []string{"bot"}}},
		"a user":          {tenant, Tenant{Access: []Access{{app, []string{"ada"}}}}},
		"a recorder":      {tenant, Tenant{Recording: []Recording{{AppID: "bot"}}}},
		"somebody's name": {tenant, Tenant{Recording: []Recording{{AppID: app, Users: []string{"ada"}}}}},
	} {
		var s Set
		if s.Put(c.tenant, c.t) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
