// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
	"github.com/callfleet/callfleet/controllers/shorten"
	"github.com/callfleet/callfleet/controllers/soonest"
)

const (
	// endMessageMax is the schema's bound on a call's end message.
	endMessageMax = 1024
	// podsNamed is how many pods a message tells of one by one.
	podsNamed = 3
	// podMessageMax is how much of what a pod says is repeated in a session's message.
	podMessageMax = 200
)

// seek is the decision to look for a seat; refused, if set, is the pod that the session is taken away from.
func seek(s *subject, f facts, refused *refusal) decision {
	refusals := f.refusals
	if refused != nil {
		refusals = append([]refusal{*refused}, refusals...)
	}
	avoided := func(p podFacts) bool {
		for _, r := range refusals {
			if r.pod == p.name {
				return true
			}
		}
		return false
	}
	waits := decision{
		verdict: wait, phase: v1alpha1.PhasePending, reason: v1alpha1.ReasonNoSeat,
		message: noSeatMessage(s, f.fleet), refused: refused, next: endOf(s), stalled: tooBig(s, f.fleet),
	}
	var candidates []placement.Pod
	shunned := false
	for _, p := range f.fleet {
		switch {
		case !p.usable():
		case avoided(p):
			shunned = shunned || p.free() >= p.seatsFor(s) || refused != nil && p.name == refused.pod
		default:
			candidates = append(candidates, placement.Pod{
				Name: p.name, Capacity: p.capacity, Cost: p.seatsFor(s), Newest: p.revision == f.rules.newest && !p.renewed,
			})
		}
	}
	if shunned {
		waits.stalled = false
		waits.reason, waits.message = v1alpha1.ReasonPodRefused, refusedMessage(s, refusals[0])
		for _, r := range refusals {
			waits.next = soonest.Of(waits.next, r.until)
		}
	}
	if len(candidates) == 0 {
		return waits
	}
	// Whether one of them has a seat is for the ledger to say at the moment it is taken.
	return decision{verdict: place, candidates: candidates, order: f.rules.order(), refused: refused, orElse: &waits}
}

func refusedMessage(s *subject, r refusal) string {
	return fmt.Sprintf("media pod %s did not take the %s: %s. Another pod is looked for; %s is asked again after %s",
		r.pod.Name, s.kind.noun, shorten.Characters(strings.TrimRight(r.message, "."), podMessageMax), r.pod.Name, refusalLasts)
}

func botMessage(s *subject, f botFacts) string {
	bot, noun := s.bot(), s.kind.noun
	switch {
	case f.deleting:
		return fmt.Sprintf("CallingBot %s is being deleted. Create it again, or delete this %s", bot.Name, noun)
	case len(f.elsewhere) > 0:
		return fmt.Sprintf("there is no CallingBot %s in namespace %s; there is one in %s. A %s and its bot must be in the same namespace: create the %s there",
			bot.Name, bot.Namespace, strings.Join(f.elsewhere[:min(len(f.elsewhere), podsNamed)], ", "), noun, noun)
	default:
		return fmt.Sprintf("there is no CallingBot %s in namespace %s. Create it, or make a new %s with the right botRef", bot.Name, bot.Namespace, noun)
	}
}

// tooBig: there are pods, and none of them, however empty, has as many seats as the session takes.
func tooBig(s *subject, fleet []podFacts) bool {
	for _, p := range fleet {
		if !p.leaving && p.capacity >= p.seatsFor(s) {
			return false
		}
	}
	return seatsIn(s, fleet) > 0
}

// seatsIn is how many seats the session would take in this fleet; 0 if there are no pods to tell by.
func seatsIn(s *subject, fleet []podFacts) int32 {
	most := int32(0)
	for _, p := range fleet {
		if !p.leaving {
			most = max(most, p.seatsFor(s))
		}
	}
	return most
}

// noSeatMessage tells the state of the fleet. It speaks of capacity and readiness only, not of single calls: the
// messages of all sessions that wait would otherwise be rewritten with every call that comes or goes.
func noSeatMessage(s *subject, fleet []podFacts) string {
	bot := s.spec.BotRef.Name
	var ready, serving int
	var seats int32
	var unready []string
	for _, p := range fleet {
		switch {
		case p.leaving:
			continue
		case p.ready:
			ready++
			seats += p.capacity
		case len(unready) < podsNamed:
			unready = append(unready, p.describe())
		}
		serving++
	}
	var text strings.Builder
	switch {
	case serving == 0:
		fmt.Fprintf(&text, "no free seat: %s has no media pods that take calls", bot)
	case ready == 0:
		fmt.Fprintf(&text, "no free seat: %s has 0 of %d pods ready", bot, serving)
	case seatsIn(s, fleet) > 1:
		fmt.Fprintf(&text, "no free seats: %s has %d of %d pods ready with %d seats, and none has the %d left that this %s takes",
			bot, ready, serving, seats, seatsIn(s, fleet), s.kind.noun)
	default:
		fmt.Fprintf(&text, "no free seat: %s has %d of %d pods ready and all of their %d seats are taken", bot, ready, serving, seats)
	}
	if len(unready) > 0 {
		fmt.Fprintf(&text, "; %s", strings.Join(unready, "; "))
	}
	if more := serving - ready - len(unready); more > 0 {
		fmt.Fprintf(&text, "; and %d more", more)
	}
	if tooBig(s, fleet) {
		fmt.Fprintf(&text, ". No pod has as many, however empty: raise spec.capacity.seats of CallingBot %s, or let the %s use less", bot, s.kind.noun)
		return text.String()
	}
	fmt.Fprintf(&text, ". The %s gets the next seat that is free; for more seats raise spec.replicas or spec.capacity.seats of CallingBot %s", s.kind.noun, bot)
	if len(unready) > 0 {
		fmt.Fprintf(&text, ", or see what its pods lack: kubectl describe mediapods -l callfleet.dev/bot=%s", bot)
	}
	return text.String()
}

func (p podFacts) describe() string {
	switch {
	case p.reason == "":
		return p.name.Name + ": not reported yet"
	case p.message == "":
		return fmt.Sprintf("%s: %s", p.name.Name, p.reason)
	default:
		return fmt.Sprintf("%s: %s (%s)", p.name.Name, p.reason, shorten.Characters(p.message, podMessageMax))
	}
}
