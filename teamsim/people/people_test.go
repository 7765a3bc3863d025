// SPDX-License-Identifier: Apache-2.0

package people

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/teamsim/simclock"
)

const ada = "aaaaaaaa-0000-4000-8000-000000000001"

func TestWhatComesOfARing(t *testing.T) {
	for name, c := range map[string]struct {
		who  Person
		then func(*Registry, *Ring)
		want Outcome
	}{
		"never heard of":     {Person{}, nil, Answered},
		"declines":           {Person{ID: ada, Reaction: Decline}, nil, Declined},
		"busy":               {Person{ID: ada, Reaction: Busy}, nil, WasBusy},
		"unreachable":        {Person{ID: ada, Reaction: Unreachable}, nil, NotReached},
		"ignores it":         {Person{ID: ada, Reaction: Ignore}, nil, NobodyAnswered},
		"too slow":           {Person{ID: ada, After: time.Hour}, nil, NobodyAnswered},
		"told to decline":    {Person{ID: ada, Reaction: Ignore}, func(r *Registry, _ *Ring) { _ = r.React(ada, Decline) }, Declined},
		"the caller gave up": {Person{ID: ada, Reaction: Ignore}, func(_ *Registry, g *Ring) { g.Cancel(); g.Cancel() }, CallerCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := simclock.New()
			r := &Registry{Clock: clock}
			if c.who.ID != "" {
				if err := r.Put(c.who); err != nil {
					t.Fatal(err)
				}
			}
			outcome := make(chan Outcome, 2)
			g := r.Ring(ada, "call", "Call", time.Minute, func(o Outcome) { outcome <- o })
			if len(r.Ringing()) != 1 {
				t.Error("nothing rings")
			}
			if c.then != nil {
				c.then(r, g)
			} else if err := clock.SetSpeed(1000); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-outcome:
				if got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("nothing came of it")
			}
			if len(r.Ringing()) != 0 || r.React(ada, Answer) == nil {
				t.Error("it still rings")
			}
		})
	}
}

func TestWhoCanBePut(t *testing.T) {
	for name, c := range map[string]struct {
		p  Person
		ok bool
	}{
		"a user":               {Person{ID: ada}, true},
		"a telephone":          {Person{ID: "+4930123456"}, true},
		"a local number":       {Person{ID: "030123456"}, false},
		"a number with spaces": {Person{ID: "+49 30 123456"}, false},
		"a name":               {Person{ID: "Ada"}, false},
		"no such reaction":     {Person{ID: ada, Reaction: "Sleep"}, false},
		"before the call":      {Person{ID: ada, After: -1}, false},
		"tenant without GUID":  {Person{ID: ada, TenantID: "contoso"}, false},
	} {
		if err := (&Registry{}).Put(c.p); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
