// SPDX-License-Identifier: Apache-2.0

package media

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
)

// Clip is something to play. It is not changed any more, and may be played in many calls at once.
type Clip struct {
	samples []int16 // 16 kHz
	audible bool
}

// NewClip makes a clip of a recording at any sample rate.
func NewClip(recording wav.Clip) (*Clip, error) {
	samples := recording.Resample(audio.SampleRate).Samples
	if len(samples) == 0 {
		return nil, errors.New("the clip to play has no samples")
	}
	c := &Clip{samples: samples}
	for at := 0; at < len(samples) && !c.audible; at += audio.FrameSamples {
		frame := samples[at:min(at+audio.FrameSamples, len(samples))]
		c.audible = audio.DBov(audio.Energy(frame), len(frame)) > heardDBov
	}
	return c, nil
}

// Join is one clip of several.
func Join(clips ...*Clip) *Clip {
	all := &Clip{}
	for _, c := range clips {
		all.samples = append(all.samples, c.samples...)
		all.audible = all.audible || c.audible
	}
	return all
}

// Duration of the clip.
func (c *Clip) Duration() time.Duration {
	return time.Duration(len(c.samples)) * time.Second / audio.SampleRate
}

// PlayOptions says how a clip is played.
type PlayOptions struct {
	// Loop plays it over and over, until it is stopped.
	Loop bool
	// BargeIn stops it, and what is queued behind it, as soon as the far side speaks or presses a key.
	BargeIn bool
	// Ended is called once when it has ended, mostly from the clock that all calls share: it must be cheap, and asks nothing of
	// the call.
	Ended func()
}

// PlaybackEnd is how a playback ended.
type PlaybackEnd int32

// How a playback ends.
const (
	Playing     PlaybackEnd = iota // it has not
	Finished                       // all of it was played
	Stopped                        // by Stop, StopPlaying or the call's end
	Interrupted                    // by the far side
)

// Playback is a clip that is played, or waits for its turn.
type Playback struct {
	clip    *Clip
	options PlayOptions
	player  *player
	done    chan struct{}
	end     atomic.Int32
	played  atomic.Int64 // samples, over all rounds of a loop
}

// Done is closed when it has ended.
func (p *Playback) Done() <-chan struct{} { return p.done }

// End is how it ended.
func (p *Playback) End() PlaybackEnd { return PlaybackEnd(p.end.Load()) }

// Played is how much of it was sent: where a listener interrupted.
func (p *Playback) Played() time.Duration {
	return time.Duration(p.played.Load()) * time.Second / audio.SampleRate
}

// Stop ends it, within a frame if it is being played. The next one follows.
func (p *Playback) Stop() { p.player.drop(p, Stopped) }

// finish reports the end once.
func (p *Playback) finish(end PlaybackEnd) {
	if p.end.CompareAndSwap(int32(Playing), int32(end)) {
		close(p.done)
		if p.options.Ended != nil {
			p.options.Ended()
		}
	}
}

// player plays clips one after the other.
type player struct {
	mu    sync.Mutex // held for the time of a frame's copy
	queue []*Playback
	pos   int // next sample of the first

	// What the call's statistics tell.
	busy, done, audible atomic.Bool
	// yields: the first gives way to who speaks.
	yields atomic.Bool
}

func (pl *player) add(p *Playback) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.queue = append(pl.queue, p)
	pl.yields.Store(pl.queue[0].options.BargeIn)
	pl.busy.Store(true)
	pl.done.Store(false)
	if p.clip.audible {
		pl.audible.Store(true)
	}
}

// drop takes one out of the queue, or all if p is nil.
func (pl *player) drop(p *Playback, end PlaybackEnd) {
	var dropped []*Playback
	pl.mu.Lock()
	for i := 0; i < len(pl.queue); {
		if p != nil && pl.queue[i] != p {
			i++
			continue
		}
		dropped = append(dropped, pl.removeLocked(i))
	}
	pl.mu.Unlock()
	for _, p := range dropped {
		p.finish(end)
	}
}

func (pl *player) removeLocked(i int) *Playback {
	p := pl.queue[i]
	pl.queue = append(pl.queue[:i], pl.queue[i+1:]...)
	if i == 0 {
		pl.pos = 0
	}
	pl.yields.Store(len(pl.queue) > 0 && pl.queue[0].options.BargeIn)
	if len(pl.queue) == 0 {
		pl.busy.Store(false)
		pl.done.Store(!p.options.Loop)
	}
	return p
}

// interrupt ends what may be interrupted, and what waits behind it.
func (pl *player) interrupt() {
	if !pl.yields.Load() {
		return
	}
	var interrupted []*Playback
	pl.mu.Lock()
	for len(pl.queue) > 0 && (len(interrupted) > 0 || pl.queue[0].options.BargeIn) {
		interrupted = append(interrupted, pl.removeLocked(len(pl.queue)-1))
	}
	pl.mu.Unlock()
	for _, p := range interrupted {
		p.finish(Interrupted)
	}
}

// frame is the next 20 ms; false if there is nothing to say. The last frame of a clip is filled up with silence; a loop
// goes on with its beginning instead.
func (pl *player) frame(dst []int16) bool {
	if !pl.busy.Load() {
		return false
	}
	any, finished := pl.take(dst)
	if finished != nil {
		finished.finish(Finished)
	}
	return any
}

// take is a frame's copy, and the playback of which it is the last one.
func (pl *player) take(dst []int16) (any bool, finished *Playback) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if len(pl.queue) == 0 {
		return false, nil
	}
	p := pl.queue[0]
	samples := p.clip.samples
	n := 0
	for n < len(dst) {
		m := copy(dst[n:], samples[pl.pos:])
		n += m
		pl.pos += m
		if pl.pos < len(samples) {
			continue
		}
		if !p.options.Loop {
			break
		}
		pl.pos = 0
	}
	clear(dst[n:])
	p.played.Add(int64(n))
	if pl.pos == len(samples) {
		finished = pl.removeLocked(0)
	}
	return true, finished
}
