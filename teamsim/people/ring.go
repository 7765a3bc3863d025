// SPDX-License-Identifier: Apache-2.0

package people

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/simclock"
)

// Outcome is what came of a ringing phone.
type Outcome string

// The outcomes.
const (
	Answered        Outcome = "Answered"
	Declined        Outcome = "Declined"
	WasBusy         Outcome = "Busy"
	NotReached      Outcome = "Unreachable"
	NobodyAnswered  Outcome = "NobodyAnswered" // until the caller's patience ended
	CallerCancelled Outcome = "Cancelled"
)

var outcomes = map[Reaction]Outcome{Answer: Answered, Decline: Declined, Busy: WasBusy, Unreachable: NotReached}

// Ring is a phone that rings.
type Ring struct {
	ID     string
	Who    Person
	CallID string // the bot's call because of which it rings
	Why    string // Call, Redirect, Transfer, Invite
	Since  time.Time

	registry *Registry
	tell     func(Outcome)
	reaction *simclock.Timer
	patience *simclock.Timer
}

// Ring calls somebody. tell is called once, in its own goroutine, with what came of it.
func (r *Registry) Ring(id, callID, why string, patience time.Duration, tell func(Outcome)) *Ring {
	g := &Ring{ID: uuid.NewString(), Who: r.Get(id), CallID: callID, Why: why, Since: time.Now(), registry: r, tell: tell}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rings == nil {
		r.rings = map[string]*Ring{}
	}
	r.rings[g.ID] = g
	if o, reacts := outcomes[g.Who.Reaction]; reacts {
		g.reaction = r.Clock.AfterFunc(g.Who.After, func() { g.end(o) })
	}
	g.patience = r.Clock.AfterFunc(patience, func() { g.end(NobodyAnswered) })
	return g
}

// Cancel stops the ringing: the caller gave up, or somebody else answered.
func (g *Ring) Cancel() { g.end(CallerCancelled) }

func (g *Ring) end(o Outcome) bool {
	r := g.registry
	r.mu.Lock()
	_, rings := r.rings[g.ID]
	delete(r.rings, g.ID)
	if g.reaction != nil {
		g.reaction.Stop()
	}
	g.patience.Stop()
	r.mu.Unlock()
	if rings {
		go g.tell(o)
	}
	return rings
}

// Ringing lists the phones that ring, those that began first coming first.
func (r *Registry) Ringing() []*Ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Ring, 0, len(r.rings))
	for _, g := range r.rings {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Ring) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// React makes somebody react now to whatever rings at theirs.
func (r *Registry) React(id string, how Reaction) error {
	o, ok := outcomes[how]
	if !ok {
		return fmt.Errorf("%q is not a reaction to a call that rings", how)
	}
	found := false
	for _, g := range r.Ringing() {
		if strings.EqualFold(g.Who.ID, id) {
			found = g.end(o) || found
		}
	}
	if !found {
		return fmt.Errorf("nothing rings at %s", id)
	}
	return nil
}
