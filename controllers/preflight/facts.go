// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// facts are what asking found out.
type facts struct {
	// problem kept the login from being asked; nil if nothing did.
	problem *problem
	// expires is what the Secret says of its own expiry; zero: nothing.
	expires time.Time
	// tenants, the bot's own first; none if there was a problem.
	tenants []tenantFacts
	// skew is how far the login's clock is ahead of ours; known says whether it told the time.
	skew      time.Duration
	skewKnown bool
	webhook   webhookFacts
}

// problem is something only a person can put right.
type problem struct{ reason, message string }

// tenantFacts is what the login gave for one tenant.
type tenantFacts struct {
	id string
	// roles of the token; opaque: they cannot be told.
	roles  []string
	opaque bool
	// refusal is why there is no token; nil if there is one.
	refusal *refusal
}

// refusal is a token that was not had.
type refusal struct {
	// aadsts is Entra ID's number for the cause, 0 if it gave none.
	aadsts int
	// passing: it may go away by itself.
	passing   bool
	explained graph.Explanation
}

// webhookOutcome is how asking the public name ended.
type webhookOutcome string

const (
	webhookProved      webhookOutcome = "proved"
	webhookUnproved    webhookOutcome = "unproved" // a router answered, but there is no pod yet by which it could prove whose it is
	webhookNotResolved webhookOutcome = "not resolved"
	webhookSilent      webhookOutcome = "silent"
	webhookUntrusted   webhookOutcome = "untrusted"
	webhookStrange     webhookOutcome = "strange"
)

type webhookFacts struct {
	outcome webhookOutcome
	// cause in a few words, if it went wrong.
	cause string
}
