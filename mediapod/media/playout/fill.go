// SPDX-License-Identifier: Apache-2.0

package playout

import "github.com/callfleet/callfleet/audio"

const (
	// idleAfter so many samples of nothing, what comes next is not what came late
	// but a new talk spurt.
	idleAfter = 200 * ms
	// silentAfter so many, the decoder is not asked for more: what it makes of a
	// pause within a sender's discontinuous transmission is comfort noise, which
	// Opus senders renew every 400 ms, but nobody is there after a second.
	silentAfter = 1000 * ms

	// A new talk spurt begins with startMargin more than the target, so that the
	// clocks' drift does not at once bring it below.
	startMargin = 6 * ms

	// concealUnit is what decoders conceal in multiples of (Opus: RFC 6716 section
	// 2.1.4), gapUnit what is asked for when it is unknown how much is missing.
	concealUnit = 5 * ms / 2
	gapUnit     = 10 * ms

	// quietDBov is the level below which speech pauses.
	quietDBov = -50
)

// fill makes n samples ready to be played.
func (p *Playout) fill(n int) {
	for p.waiting() < n {
		next := p.store.first()
		if next == nil {
			p.bridge(int64(roundUp(n-p.waiting(), gapUnit)))
			continue
		}
		switch hole, lost := p.holeBefore(next); {
		case hole <= 0:
			p.decode(next)
		case lost:
			p.replace(next, hole)
		default:
			p.bridge(min(hole, int64(roundUp(n-p.waiting(), gapUnit))))
		}
	}
}

// fillAhead makes up to n samples ready as long as they are at hand.
func (p *Playout) fillAhead(n int) {
	for p.waiting() < n {
		next := p.store.first()
		if next == nil || next.sequence != p.store.next {
			return
		}
		if hole, _ := p.holeBefore(next); hole > 0 {
			return
		}
		p.decode(next)
	}
}

// holeBefore is how many samples are missing between what is ready and a packet,
// and whether they were sent.
func (p *Playout) holeBefore(next *packet) (samples int64, lost bool) {
	missing := next.sequence - p.store.next
	if p.gap < idleAfter && !p.beginsSpurt(next) {
		if hole := next.at - p.end - p.gap; missing > 0 && hole < idleAfter {
			return hole, true
		} else if missing == 0 {
			return 0, false // a timestamp that is a little off
		}
	}
	// Nothing is sounding that had to go on in time: the delay starts afresh.
	return next.at + p.delays.low + p.delays.target(p.min, p.max) + startMargin - p.due(), false
}

// beginsSpurt is whether nothing was sent before a packet: more time has passed
// than its sequence number accounts for, or the sender says so (RFC 3551 section
// 4.1).
func (p *Playout) beginsSpurt(next *packet) bool {
	hole, missing := next.at-p.end, next.sequence-p.store.next
	return next.marker && hole > 0 || hole > missing*p.lasts+p.lasts/2
}

// decode appends a packet.
func (p *Playout) decode(next *packet) {
	if !p.beginsSpurt(next) {
		p.stats.concealed.Add(uint64(p.doubtful))
	}
	p.doubtful, p.gap = 0, 0

	missing := p.missing + next.sequence - p.store.next
	if p.decoder == nil { // the first: nobody knows what was before
		missing = 0
	}
	turns := p.turnTo(next.source)
	p.decoder, p.missing = next.decoder, 0
	from := len(p.pcm)
	p.pcm = p.decoder.Decode(p.pcm, next.payload)
	n := len(p.pcm) - from
	p.note(next, n, missing)
	p.store.take(next)
	if turns {
		p.fadeIn(from)
	}
	p.end = next.at + int64(n)
	if n > 0 {
		p.lasts = int64(n)
		p.sounds(from, Played)
	}
}

// sounds takes note of samples that came from a packet.
func (p *Playout) sounds(from int, k Kind) {
	if p.broken && from-p.turn.at >= maxPeriod {
		p.join(from)
	}
	p.broken, p.hushed, p.dry, p.kind = false, false, 0, k
}

// replace appends up to a packet's worth of the samples lost before next, which
// time goes on over.
func (p *Playout) replace(next *packet, hole int64) {
	if hole <= p.lasts && p.recover(next) {
		return
	}
	if p.mayRecover(next) && hole > p.lasts {
		hole -= p.lasts
	}
	n := min(hole, audio.FrameSamples)
	p.made(int(n))
	p.end += n
	p.stats.concealed.Add(uint64(n))
	p.kind = Concealed
}

func (p *Playout) mayRecover(next *packet) bool {
	_, can := p.decoder.(Recoverer)
	return can && next.decoder == p.decoder
}

// recover appends the packet before next, less what was put in for it already.
func (p *Playout) recover(next *packet) bool {
	if !p.mayRecover(next) {
		return false
	}
	from := len(p.pcm)
	p.pcm = p.decoder.(Recoverer).Recover(p.pcm, next.payload)
	n := int64(len(p.pcm) - from)
	over := n - (next.at - p.end - p.gap)
	if n == 0 || over >= n {
		p.pcm = p.pcm[:from]
		return false
	}
	if over > 0 {
		p.pcm = append(p.pcm[:from], p.pcm[from+int(over):]...)
	}
	p.stats.concealed.Add(uint64(p.doubtful))
	p.stats.recovered.Add(uint64(len(p.pcm) - from))
	p.doubtful, p.gap = 0, 0
	p.end = next.at
	p.missing += next.sequence - p.store.next
	p.store.advance(next.sequence, false)
	p.sounds(from, Recovered)
	return true
}

// bridge appends samples while it is not known what for: whether a packet is late,
// or lost, or was never sent. Time on the timeline stands still, so what is late is
// played nevertheless.
func (p *Playout) bridge(n int64) {
	if p.dry == 0 {
		last := p.pcm[len(p.pcm)-audio.FrameSamples:]
		p.quiet = audio.DBov(audio.Energy(last), len(last)) < quietDBov
	}
	p.kind = Silence
	if p.dry < idleAfter && !p.quiet {
		p.kind = Concealed
	}
	if p.dry < idleAfter {
		p.doubtful += n
	}
	p.made(int(n))
	p.gap += n
}

// made appends samples that are in no packet: the decoder's, until even comfort
// noise comforts nobody.
func (p *Playout) made(n int) {
	from := len(p.pcm)
	if !p.hushed && p.dry < silentAfter {
		p.pcm = p.decoder.Conceal(p.pcm, roundUp(n, concealUnit))
		p.pcm = p.pcm[:min(from+n, len(p.pcm))]
	}
	for len(p.pcm) < from+n {
		p.pcm = append(p.pcm, 0)
	}
	if !p.hushed && p.dry >= silentAfter {
		p.join(from)
		p.hushed = true
	}
	p.dry += int64(n)
	p.broken = true
}

// catchUp gives up what can only be played later than MaxDelay allows: after the
// network or the clock stood still.
func (p *Playout) catchUp() {
	next := p.store.first()
	if next == nil || p.due()-next.at-p.delays.low <= p.max+2*audio.FrameSamples {
		return
	}
	leapt := false
	for target := p.delays.low + p.delays.target(p.min, p.max); p.due()-next.at > target+startMargin; leapt = true {
		after := p.store.after(next)
		if after == nil {
			break
		}
		p.store.drop(next)
		p.stats.discarded.Add(1)
		next = after
	}
	if leapt {
		p.stats.concealed.Add(uint64(p.doubtful))
		p.doubtful, p.gap, p.missing = 0, 0, 0
		p.store.advance(next.sequence, false)
		p.end, p.broken = next.at, true
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
