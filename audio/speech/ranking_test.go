// SPDX-License-Identifier: Apache-2.0

package speech

import (
	"fmt"
	"math"
	"testing"

	"github.com/callfleet/callfleet/audio"
)

const quiet = -70.0

// talk runs intervals of 400 ms in which everybody has one level, and returns who is
// dominant after each.
func talk(r *Ranking, intervals int, levels map[uint32]float64) (dominant []uint32) {
	for range intervals * r.interval {
		for id, l := range levels {
			r.Hear(id, l)
		}
		if r.Tick() {
			d, _ := r.Dominant()
			dominant = append(dominant, d)
		}
	}
	return dominant
}

func ids(speakers []Speaker) (out []uint32) {
	for _, s := range speakers {
		out = append(out, s.ID)
	}
	return out
}

func is(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestSpeakersAreOrderedByLevel(t *testing.T) {
	r := NewRanking(UsualRanking())
	if _, ok := r.Dominant(); ok || len(r.Active()) != 0 {
		t.Error("somebody speaks before anybody did")
	}
	talk(r, 3, map[uint32]float64{1: -30, 2: -20, 3: quiet, 4: -25, 5: -36, 6: -25})
	is(t, "active", ids(r.Active()), []uint32{2, 4, 6, 1})
	if got := r.Active()[0].DBov; math.Abs(got+20) > 1.5 {
		t.Errorf("the loudest has %.1f dBov", got)
	}
	is(t, "history", r.History(), []uint32{2})
}

// 40 % of the time are needed: less is a cough.
func TestASpeakerSpeaksForPartOfTheTime(t *testing.T) {
	for frames, want := range map[int]int{7: 0, 8: 1, 20: 1} {
		r := NewRanking(UsualRanking())
		for i := range r.interval {
			r.Hear(9, map[bool]float64{true: -20, false: quiet}[i < frames])
			r.Tick()
		}
		if got := len(r.Active()); got != want {
			t.Errorf("with %d frames of speech in 20, %d speak", frames, got)
		}
	}
}

// Who speaks half of the time is ranked below who speaks all of it.
func TestThoseWhoSpeakMoreAreRankedHigher(t *testing.T) {
	r := NewRanking(UsualRanking())
	for i := range 3 * r.interval {
		r.Hear(1, map[bool]float64{true: -20, false: quiet}[i%2 == 0])
		r.Hear(2, -21)
		r.Tick()
	}
	is(t, "active", ids(r.Active()), []uint32{2, 1})
}

func TestTheFloorIsNotTakenByAWord(t *testing.T) {
	const a, b = 1, 2
	tests := map[string]struct {
		second map[uint32]float64
		want   []uint32
	}{
		"as loud":                            {map[uint32]float64{a: -25, b: -25}, []uint32{a, a, a, a}},
		"a little louder":                    {map[uint32]float64{a: -25, b: -23}, []uint32{a, a, a, a}},
		"louder, for some time":              {map[uint32]float64{a: -25, b: -18}, []uint32{a, b, b, b}},
		"alone, at once":                     {map[uint32]float64{a: quiet, b: -25}, []uint32{b, b, b, b}},
		"nobody, so that the last one stays": {map[uint32]float64{a: quiet, b: quiet}, []uint32{a, a, a, a}},
		"the first has left":                 {map[uint32]float64{b: -25}, []uint32{b, b, b, b}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := NewRanking(UsualRanking())
			is(t, "at first", talk(r, 4, map[uint32]float64{a: -25, b: quiet}), []uint32{a, a, a, a})
			is(t, "then", talk(r, 4, tc.second), tc.want)
		})
	}
}

func TestAChallengerHasToLeadWithoutABreak(t *testing.T) {
	r := NewRanking(UsualRanking())
	talk(r, 4, map[uint32]float64{1: -25})
	for range 5 {
		is(t, "one interval", talk(r, 1, map[uint32]float64{1: -25, 2: -18}), []uint32{1})
		is(t, "a break", talk(r, 2, map[uint32]float64{1: -25, 2: -60}), []uint32{1, 1})
	}
	is(t, "two", talk(r, 2, map[uint32]float64{1: -25, 2: -15}), []uint32{1, 2})
}

func TestHistoryHasTheLastSpeakersOnceEach(t *testing.T) {
	c := UsualRanking()
	c.Remember = 3
	r := NewRanking(c)
	for _, id := range []uint32{1, 2, 3, 2, 4, 1} {
		levels := map[uint32]float64{1: quiet, 2: quiet, 3: quiet, 4: quiet}
		levels[id] = -20
		talk(r, 3, levels)
	}
	is(t, "history", r.History(), []uint32{1, 4, 2})
	r.Forget(4)
	is(t, "history without who left", r.History(), []uint32{1, 2})
	r.Forget(1)
	is(t, "active without who left", len(r.Active()), 0)
	if d, ok := r.Dominant(); !ok || d != 2 {
		t.Errorf("dominant is %d, %v", d, ok)
	}
}

func TestWhoLeftIsNotKept(t *testing.T) {
	r := NewRanking(UsualRanking())
	for id := range uint32(1000) {
		talk(r, 1, map[uint32]float64{id: -20})
	}
	if got := len(r.sources); got > 40 {
		t.Errorf("%d sources are kept of those who left", got)
	}
}

func TestAnEmptyConfigRanksAll(t *testing.T) {
	r := NewRanking(RankingConfig{ActiveDBov: audio.SilenceDBov})
	talk(r, 3, map[uint32]float64{1: -80, 2: -60})
	is(t, "active", ids(r.Active()), []uint32{2, 1})
}

func BenchmarkRankingOfFifty(b *testing.B) {
	r := NewRanking(UsualRanking())
	b.ReportAllocs()
	for b.Loop() {
		for id := range uint32(50) {
			r.Hear(id, -float64(id))
		}
		r.Tick()
	}
}
