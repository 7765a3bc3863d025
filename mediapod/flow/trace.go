// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Entry is a line of a trace: what happened, without when, so that the traces of two stages can be compared. It tells the caller's keys
// and the flow's variables, which may be anybody's PIN: it is for tests, and no log.
type Entry struct {
	Kind EntryKind
	// Text of a step is its name as FlowStatus.Step has it, that of a command or event its String, that of an end a FlowEnd.
	Text string
}

// EntryKind is what an Entry tells of.
type EntryKind string

// The kinds. What two stages must have in common is all but events: keys come sooner on one than on the other.
const (
	EntryStep    EntryKind = "step"
	EntryCommand EntryKind = "command"
	EntryEvent   EntryKind = "event"
	EntryEnd     EntryKind = "end"
)

func (e Entry) String() string { return string(e.Kind) + " " + e.Text }

func (c Play) String() string {
	var b strings.Builder
	b.WriteString("play " + strconv.FormatInt(c.ID, 10))
	if c.Loop {
		b.WriteString(" again and again")
	}
	for i, p := range c.Prompts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + p.String())
	}
	return b.String()
}

func (p Prompt) String() string {
	switch {
	case p.ConfigMap != nil:
		return p.ConfigMap.Name + "/" + p.ConfigMap.Key
	case p.URL != "":
		return string(p.URL)
	}
	return strconv.Quote(p.Text)
}

func (c StopPlaying) String() string { return fmt.Sprintf("stop playing %d", c.ID) }

func (c Record) String() string {
	beep := "with a beep"
	if !c.Beep {
		beep = "without a beep"
	}
	return fmt.Sprintf("record %d %s %s, %v at most, silence %v/%v, until %q", c.ID, c.Name, beep, c.MaxDuration, c.InitialSilence, c.MaxSilence, keysOf(c.StopTones))
}

func (c Transfer) String() string {
	how := "blind"
	if c.Consultative {
		how = "consultative"
	}
	return fmt.Sprintf("transfer %d %s to %s within %v", c.ID, how, c.To, c.Timeout)
}

func (c Invite) String() string {
	hidden := ""
	if c.Hidden {
		hidden = " hidden"
	}
	return fmt.Sprintf("invite %d %s%s within %v", c.ID, c.Who, hidden, c.Timeout)
}

func (p Party) String() string { return p.User + p.Phone }

func (c Mute) String() string {
	if c.Muted {
		return "mute"
	}
	return "unmute"
}

func (c Ask) String() string {
	return fmt.Sprintf("ask %d %s key %s%s", c.ID, c.Webhook.URL, c.Key, pairs(c.Data))
}

func (c Redirect) String() string {
	var to []string
	for _, t := range c.To.Targets {
		to = append(to, string(t.User)+string(t.Phone)+string(t.Application))
	}
	return "redirect to " + strings.Join(to, ", ")
}

func (HangUp) String() string { return "hang up" }

func (e Tone) String() string   { return "key " + string(e.Key) }
func (e Played) String() string { return answer("played", e.ID, e.Failure) }
func (e Recorded) String() string {
	return answer("recorded", e.ID, e.Failure) + " " + string(e.End) + " " + strconv.Quote(e.Name)
}
func (e Transferred) String() string { return answer("transferred", e.ID, e.Failure) }
func (e Invited) String() string     { return answer("invited", e.ID, e.Failure) }
func (e Answered) String() string {
	next := ""
	if e.Next != "" {
		next = " next " + string(e.Next)
	}
	return answer("answered", e.ID, e.Failure) + next + pairs(e.Variables)
}
func (Ended) String() string { return "call over" }

func answer(what string, id int64, f Failure) string {
	s := what + " " + strconv.FormatInt(id, 10)
	if f != "" {
		s += " " + string(f)
	}
	return s
}

// pairs of a map, in the order of their names.
func pairs(m map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(" " + name + "=" + strconv.Quote(m[name]))
	}
	return b.String()
}

func keysOf(list []callfleetv1.PhoneKey) string {
	var b strings.Builder
	for _, k := range list {
		b.WriteString(string(k))
	}
	return b.String()
}
