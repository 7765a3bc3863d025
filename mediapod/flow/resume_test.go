// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/flowtest"
)

// underWay are the commands that were given and not answered: of a Play its being stopped too.
type underWay []flow.Command

func (u underWay) given(commands []flow.Command) underWay {
	for _, c := range commands {
		if _, mute := c.(flow.Mute); !mute {
			u = append(u, c)
		}
	}
	return u
}

// answerTo any that is under way, as a stage might give it.
func (u underWay) answerTo(draw *rand.Rand) flow.Event {
	failure := []flow.Failure{"", "", flow.FailedNoAnswer}[draw.IntN(3)]
	switch c := u[0].(type) {
	case flow.Play:
		return flow.Played{ID: c.ID, Failure: failure}
	case flow.Record:
		ends := []flow.RecordEnd{flow.RecordStopTone, flow.RecordSilence, flow.RecordNothing, flow.RecordMaxDuration, flow.RecordFailed}
		return flow.Recorded{ID: c.ID, End: ends[draw.IntN(len(ends))], Name: c.Name}
	case flow.Transfer:
		return flow.Transferred{ID: c.ID, Failure: failure}
	case flow.Invite:
		return flow.Invited{ID: c.ID, Failure: failure}
	case flow.Ask:
		return flow.Answered{ID: c.ID, Failure: failure, Variables: map[string]string{"b": fmt.Sprint(draw.IntN(3))}}
	}
	return nil
}

// idOf a command that is answered; 0 of others.
func idOf(c flow.Command) int64 {
	switch c := c.(type) {
	case flow.Play:
		return c.ID
	case flow.Record:
		return c.ID
	case flow.Transfer:
		return c.ID
	case flow.Invite:
		return c.ID
	case flow.Ask:
		return c.ID
	}
	return 0
}

// A machine that is resumed again and again is led through the same call as one that never is, and must do the same.
func TestAnotherProcessGoesOnAsThisOneWould(t *testing.T) {
	ends := map[callfleetv1.FlowEnd]int{}
	for seed := range uint64(200) {
		c, err := flowtest.Random(seed)
		if err != nil {
			t.Fatal(err)
		}
		ends[lockstep(t, c, rand.New(rand.NewPCG(seed, 3)))]++
		if t.Failed() {
			t.Fatalf("in the call of seed %d", seed)
		}
	}
	t.Log(ends)
	if len(ends) < 5 {
		t.Errorf("of all the ends there are, calls had %v", ends)
	}
}

func lockstep(t *testing.T, c *flowtest.Case, draw *rand.Rand) callfleetv1.FlowEnd {
	t.Helper()
	whole, other := c.Machine(), c.Machine()
	call, now := c.Call, noon
	var open underWay
	last := int64(0)
	check := func(what any, want, got []flow.Command) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: a machine that was resumed does other things (-whole +resumed):\n%s", what, diff)
		}
		if diff := cmp.Diff(string(whole.State()), string(other.State())); diff != "" {
			t.Errorf("%v: a machine that was resumed is elsewhere (-whole +resumed):\n%s", what, diff)
		}
		for _, command := range want {
			if id := idOf(command); id != 0 {
				if id <= last {
					t.Errorf("ID %d was given after %d", id, last)
				}
				last = id
			}
		}
		open = open.given(want)
	}
	resume := func() {
		t.Helper()
		m, err := flow.Resume(c.Program, call, other.State())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]flow.Command(open), m.Begin(now)); diff != "" {
			t.Errorf("commands under way are given otherwise (-given +given again):\n%s", diff)
		}
		other = m
	}
	check("begin", whole.Begin(now), other.Begin(now))
	for range 300 {
		if t.Failed() {
			return ""
		}
		if draw.IntN(2) == 0 {
			resume()
		}
		if whole.End() != "" {
			break
		}
		now = now.Add(time.Millisecond)
		if whole.NeedsAnswer() {
			call.Answered = true
			check("answered", whole.Answered(now), other.Answered(now))
			continue
		}
		var e flow.Event
		switch n := draw.IntN(20); {
		case n < 9 && len(open) > 0:
			e = open.answerTo(draw)
			open = nil // no step has two
		case n < 13 && !whole.Deadline().IsZero():
			if d := other.Deadline(); d.After(now) {
				now = d // timers begin anew, so this is the later one
			}
			check("expired", whole.Expire(now), other.Expire(now))
			continue
		case n == 19 && draw.IntN(10) == 0:
			e, open = flow.Ended{}, nil
		default:
			const keys = "0123456789*#ABCD"
			k := draw.IntN(len(keys))
			e = flow.Tone{Key: callfleetv1.PhoneKey(keys[k : k+1])}
		}
		check(e, whole.Handle(now, e), other.Handle(now, e))
	}
	end := whole.End()
	if end != "" {
		for _, e := range []flow.Event{flow.Ended{}, flow.Tone{Key: "1"}, flow.Played{ID: last}, flow.Transferred{ID: last}} {
			if commands := whole.Handle(now, e); commands != nil || whole.End() != end {
				t.Errorf("after the end %v came to %v, and the end to %s", e, commands, whole.End())
			}
		}
		if commands := append(whole.Expire(now.Add(time.Hour)), whole.Answered(now)...); commands != nil || !whole.Deadline().IsZero() {
			t.Errorf("after the end there was time for %v", commands)
		}
	}
	return end
}

func TestAStateOfAnotherFlowIsRefused(t *testing.T) {
	p := program(t, menus)
	for state, want := range map[string]string{
		`{`: "reading the state of a flow",
		`{"at":{"flow":"main","step":"gone"},"phase":"entering"}`:                                                            "it has no step gone",
		`{"at":{"flow":"main","step":"end"},"phase":"entering","stack":[{"flow":"sub","step":"x"}]}`:                         "it has no step sub/x, where a subflow returns to",
		`{"at":{"flow":"main","step":"end"},"phase":"listening"}`:                                                            `step end cannot be "listening"`,
		`{"at":{"flow":"main","step":"choose"},"phase":"waiting","waiting":1,"lastID":1}`:                                    `step choose cannot be "waiting"`,
		`{"at":{"flow":"main","step":"choose"},"phase":"prompting"}`:                                                         `step choose cannot be "prompting"`,
		`{"at":{"flow":"main","step":"choose"},"phase":"holding"}`:                                                           `step choose cannot be "holding"`,
		`{"at":{"flow":"main","step":"choose"},"phase":"sleeping"}`:                                                          `step choose cannot be "sleeping"`,
		`{"at":{"flow":"main","step":"choose"},"phase":"prompting","playing":2,"lastID":1}`:                                  "a command is under way that was never given",
		`{"at":{"flow":"main","step":"choose"},"phase":"listening","input":"1"}`:                                             `step choose has keys that it would have taken`,
		`{"at":{"flow":"main","step":"listen"},"phase":"prompting","playing":1,"lastID":1,"input":"1","decided":true,"x":1}`: "",
	} {
		m, err := flow.Resume(p, answered(), []byte(state))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s is refused: %v", state, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s comes to %v, %v; want %s", state, m, err, want)
		}
	}
}

// FuzzResume: whatever the API server has kept, a pod goes on or says why not.
func FuzzResume(f *testing.F) {
	c, err := flowtest.Random(2)
	if err != nil {
		f.Fatal(err)
	}
	m := c.Machine()
	f.Add(m.State())
	m.Begin(noon)
	m.Answered(noon)
	f.Add(m.State())
	call := c.Call
	call.Answered = true
	f.Fuzz(func(t *testing.T, state []byte) {
		m, err := flow.Resume(c.Program, call, state)
		if err != nil {
			return
		}
		m.Begin(noon)
		for id := range int64(5) {
			m.Handle(noon, flow.Tone{Key: "1"})
			m.Handle(noon, flow.Played{ID: id})
			m.Handle(noon, flow.Recorded{ID: id})
			m.Handle(noon, flow.Invited{ID: id})
			m.Expire(noon.Add(time.Hour))
		}
		if _, err := flow.Resume(c.Program, call, m.State()); err != nil {
			t.Errorf("what a machine made of %q is refused: %v", state, err)
		}
	})
}
