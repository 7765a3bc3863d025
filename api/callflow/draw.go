// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// maxLabel is how many characters of a line are drawn.
const maxLabel = 60

// drawing is a flow as a picture of boxes and arrows.
type drawing struct {
	name   string
	boxes  []box
	arrows []arrow
}

// shape tells what kind of step a box is.
type shape int

const (
	shapeDoes    shape = iota // something is done
	shapeAsks                 // the caller is waited for
	shapeChooses              // a condition decides
	shapeCalls                // another flow is run
	shapeEnds                 // the flow is over
	shapeStart                // where it begins
	shapeMissing              // there is no such step
)

type box struct {
	// lines of its label: the name, and what is done.
	lines []string
	shape shape
}

// arrow leads from a box to another, by their places.
type arrow struct {
	from, to int
	labels   []string
	astray   bool
}

// draw draws a flow, whatever is wrong with it.
func draw(name string, spec *callfleetv1.CallFlowSpec) *drawing {
	d := &drawing{name: name, boxes: []box{newBox(shapeStart, " ")}}
	place := map[callfleetv1.StepName]int{}
	for i := range spec.Steps {
		s := &spec.Steps[i]
		if _, twice := place[s.Name]; !twice {
			place[s.Name] = len(d.boxes)
		}
		d.add(newBox(shapeOf(s), string(s.Name), what(s)))
	}
	at := func(step callfleetv1.StepName) int {
		if _, ok := place[step]; !ok {
			place[step] = d.add(newBox(shapeMissing, string(step), "there is no such step"))
		}
		return place[step]
	}
	if spec.Start != "" {
		d.lead(arrow{from: 0, to: at(spec.Start)}, "")
	}
	over := -1
	for i := range spec.Steps {
		s := &spec.Steps[i]
		for _, e := range exits(s, nil) {
			d.lead(arrow{from: i + 1, to: at(e.to), astray: e.astray}, e.when)
		}
		for _, when := range givenUp(s) {
			if over < 0 {
				over = d.add(newBox(shapeEnds, "the call ends"))
			}
			d.lead(arrow{from: i + 1, to: over, astray: true}, when)
		}
	}
	return d
}

func newBox(s shape, lines ...string) box {
	for i := range lines {
		lines[i] = cmp.Or(brevity(lines[i]), " ")
	}
	return box{lines: lines, shape: s}
}

func (d *drawing) add(b box) int {
	d.boxes = append(d.boxes, b)
	return len(d.boxes) - 1
}

// lead adds an arrow, or a label to one with labels that leads the same way.
func (d *drawing) lead(a arrow, label string) {
	if label = brevity(label); label == "" {
		d.arrows = append(d.arrows, a)
		return
	}
	i := slices.IndexFunc(d.arrows, func(b arrow) bool {
		return a.from == b.from && a.to == b.to && a.astray == b.astray && len(b.labels) > 0
	})
	if i < 0 {
		i = len(d.arrows)
		d.arrows = append(d.arrows, a)
	}
	if !slices.Contains(d.arrows[i].labels, label) {
		d.arrows[i].labels = append(d.arrows[i].labels, label)
	}
}

// givenUp are the ways on which a step ends the call without saying so.
func givenUp(s *callfleetv1.FlowStep) []string {
	var l *callfleetv1.Listening
	switch {
	case s.Menu != nil:
		l = &s.Menu.Listening
	case s.Collect != nil:
		l = &s.Collect.Listening
	default:
		return nil
	}
	var all []string
	if l.NoInput.Next == "" {
		all = append(all, whenNoInput)
	}
	if l.NoMatch.Next == "" {
		all = append(all, whenNoMatch)
	}
	return all
}

func shapeOf(s *callfleetv1.FlowStep) shape {
	switch {
	case s.Menu != nil, s.Collect != nil:
		return shapeAsks
	case s.Branch != nil:
		return shapeChooses
	case s.Subflow != nil:
		return shapeCalls
	case s.Hangup != nil, s.Return != nil, s.Redirect != nil:
		return shapeEnds
	}
	return shapeDoes
}

// what is what a step does, in a line.
func what(s *callfleetv1.FlowStep) string {
	switch {
	case s.Say != nil:
		return "say " + string(*s.Say)
	case s.Play != nil:
		return "play " + heard(s.Play.Prompts)
	case s.Menu != nil:
		return strings.TrimSpace("menu " + heard(s.Menu.Prompts))
	case s.Collect != nil:
		return fmt.Sprintf("collect %s", s.Collect.Variable)
	case s.Record != nil:
		return fmt.Sprintf("record %s", s.Record.Variable)
	case s.Transfer != nil:
		return "transfer to " + string(s.Transfer.To.User+s.Transfer.To.Phone)
	case s.Invite != nil:
		return "invite " + string(s.Invite.User+s.Invite.Phone)
	case s.Redirect != nil:
		var to []string
		for _, t := range s.Redirect.Targets {
			to = append(to, string(t.User)+string(t.Phone)+string(t.Application))
		}
		return "redirect to " + strings.Join(to, ", ")
	case s.Hold != nil:
		return fmt.Sprintf("hold %s", s.Hold.Duration)
	case s.Mute != nil && !s.Mute.Muted:
		return "unmute"
	case s.Set != nil:
		var values []string
		for _, name := range slices.Sorted(maps.Keys(s.Set)) {
			values = append(values, fmt.Sprintf("%s = %s", name, s.Set[name]))
		}
		return "set " + strings.Join(values, ", ")
	case s.Webhook != nil:
		host := string(s.Webhook.URL)
		if u, err := url.Parse(host); err == nil {
			host = u.Host
		}
		return "ask " + host
	case s.Subflow != nil:
		return "run " + s.Subflow.FlowRef.Name
	}
	return does(s) // in one word
}

// heard is the first of some prompts.
func heard(prompts callfleetv1.Prompts) string {
	if len(prompts) == 0 {
		return ""
	}
	p := prompts[0]
	text := string(p.Text)
	switch {
	case p.ConfigMap != nil:
		text = p.ConfigMap.Name + "/" + p.ConfigMap.Key
	case p.URL != "":
		text = string(p.URL)
		text = text[strings.LastIndexByte(text, '/')+1:]
	}
	if len(prompts) > 1 {
		return fmt.Sprintf("%s and %d more", cut(text, maxLabel/2), len(prompts)-1)
	}
	return text
}

// brevity is a text in one line, and not too long.
func brevity(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if short := cut(text, maxLabel); short != text {
		return strings.TrimSpace(short) + "…"
	}
	return text
}
