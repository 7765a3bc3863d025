// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// onlyBotsPatience is how long a bot stays among bots if leave.aloneTimeout does not say: long enough for somebody who
// reconnects.
const onlyBotsPatience = 10 * time.Second

// mediaLostPatience is how long a bot stays without media if leave.mediaLostTimeout does not say. RFC 7675 section 5.1 has a
// far side send for 30 seconds to somebody it does not hear of; a browser takes half of that to give a path up, and an
// application that restarts ICE then has the other half.
const mediaLostPatience = 30 * time.Second

// resumedPatience is how long a bot that waited in the lobby before this process had its call waits for the word that it
// still does.
const resumedPatience = 30 * time.Second

// Scene is what is seen of a call at one moment.
type Scene struct {
	Now         time.Time
	InLobby     bool
	Established time.Time // zero before the bot was in

	// HasRoster: the call is a meeting or group call and the service has told who is in it.
	HasRoster bool
	// InCall counts those in the call, the bot included; People those who are no bots.
	InCall, People int

	// Hears: the pod hears the call itself. Heard is when it last heard something, zero if it never has.
	Hears bool
	Heard time.Time
	// MediaLost: there was a media connection, and there is none now over which anything comes.
	MediaLost bool
}

// Presence remembers since when what the rules look at has been so. Its zero value is a call that has just begun.
type Presence struct {
	lobbySince, aloneSince, desertedSince, mediaLostSince time.Time

	company bool // somebody else was there
	people  bool // somebody who is no bot was there
	resumed time.Time
}

// Resumed is the presence of a bot that was in its call before this process was: whoever was there may have left
// meanwhile. lobbySince is when it came into the lobby that it waited in; zero: it did not, or nobody knows.
func Resumed(now, lobbySince time.Time) Presence {
	return Presence{company: true, people: true, lobbySince: lobbySince, resumed: now}
}

// Look takes one more scene in, and says why the bot is to leave, or "".
//
// A bot that is first in a meeting waits for the others: nobody has left it alone.
func (p Presence) Look(r v1alpha1.LeaveRules, s Scene) (Presence, v1alpha1.EndReason) {
	if s.InLobby || !s.Established.IsZero() { // else nobody knows yet
		p.lobbySince = since(p.lobbySince, s.InLobby, s.Now)
	}
	p.mediaLostSince = since(p.mediaLostSince, s.MediaLost, s.Now)
	if s.HasRoster {
		p.company = p.company || s.InCall > 1
		p.people = p.people || s.People > 0
		p.aloneSince = since(p.aloneSince, p.company && s.InCall <= 1, s.Now)
		p.desertedSince = since(p.desertedSince, p.people && s.People == 0, s.Now)
	}
	return p, p.leave(r, s)
}

func (p Presence) leave(r v1alpha1.LeaveRules, s Scene) v1alpha1.EndReason {
	// Without a roster it may have been let in before the call was resumed.
	known := s.HasRoster || passed(p.resumed, resumedPatience, s.Now)
	if s.InLobby && known && passed(p.lobbySince, r.LobbyTimeout.Duration(), s.Now) {
		return v1alpha1.EndLobbyTimeout
	}
	if passed(p.mediaLostSince, mediaLostLimit(r), s.Now) {
		return v1alpha1.EndMediaLost
	}
	if s.Established.IsZero() || s.InLobby {
		return ""
	}
	alone := r.AloneTimeout.Duration()
	amongBots := time.Duration(0)
	if r.OnlyBots {
		if alone == 0 {
			alone = onlyBotsPatience
		}
		amongBots = alone
	}
	heard := s.Heard
	if heard.Before(s.Established) {
		heard = s.Established
	}
	switch {
	case passed(s.Established, r.MaxDuration.Duration(), s.Now):
		return v1alpha1.EndMaxDurationReached
	case passed(p.aloneSince, alone, s.Now):
		return v1alpha1.EndAloneTimeout
	case s.InCall > 1 && passed(p.desertedSince, amongBots, s.Now):
		return v1alpha1.EndOnlyBotsLeft
	case s.Hears && passed(heard, r.SilenceTimeout.Duration(), s.Now):
		return v1alpha1.EndSilenceTimeout
	}
	return ""
}

// mediaLostLimit is zero for a bot that stays.
func mediaLostLimit(r v1alpha1.LeaveRules) time.Duration {
	if r.MediaLostTimeout == nil {
		return mediaLostPatience
	}
	return r.MediaLostTimeout.Duration()
}

// since is when something began to be so that is so now; zero if it is not.
func since(before time.Time, is bool, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case before.IsZero():
		return now
	default:
		return before
	}
}

// passed: a limit that is set has run out.
func passed(from time.Time, limit time.Duration, now time.Time) bool {
	return limit > 0 && !from.IsZero() && now.Sub(from) >= limit
}
