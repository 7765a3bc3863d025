// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

const (
	home    = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	partner = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	jane    = "550fae72-d251-43ec-868c-373732c2704f"
	queue   = "aa1122bb-0000-4000-8000-000000000001"
	bot     = "0efc74f7-41c3-47a4-8775-7259bfef4241"
)

func user(id, tenant string) v1alpha1.Caller {
	return v1alpha1.Caller{Kind: v1alpha1.CallerUser, ID: id, TenantID: tenant}
}

func answer(from *v1alpha1.CallerMatch) v1alpha1.IncomingRule {
	return v1alpha1.IncomingRule{From: from, Action: v1alpha1.IncomingAnswer}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	answered := func(rule int) Verdict { return Verdict{Action: v1alpha1.IncomingAnswer, Rule: rule} }
	rejected := func(rule int, why graph.RejectReason) Verdict {
		return Verdict{Action: v1alpha1.IncomingReject, Rule: rule, Reason: why}
	}
	nobody := rejected(NoRule, graph.RejectForbidden)
	reject := func(why v1alpha1.RejectReason, from *v1alpha1.CallerMatch) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{From: from, Action: v1alpha1.IncomingReject, Reason: why}
	}
	fromTenant := func(ids ...v1alpha1.GUID) *v1alpha1.CallerMatch { return &v1alpha1.CallerMatch{Tenants: ids} }
	fromUser := func(ids ...v1alpha1.GUID) *v1alpha1.CallerMatch { return &v1alpha1.CallerMatch{Users: ids} }
	kinds := func(k ...v1alpha1.CallerKind) *v1alpha1.CallerMatch { return &v1alpha1.CallerMatch{Kinds: k} }
	to := func(ids ...v1alpha1.GUID) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{To: ids, Action: v1alpha1.IncomingAnswer}
	}
	recording := func(want *bool) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{PolicyRecording: want, Action: v1alpha1.IncomingAnswer}
	}
	behalf := func(of *v1alpha1.CallerMatch) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{OnBehalfOf: of, Action: v1alpha1.IncomingAnswer}
	}
	phone := v1alpha1.Caller{Kind: v1alpha1.CallerPhone, ID: "+12065550100"}
	guest := v1alpha1.Caller{Kind: v1alpha1.CallerGuest, ID: jane}

	tests := map[string]struct {
		rules []v1alpha1.IncomingRule
		call  Call
		want  Verdict
	}{
		"no rules":                {nil, Call{}, nobody},
		"a rule for anybody":      {[]v1alpha1.IncomingRule{answer(nil)}, Call{}, answered(0)},
		"reject without a reason": {[]v1alpha1.IncomingRule{reject("", nil)}, Call{}, rejected(0, graph.RejectNone)},
		"reject as busy":          {[]v1alpha1.IncomingRule{reject(v1alpha1.RejectBusy, nil)}, Call{}, rejected(0, graph.RejectBusy)},
		"reject as forbidden":     {[]v1alpha1.IncomingRule{reject(v1alpha1.RejectForbidden, nil)}, Call{}, rejected(0, graph.RejectForbidden)},
		"redirect":                {[]v1alpha1.IncomingRule{{Action: v1alpha1.IncomingRedirect}}, Call{}, Verdict{Action: v1alpha1.IncomingRedirect}},
		"the caller's tenant":     {[]v1alpha1.IncomingRule{answer(fromTenant(home))}, Call{TenantID: partner, From: user(jane, home)}, answered(0)},
		"another tenant":          {[]v1alpha1.IncomingRule{answer(fromTenant(home))}, Call{TenantID: home, From: user(jane, partner)}, nobody},
		"one of the tenants":      {[]v1alpha1.IncomingRule{answer(fromTenant(partner, home))}, Call{From: user(jane, home)}, answered(0)},
		"a caller without tenant calls in the token's": {[]v1alpha1.IncomingRule{answer(fromTenant(home))}, Call{TenantID: home, From: phone}, answered(0)},
		"a tenant written otherwise":                   {[]v1alpha1.IncomingRule{answer(fromTenant(home))}, Call{From: user(jane, "1FDD12D0462044EDBAEC459B611F84B2")}, answered(0)},
		"no tenant at all":                             {[]v1alpha1.IncomingRule{answer(fromTenant(home))}, Call{}, nobody},
		"the user":                                     {[]v1alpha1.IncomingRule{answer(fromUser(jane))}, Call{From: user(jane, home)}, answered(0)},
		"another user":                                 {[]v1alpha1.IncomingRule{answer(fromUser(jane))}, Call{From: user(bot, home)}, nobody},
		"a guest with a user's id":                     {[]v1alpha1.IncomingRule{answer(fromUser(jane))}, Call{From: guest}, nobody},
		"the user from a tenant that must match too":   {[]v1alpha1.IncomingRule{answer(&v1alpha1.CallerMatch{Tenants: []v1alpha1.GUID{home}, Users: []v1alpha1.GUID{jane}})}, Call{From: user(jane, partner)}, nobody},
		"the kind":                                     {[]v1alpha1.IncomingRule{answer(kinds(v1alpha1.CallerGuest, v1alpha1.CallerPhone))}, Call{From: phone}, answered(0)},
		"another kind":                                 {[]v1alpha1.IncomingRule{answer(kinds(v1alpha1.CallerUser))}, Call{From: phone}, nobody},
		"an encrypted caller is of no known kind":      {[]v1alpha1.IncomingRule{answer(kinds(v1alpha1.CallerUnknown))}, Call{From: Caller(graph.IdentitySet{Encrypted: &graph.Identity{ID: "x"}})}, answered(0)},
		"the target":                                   {[]v1alpha1.IncomingRule{to(queue)}, Call{Targets: []string{queue, bot}}, answered(0)},
		"the application beside the instance":          {[]v1alpha1.IncomingRule{to(bot)}, Call{Targets: []string{queue, bot}}, answered(0)},
		"another target":                               {[]v1alpha1.IncomingRule{to(queue)}, Call{Targets: []string{bot}}, nobody},
		"policy recording wanted":                      {[]v1alpha1.IncomingRule{recording(ptr.To(true))}, Call{PolicyRecording: true}, answered(0)},
		"policy recording wanted, a plain call":        {[]v1alpha1.IncomingRule{recording(ptr.To(true))}, Call{}, nobody},
		"plain calls wanted, policy recording":         {[]v1alpha1.IncomingRule{recording(ptr.To(false))}, Call{PolicyRecording: true}, nobody},
		"both":                                         {[]v1alpha1.IncomingRule{recording(nil)}, Call{PolicyRecording: true}, answered(0)},
		"on the user's behalf":                         {[]v1alpha1.IncomingRule{behalf(fromUser(jane))}, Call{From: phone, OnBehalfOf: ptr.To(user(jane, home))}, answered(0)},
		"on another's behalf":                          {[]v1alpha1.IncomingRule{behalf(fromUser(jane))}, Call{From: user(jane, home), OnBehalfOf: ptr.To(user(bot, home))}, nobody},
		"on nobody's behalf":                           {[]v1alpha1.IncomingRule{behalf(&v1alpha1.CallerMatch{})}, Call{From: user(jane, home)}, nobody},
		"on behalf of another tenant":                  {[]v1alpha1.IncomingRule{behalf(fromTenant(home))}, Call{TenantID: home, OnBehalfOf: ptr.To(user(jane, partner))}, nobody},
		"the second matches":                           {[]v1alpha1.IncomingRule{answer(fromUser(bot)), answer(nil)}, Call{From: user(jane, home)}, answered(1)},
		"both match and the first decides":             {[]v1alpha1.IncomingRule{reject(v1alpha1.RejectBusy, fromUser(jane)), answer(nil)}, Call{From: user(jane, home)}, rejected(0, graph.RejectBusy)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Decide(tc.rules, tc.call)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhereACallIsTakenByRegion(t *testing.T) {
	const here, us, eu = "https://bots.contoso.com/voice/reception/calls", "https://us.contoso.com/voice/reception/calls", "https://eu.contoso.com/voice/reception/calls"
	redirects := []v1alpha1.RegionRedirect{
		{Countries: []string{"CH"}, URL: here},
		{Countries: []string{"US", "CA"}, URL: us},
		{Regions: []string{"emea"}, URL: eu},
		{Countries: []string{"MX"}, Regions: []string{"amer"}, URL: us},
	}
	tests := map[string]struct {
		call Call
		want string
	}{
		"by country":                      {Call{Country: "US"}, us},
		"by country in another case":      {Call{Country: "ca"}, us},
		"by region":                       {Call{Region: "EMEA"}, eu},
		"a country of the region":         {Call{Country: "DE", Region: "emea"}, eu},
		"the first decides":               {Call{Country: "US", Region: "emea"}, us},
		"both, if both are given":         {Call{Country: "MX", Region: "amer"}, us},
		"not one without the other":       {Call{Country: "MX", Region: "apac"}, ""},
		"what leads back here stays here": {Call{Country: "CH", Region: "emea"}, ""},
		"nowhere":                         {Call{Country: "JP", Region: "apac"}, ""},
		"nothing known":                   {Call{}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Region(redirects, tc.call, here); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhoACallerIs(t *testing.T) {
	id := func(id string) *graph.Identity {
		return &graph.Identity{ID: id, DisplayName: "Jane", TenantID: home}
	}
	tests := map[string]struct {
		who  graph.IdentitySet
		want v1alpha1.CallerKind
		bot  bool
	}{
		"user":        {graph.IdentitySet{User: id("1")}, v1alpha1.CallerUser, false},
		"phone":       {graph.IdentitySet{Phone: id("1")}, v1alpha1.CallerPhone, false},
		"guest":       {graph.IdentitySet{Guest: id("1")}, v1alpha1.CallerGuest, false},
		"application": {graph.IdentitySet{Application: id("1")}, v1alpha1.CallerApplication, true},
		"instance":    {graph.IdentitySet{Application: id("2"), ApplicationInstance: id("1")}, v1alpha1.CallerApplication, true},
		"encrypted":   {graph.IdentitySet{Encrypted: id("1")}, v1alpha1.CallerUnknown, false},
		"other":       {graph.IdentitySet{Other: map[string]graph.Identity{"skype": *id("1")}}, v1alpha1.CallerUnknown, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			want := v1alpha1.Caller{Kind: tc.want, ID: "1", DisplayName: "Jane", TenantID: home}
			if diff := cmp.Diff(want, Caller(tc.who)); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
			if IsBot(tc.who) != tc.bot {
				t.Errorf("bot: %v", !tc.bot)
			}
		})
	}
	if got := Caller(graph.IdentitySet{}); got.Kind != v1alpha1.CallerUnknown {
		t.Errorf("nobody is %+v", got)
	}
}

func TestPartyIsReadBackAsItWasNamed(t *testing.T) {
	for kind, who := range map[v1alpha1.CallerKind]v1alpha1.Identity{
		v1alpha1.CallerUser:        {User: jane},
		v1alpha1.CallerPhone:       {Phone: "+12065550100"},
		v1alpha1.CallerApplication: {Application: bot},
	} {
		if got := Caller(Party(who)); got.Kind != kind || got.ID == "" {
			t.Errorf("%+v reads as %+v", who, got)
		}
	}
}
