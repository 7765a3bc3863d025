// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"strings"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// Caller says who one end of a call is, in the API's words.
func Caller(who graph.IdentitySet) v1alpha1.Caller {
	key, id := who.Primary()
	if id == nil {
		return v1alpha1.Caller{Kind: v1alpha1.CallerUnknown}
	}
	c := v1alpha1.Caller{Kind: v1alpha1.CallerUnknown, ID: id.ID, DisplayName: id.DisplayName, TenantID: id.TenantID}
	switch key {
	case "user":
		c.Kind = v1alpha1.CallerUser
	case "phone":
		c.Kind = v1alpha1.CallerPhone
	case "application", "applicationInstance":
		c.Kind = v1alpha1.CallerApplication
	case "guest":
		c.Kind = v1alpha1.CallerGuest
	}
	return c
}

// IsBot reports whether a participant is an application: a bot, a recorder, or something of the service's own.
func IsBot(who graph.IdentitySet) bool {
	return Caller(who).Kind == v1alpha1.CallerApplication
}

// Targets are the ids under which somebody may be named in a rule: an application instance often carries its
// application beside it, and either may be meant.
func Targets(who graph.IdentitySet) []string {
	var ids []string
	for _, id := range []*graph.Identity{who.ApplicationInstance, who.Application, who.User} {
		if id != nil && id.ID != "" {
			ids = append(ids, id.ID)
		}
	}
	return ids
}

// Party is how Graph is told of somebody the API names.
func Party(who v1alpha1.Identity) graph.IdentitySet {
	switch {
	case who.User != "":
		return graph.IdentitySet{User: &graph.Identity{ID: string(who.User)}}
	case who.Phone != "":
		return graph.IdentitySet{Phone: &graph.Identity{ID: string(who.Phone)}}
	case who.Application != "":
		return graph.IdentitySet{Application: &graph.Identity{ID: string(who.Application)}}
	}
	return graph.IdentitySet{}
}

// isOneOf compares ids as Graph writes them: in any case, with or without dashes.
func isOneOf[T ~string](ids []T, id string) bool {
	for _, one := range ids {
		if graph.SameID(string(one), id) {
			return true
		}
	}
	return false
}

func isOneOfFold(names []string, name string) bool {
	for _, one := range names {
		if strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}
