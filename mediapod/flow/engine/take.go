// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/speech"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

var silence [audio.FrameSamples]int16

// take is a recording while it is made: it hears the other party, and knows when they are done.
type take struct {
	order flow.Record
	file  Recording
	// may says whether anything may be kept, now.
	may func() bool

	mu    sync.Mutex
	hears *speech.Activity
	began time.Time     // the first frame's
	at    time.Time     // what was heard ends here
	quiet time.Duration // for which nobody has spoken
	spoke bool
	kept  bool      // something
	since time.Time // what was said before may not be kept
	over  bool
	ended chan flow.RecordEnd // capacity 1: the first counts
}

func newTake(order flow.Record, may func() bool) *take {
	return &take{order: order, may: may, hears: speech.NewActivity(speech.UsualHangover), ended: make(chan flow.RecordEnd, 1)}
}

// Tap implements media.Tap.
func (t *take) Tap(f *media.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	if t.began.IsZero() {
		t.began, t.at = f.At, f.At
	}
	if !t.may() {
		// Should it be allowed again: what waits to be played out by then was said while it was not.
		t.since = f.At.Add(audio.FrameDuration)
	} else if f.Heard != nil && !f.HeardAt.Before(t.since) {
		t.file.Keep(f.HeardAt, f.Heard)
		t.kept = true
	}
	if f.At.After(t.at) { // frames were left out
		t.passLocked(f.At, false)
	}
	heard := f.Heard
	if heard == nil {
		heard = silence[:]
	}
	t.passLocked(f.At.Add(audio.FrameDuration), t.hears.Hear(heard))
}

// lacking is how long frames may be lacking before what is not heard counts as silence: a call that fell behind catches up.
const lacking = time.Second

// look is called now and then, for a call whose far side was lost has no frames.
func (t *take) look(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began, t.at = now, now
	}
	if now.Sub(t.at) > lacking {
		t.passLocked(now, false)
	}
}

// passLocked lets time pass, with somebody speaking or not.
func (t *take) passLocked(to time.Time, spoken bool) {
	passed := to.Sub(t.at)
	if passed <= 0 { // a call that catches up
		return
	}
	t.at = to
	if spoken {
		t.spoke, t.quiet = true, 0
	} else {
		if t.quiet += passed; t.spoke && t.quiet == passed {
			t.quiet += speech.UsualHangover // in which speech was taken to go on
		}
	}
	switch {
	case to.Sub(t.began) >= t.order.MaxDuration:
		t.endLocked(flow.RecordMaxDuration)
	case t.spoke && t.quiet >= t.order.MaxSilence:
		t.endLocked(flow.RecordSilence)
	case !t.spoke && t.quiet >= t.order.InitialSilence:
		t.endLocked(flow.RecordNothing)
	}
}

// worth says whether what was recorded is kept: something must have been said, or ended by a key.
func (t *take) worth(why flow.RecordEnd) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept && (t.spoke || why == flow.RecordStopTone || why == flow.RecordMaxDuration)
}

// key ends it if it is one of its stop tones.
func (t *take) key(k callfleetv1.PhoneKey) {
	if slices.Contains(t.order.StopTones, k) {
		t.end(flow.RecordStopTone)
	}
}

// end has it end; nothing is heard any more.
func (t *take) end(why flow.RecordEnd) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked(why)
}

func (t *take) endLocked(why flow.RecordEnd) {
	if !t.over {
		t.over = true
		t.ended <- why
	}
}
