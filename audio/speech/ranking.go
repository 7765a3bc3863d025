// SPDX-License-Identifier: Apache-2.0

package speech

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// RankingConfig says who counts as a speaker.
type RankingConfig struct {
	// ActiveDBov is the level from which on a frame counts as speech.
	ActiveDBov float64
	// ActivePercent of an Interval has to be speech for a speaker to count.
	ActivePercent int
	// Interval is how often the ranking is made.
	Interval time.Duration
	// Smooth is over how many intervals levels are averaged, exponentially.
	Smooth int
	// LeadDB is how much louder another has to be to become dominant while the
	// dominant speaker goes on, and LeadIntervals for how long.
	LeadDB        float64
	LeadIntervals int
	// Remember is how many dominant speakers History has.
	Remember int
}

// UsualRanking follows LiveKit's defaults (levels from -35 dBov, in 40 % of 400 ms,
// averaged over two intervals), and gives the floor to nobody who merely coughs.
func UsualRanking() RankingConfig {
	return RankingConfig{ActiveDBov: -35, ActivePercent: 40, Interval: 400 * time.Millisecond, Smooth: 2,
		LeadDB: 3, LeadIntervals: 2, Remember: 10}
}

// Speaker is a source that speaks.
type Speaker struct {
	ID uint32
	// DBov is the level, averaged; less than that of the speech by as much as it
	// fills less of the time.
	DBov float64
}

// Ranking orders the sources of a conversation by how much they speak, and names one
// of them dominant. In each 20 ms it is told of the frames there are, and then that
// the time is over.
type Ranking struct {
	config   RankingConfig
	interval int // frames
	frames   int
	sources  map[uint32]*source
	active   []Speaker
	history  []uint32
	leader   uint32 // who would become dominant …
	leads    int    // … and for how many intervals
}

type source struct {
	frames int     // of speech in this interval
	power  float64 // of those
	smooth float64
	heard  bool // in this interval at all
}

// silence is what a smoothed power has to be above to be remembered: -90 dBov.
const silence = 1e-9

// NewRanking returns a ranking without speakers. What is left 0 in the config is as
// little as can be.
func NewRanking(c RankingConfig) *Ranking {
	c.Smooth, c.Remember, c.LeadIntervals = max(c.Smooth, 1), max(c.Remember, 1), max(c.LeadIntervals, 1)
	return &Ranking{config: c, interval: max(int(c.Interval/audio.FrameDuration), 1), sources: map[uint32]*source{},
		history: make([]uint32, 0, c.Remember+1)}
}

// Hear takes the level of a source's frame in dBov, from its samples or from the
// header extension of RFC 6464.
func (r *Ranking) Hear(id uint32, dBov float64) {
	s := r.sources[id]
	if s == nil {
		s = &source{}
		r.sources[id] = s
	}
	s.heard = true
	if dBov >= r.config.ActiveDBov {
		s.frames++
		s.power += math.Pow(10, dBov/10)
	}
}

// Tick ends 20 ms, and says whether with them the ranking was made anew. Then Active
// and Dominant may have changed.
func (r *Ranking) Tick() bool {
	if r.frames++; r.frames < r.interval {
		return false
	}
	r.frames = 0
	r.active = r.active[:0]
	for id, s := range r.sources {
		var power float64
		if s.frames*100 >= r.config.ActivePercent*r.interval && s.frames > 0 {
			power = s.power / float64(r.interval)
		}
		speaks := power > 0
		s.smooth += (power - s.smooth) * 2 / float64(r.config.Smooth+1)
		if speaks {
			r.active = append(r.active, Speaker{ID: id, DBov: audio.DBov(s.smooth*fullScale, 1)})
		} else if s.smooth < silence && !s.heard {
			delete(r.sources, id) // who left is not kept
		}
		s.frames, s.power, s.heard = 0, 0, false
	}
	slices.SortFunc(r.active, func(a, b Speaker) int {
		return cmp.Or(cmp.Compare(b.DBov, a.DBov), cmp.Compare(a.ID, b.ID))
	})
	r.elect()
	return true
}

// fullScale is the power that levels refer to.
const fullScale = 32768 * 32768

// elect lets a new speaker be dominant at once when the last one is silent, and else
// when they lead for long enough. While nobody speaks the last one stays.
func (r *Ranking) elect() {
	if len(r.active) == 0 {
		r.leads = 0
		return
	}
	first := r.active[0]
	dominant, ok := r.Dominant()
	if ok && first.ID == dominant {
		r.leads = 0
		return
	}
	if at := slices.IndexFunc(r.active, func(s Speaker) bool { return s.ID == dominant }); ok && at > 0 {
		if first.DBov < r.active[at].DBov+r.config.LeadDB {
			r.leads = 0
			return
		}
		if first.ID != r.leader {
			r.leader, r.leads = first.ID, 0
		}
		if r.leads++; r.leads < r.config.LeadIntervals {
			return
		}
	}
	r.leads = 0
	r.history = slices.DeleteFunc(r.history, func(id uint32) bool { return id == first.ID })
	r.history = slices.Insert(r.history, 0, first.ID)
	r.history = r.history[:min(len(r.history), r.config.Remember)]
}

// Active lists who spoke in the last interval, the loudest first. It is valid until
// the next Tick.
func (r *Ranking) Active() []Speaker { return r.active }

// Dominant is who has the floor, if anybody ever had.
func (r *Ranking) Dominant() (id uint32, ok bool) {
	if len(r.history) == 0 {
		return 0, false
	}
	return r.history[0], true
}

// History lists who was dominant, the last one first and each one once. It is valid
// until the next Tick.
func (r *Ranking) History() []uint32 { return r.history }

// Forget removes a source that has left, also from the history.
func (r *Ranking) Forget(id uint32) {
	delete(r.sources, id)
	r.active = slices.DeleteFunc(r.active, func(s Speaker) bool { return s.ID == id })
	r.history = slices.DeleteFunc(r.history, func(h uint32) bool { return h == id })
}
