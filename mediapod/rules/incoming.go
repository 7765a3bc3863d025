// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// Call is what a rule may ask of a call that comes in.
type Call struct {
	// TenantID is the tenant whose token the notification carried. It is verified, where the caller's own is what the
	// service wrote beside the name.
	TenantID string
	From     v1alpha1.Caller
	// OnBehalfOf is on whose behalf the call comes; nil for nobody.
	OnBehalfOf *v1alpha1.Caller
	// Targets are the ids that were called.
	Targets         []string
	PolicyRecording bool
	// Country and Region the caller is in, as the service tells them; either may be empty.
	Country, Region string
}

// NoRule is the rule of a call that none matches.
const NoRule = -1

// Verdict is what is to become of a call.
type Verdict struct {
	Action v1alpha1.IncomingAction
	// Rule is the index of the rule that decided, or NoRule.
	Rule int
	// Reason of a Reject.
	Reason graph.RejectReason
}

// Decide gives the verdict of the first rule that matches. A call that none matches is rejected: a bot answers nobody it
// was not told to.
func Decide(rules []v1alpha1.IncomingRule, c Call) Verdict {
	for i := range rules {
		if matches(&rules[i], c) {
			v := Verdict{Action: rules[i].Action, Rule: i}
			if v.Action == v1alpha1.IncomingReject {
				v.Reason = rejectReason(rules[i].Reason)
			}
			return v
		}
	}
	return Verdict{Action: v1alpha1.IncomingReject, Rule: NoRule, Reason: graph.RejectForbidden}
}

// matches: every member of a rule that is set must match, and in each one entry must.
func matches(r *v1alpha1.IncomingRule, c Call) bool {
	switch {
	case r.PolicyRecording != nil && *r.PolicyRecording != c.PolicyRecording:
		return false
	case len(r.To) > 0 && !slices.ContainsFunc(c.Targets, func(id string) bool { return isOneOf(r.To, id) }):
		return false
	case r.OnBehalfOf != nil && (c.OnBehalfOf == nil || !is(r.OnBehalfOf, *c.OnBehalfOf, c.TenantID)):
		return false
	}
	return r.From == nil || is(r.From, c.From, c.TenantID)
}

// is says whether somebody matches, of a call that a tenant sends.
func is(m *v1alpha1.CallerMatch, who v1alpha1.Caller, tenant string) bool {
	// A telephone has no tenant, and neither has an encrypted identity: they call in the tenant that sends the call.
	if who.TenantID != "" {
		tenant = who.TenantID
	}
	switch {
	case len(m.Tenants) > 0 && !isOneOf(m.Tenants, tenant):
		return false
	// Only a user's id is a user's: a guest chooses its own, and it may read like one.
	case len(m.Users) > 0 && (who.Kind != v1alpha1.CallerUser || !isOneOf(m.Users, who.ID)):
		return false
	}
	return len(m.Kinds) == 0 || slices.Contains(m.Kinds, who.Kind)
}

func rejectReason(r v1alpha1.RejectReason) graph.RejectReason {
	switch r {
	case v1alpha1.RejectBusy:
		return graph.RejectBusy
	case v1alpha1.RejectForbidden:
		return graph.RejectForbidden
	default:
		return graph.RejectNone
	}
}

// Region is the webhook of the fleet that is to take a call from where the caller is, or "" for this one. What would
// lead back here leads nowhere.
func Region(redirects []v1alpha1.RegionRedirect, c Call, here string) string {
	for _, r := range redirects {
		switch {
		case len(r.Countries) > 0 && !isOneOfFold(r.Countries, c.Country):
		case len(r.Regions) > 0 && !isOneOfFold(r.Regions, c.Region):
		case len(r.Countries)+len(r.Regions) == 0:
		case string(r.URL) == here:
			return ""
		default:
			return string(r.URL)
		}
	}
	return ""
}
