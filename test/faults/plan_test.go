// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// What a scenario is about.
const (
	meets = "meeting"
	taken = "incoming"
	makes = "outgoing"
	keeps = "policy recording" // users join a meeting who are to be recorded
)

// plan is what happens in one scenario. All of it is drawn beforehand; only when exactly it happens is left to chance.
type plan struct {
	number int
	bot    string
	about  string
	start  time.Duration

	form   string // how the meeting is named
	people int
	lobby  string

	caller string // who calls, if it matters
	others int    // in the call already
	giveUp bool   // the caller hangs up before long
	ringAs int    // so many call at once

	callees []string // how each of them reacts
	ring    callfleetv1.Duration

	recorded []int // which of those under a recording policy join
	plays    bool  // a prompt, and no echo

	leave    callfleetv1.LeaveRules
	rejoin   callfleetv1.RejoinPolicy
	settings []string // from the beginning
	settled  bool     // what follows waits until the call stands
	acts     []step
	end      step
}

// step is something done after a while.
type step struct {
	after time.Duration
	what  string
	code  admin.Result
}

func (s step) String() string {
	text := fmt.Sprintf("%dms %s", s.after.Milliseconds(), s.what)
	if s.what == endRemotely {
		text += fmt.Sprintf(" %d/%d", s.code.Code, s.code.Subcode)
	}
	return text
}

func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %d: %s, bot %s, at %dms", p.number, p.about, p.bot, p.start.Milliseconds())
	switch p.about {
	case meets:
		fmt.Fprintf(&b, ", by %s, %d people, lobby %q, rejoin %s", p.form, p.people, p.lobby, p.rejoin)
	case taken:
		fmt.Fprintf(&b, ", caller %q, %d others, gives up %v, %d at once", p.caller, p.others, p.giveUp, p.ringAs)
	case makes:
		fmt.Fprintf(&b, ", callees %v, ringing %q", p.callees, p.ring)
	case keeps:
		fmt.Fprintf(&b, ", users %v", p.recorded)
	}
	fmt.Fprintf(&b, ", plays %v, leave %+v, settings %v, settled %v; then %v; end %v", p.plays, p.leave, p.settings, p.settled, p.acts, p.end)
	return b.String()
}

// What is done in a call.
const (
	mute      = "mute"
	unmute    = "unmute"
	announce  = "announce recording"
	withdraw  = "withdraw recording"
	keepMedia = "keep media"
	view      = "view a screen"
	share     = "share a screen"
	noShare   = "share nothing"
	inviteOne = "invite"
	uninvite  = "invite nobody"
	comes     = "somebody comes"
	goes      = "somebody goes"
	churn     = "people come and go"
	mutedBy   = "muted by somebody"
	flip      = "mute and unmute at once"
)

// What is done in a call through the pod that has it, as kubectl callfleet does.
const (
	handOn     = "transfer"
	handOnVain = "transfer to somebody who declines"
	playOne    = "play"
	playStop   = "play and stop"
	recordOne  = "record"
	sendKeys   = "send keys"
	hearKeys   = "subscribe to tones, and somebody presses keys"
	muteOne    = "mute a participant"
	removeOne  = "remove a participant"
	holdOne    = "hold a participant, and no more"
	gallery    = "large gallery"
)

var throughPod = []string{handOn, handOnVain, playOne, playStop, recordOne, sendKeys, hearKeys, muteOne, removeOne, holdOne, gallery}

// The service plays and records only where it has the media; once in a while it is asked to elsewhere.
var (
	withOwnMedia   = []string{handOn, handOn, handOnVain, sendKeys, muteOne, removeOne, holdOne, playOne, gallery}
	withTheirMedia = append([]string{handOn, playOne, playOne, playStop, recordOne, recordOne, hearKeys}, throughPod...)
)

var inCall = []string{mute, unmute, announce, withdraw, keepMedia, keepMedia, inviteOne, uninvite, comes, goes, churn, mutedBy, flip}

// How a call ends.
const (
	endWished   = "desiredState Ended"
	endDeleted  = "deleted"
	endRemotely = "ended by the service"
	endHungUp   = "the others hang up"
	endMeeting  = "the meeting ends"
	endRemoved  = "removed"
	endByRule   = "leave rule"
)

// results are what the service ends calls with: graph.md tells what they mean.
var results = []admin.Result{
	{Code: 200}, {Code: 0}, {Code: 410, Subcode: 301003}, {Code: 403, Subcode: 5854}, {Code: 404, Subcode: 7501}, {Code: 408, Subcode: 10},
	{Code: 480, Subcode: 10037}, {Code: 487, Subcode: 540200}, {Code: 500, Subcode: 7106}, {Code: 500, Subcode: 8522}, {Code: 503, Subcode: 0},
	{Code: 504, Subcode: 10404}, {Code: 580, Subcode: 2500}, {Code: 603, Subcode: 0}, {Code: 999, Subcode: 999999},
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func within(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most))).Round(time.Millisecond)
}

// draw plans a scenario.
func draw(seed uint64, number int) plan {
	r := rand.New(rand.NewPCG(seed, uint64(number)+1)) //nolint:gosec // chance is wanted, not secrecy
	p := plan{number: number, start: within(r, 6*time.Second), bot: pick(r, ownMedia, ownMedia, theirMedia), ringAs: 1}
	p.rejoin = pick(r, callfleetv1.RejoinOnFailure, callfleetv1.RejoinNever)
	p.settled = r.IntN(4) > 0
	p.leave.MaxDuration = "3m"
	ends := []string{endWished, endDeleted, endRemotely, endRemotely}
	switch n := r.IntN(100); {
	case n < 45:
		p.about = meets
		p.form = pick(r, "joinURL", "shortURL", "number", "coordinates", "vtc", "guest", "created")
		p.people = 1 + r.IntN(3)
		p.lobby = pick(r, "", "", "", "admitted", "admitted", "denied", "left", "closed")
		ends = append(ends, endMeeting, endRemoved, endByRule, endByRule)
	case n < 72:
		p.about = taken
		p.caller = pick(r, "", "", "", "", callerRecorded, callerRecorded, callerRejected, callerRedirected, callerPassedOn)
		p.others = pick(r, 0, 0, 0, 2)
		p.giveUp = r.IntN(6) == 0
		if r.IntN(20) == 0 {
			p.ringAs = 35 // more than there are seats
		}
		ends = append(ends, endHungUp, endHungUp)
	default:
		p.about = makes
		for range pick(r, 1, 1, 1, 2, 3) {
			p.callees = append(p.callees, pick(r, admin.Answers, admin.Answers, admin.Answers, admin.Declines, admin.IsBusy, admin.IsUnreachable, admin.Ignores))
		}
		p.ring = pick[callfleetv1.Duration](r, "", "10s")
		ends = append(ends, endHungUp, endByRule)
	}
	for _, s := range []string{mute, announce, view, inviteOne} {
		if r.IntN(8) == 0 {
			p.settings = append(p.settings, s)
		}
	}
	acts := inCall
	if p.bot == ownMedia {
		acts = append(acts[:len(acts):len(acts)], view, share, noShare)
	}
	for range r.IntN(4) {
		p.acts = append(p.acts, step{after: within(r, 600*time.Millisecond), what: pick(r, acts...)})
	}
	p.end = step{after: within(r, 800*time.Millisecond), what: pick(r, ends...), code: pick(r, results...)}
	if p.end.what == endByRule {
		switch pick(r, "duration", "alone", "silence", "bots") {
		case "duration":
			p.leave.MaxDuration = "15s"
		case "alone":
			p.leave.AloneTimeout = "5s"
		case "silence":
			p.leave.SilenceTimeout = "15s"
		case "bots":
			p.leave.OnlyBots, p.leave.AloneTimeout = true, "5s"
		}
	}
	if p.lobby == "left" {
		p.leave.LobbyTimeout = "10s"
	}
	drawMore(r, &p)
	return p
}

// drawMore draws what came later, after all else, so that what a seed stood for changed as little as could be.
func drawMore(r *rand.Rand, p *plan) {
	p.plays = r.IntN(3) > 0
	if p.about == meets && r.IntN(6) == 0 {
		p.about, p.lobby = keeps, ""
		p.recorded = pick(r, []int{0}, []int{0, 1}, []int{0, 1, 2}, []int{0, 1, 2}, []int{3}, []int{2, 3})
		p.end.what = pick(r, endMeeting, endRemoved, endWished, endDeleted, endHungUp, endHungUp)
	}
	if p.about == taken && p.caller == callerRedirected && r.IntN(2) == 0 {
		p.caller = callerForMany
	}
	if p.ringAs > 1 || r.IntN(2) == 0 {
		return // the second: so that the matrix is not about these alone
	}
	acts := withTheirMedia
	if p.bot == ownMedia {
		acts = withOwnMedia
	}
	one := step{after: within(r, 300*time.Millisecond), what: pick(r, acts...)}
	at := r.IntN(len(p.acts) + 1)
	p.acts = append(p.acts[:at:at], append([]step{one}, p.acts[at:]...)...)
}
