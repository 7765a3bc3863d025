// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/mediapod/flow"
)

// stopsAfter is how long a prompt goes on that is being stopped.
const stopsAfter = 20 * time.Millisecond

// player is a call in simulated time: the stage, the caller's telephone, and the clock.
type player struct {
	Call
	now     time.Time
	coming  []coming // by time; what was planned first is first of what comes at the same time
	playing *playing
	record  *recording
	// speaking until then.
	speaking time.Time

	steps   []string
	entries []flow.Entry
}

// coming is something that will happen.
type coming struct {
	at    time.Time
	event flow.Event
	act   Act
}

type playing struct {
	id   int64
	ends time.Time // zero: when it is stopped
}

// recording is a Record under way.
type recording struct {
	flow.Record
	began time.Time
	heard bool
}

// step goes to what happens next; false: nothing ever does, or not soon enough.
func (p *player) step() bool {
	at, what := p.next()
	if what == nil || at.Sub(p.Begins) > longestCall || p.Machine.Steps() > mostSteps {
		return false
	}
	if at.After(p.now) {
		p.now = at
	}
	what()
	return true
}

// next is what happens next. What happens at the same time happens in this order: the caller and the service, the end of a prompt, the
// end of a recording, a timer of the flow.
func (p *player) next() (at time.Time, what func()) {
	consider := func(when time.Time, do func()) {
		if what == nil || when.Before(at) {
			at, what = when, do
		}
	}
	if len(p.coming) > 0 {
		consider(p.coming[0].at, p.come)
	}
	if p.playing != nil && !p.playing.ends.IsZero() {
		consider(p.playing.ends, p.played)
	}
	if p.record != nil {
		when, why := p.record.ends(p.speaking)
		consider(when, func() { p.recorded(why) })
	}
	if deadline := p.Machine.Deadline(); !deadline.IsZero() {
		consider(deadline, func() { p.carry(p.Machine.Expire(p.now)) })
	}
	return at, what
}

func (p *player) come() {
	c := p.coming[0]
	p.coming = p.coming[1:]
	if c.event != nil {
		p.tell(c.event)
		return
	}
	p.line("caller", "%v", c.act)
	switch {
	case c.act.Press != "":
		p.press(c.act)
	case c.act.HangUp:
		p.tell(flow.Ended{})
	default:
		if until := p.now.Add(c.act.Speak); until.After(p.speaking) {
			p.speaking = until
		}
		if p.record != nil {
			p.record.heard = true
		}
	}
}

func (p *player) press(a Act) {
	stops := p.record != nil && slices.Contains(p.record.StopTones, a.Press)
	p.tell(flow.Tone{Key: a.Press})
	if stops {
		p.recorded(flow.RecordStopTone)
	}
}

// tell tells an event to the machine, and what the machine makes of it to the call.
func (p *player) tell(e flow.Event) {
	p.trace(flow.EntryEvent, e)
	commands := p.Machine.Handle(p.now, e)
	p.plan(p.Caller.Told(e))
	p.carry(commands)
}

func (p *player) carry(commands []flow.Command) {
	for _, step := range p.Machine.Trail() {
		p.steps = append(p.steps, step)
		p.trace(flow.EntryStep, step)
		p.line("flow", "takes step %s", step)
	}
	at := p.Machine.At()
	for _, c := range commands {
		p.trace(flow.EntryCommand, c)
		p.do(at, c)
		p.plan(p.Caller.Given(c))
	}
}

func (p *player) do(step string, c flow.Command) {
	switch c := c.(type) {
	case flow.Play:
		p.play(c)
	case flow.StopPlaying:
		if p.playing != nil && p.playing.id == c.ID {
			p.line("bot", "stops")
			p.playing.ends = p.now.Add(stopsAfter)
		}
	case flow.Record:
		p.line("bot", "records %s", c.Name)
		p.record = &recording{Record: c, began: p.now, heard: p.speaking.After(p.now)}
	case flow.Transfer:
		p.line("bot", "transfers to %s", c.To)
		o := p.Outcome(step, c)
		p.later(o.After, flow.Transferred{ID: c.ID, Failure: o.Failure})
	case flow.Invite:
		p.line("bot", "invites %s", c.Who)
		o := p.Outcome(step, c)
		p.later(o.After, flow.Invited{ID: c.ID, Failure: o.Failure})
	case flow.Ask:
		p.line("bot", "asks %s", c.Webhook.URL)
		o := p.Outcome(step, c)
		p.later(o.After, flow.Answered{ID: c.ID, Variables: o.Variables, Next: o.Next, Failure: o.Failure})
	case flow.Mute:
		p.line("bot", "%ss", c)
	case flow.Redirect:
		p.line("bot", "sends the call on: %s", c)
	case flow.HangUp:
		p.line("bot", "hangs up")
	}
}

func (p *player) play(c flow.Play) {
	p.playing = &playing{id: c.ID}
	var length time.Duration
	var what []string
	for _, prompt := range c.Prompts {
		length += p.Length(prompt)
		what = append(what, prompt.String())
	}
	verb := "plays"
	if c.Loop {
		verb = "plays again and again"
	} else {
		p.playing.ends = p.now.Add(length)
	}
	if c.Prompts[0].Text != "" && !c.Loop {
		verb = "says"
	}
	p.line("bot", "%s %s", verb, strings.Join(what, ", "))
}

func (p *player) played() {
	id := p.playing.id
	p.playing = nil
	p.tell(flow.Played{ID: id})
}

func (p *player) recorded(why flow.RecordEnd) {
	r := p.record
	p.record = nil
	name := r.Name
	if why == flow.RecordNothing {
		name = ""
	}
	p.line("bot", "has recorded: %s", ofRecord[why])
	p.tell(flow.Recorded{ID: r.ID, End: why, Name: name})
}

var ofRecord = map[flow.RecordEnd]string{
	flow.RecordStopTone:    "a key ended it",
	flow.RecordSilence:     "the caller was done",
	flow.RecordNothing:     "nothing was said",
	flow.RecordMaxDuration: "the time was over",
}

// ends is when a recording ends if nothing more is said.
func (r *recording) ends(speaking time.Time) (time.Time, flow.RecordEnd) {
	at, why := r.began.Add(r.InitialSilence), flow.RecordNothing
	if r.heard {
		at, why = speaking.Add(r.MaxSilence), flow.RecordSilence
	}
	if full := r.began.Add(r.MaxDuration); !full.After(at) {
		at, why = full, flow.RecordMaxDuration
		if !r.heard {
			why = flow.RecordNothing
		}
	}
	return at, why
}

func (p *player) later(after time.Duration, e flow.Event) {
	p.schedule(coming{at: p.now.Add(after), event: e})
}

func (p *player) plan(acts []Due) {
	for _, d := range acts {
		p.schedule(coming{at: p.now.Add(d.After), act: d.Act})
	}
}

func (p *player) schedule(c coming) {
	i, _ := slices.BinarySearchFunc(p.coming, c, func(a, b coming) int {
		return cmp.Or(a.at.Compare(b.at), -1) // after those at the same time
	})
	p.coming = slices.Insert(p.coming, i, c)
}
