// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync/atomic"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// sequence counts what is missing from a stream of sequence numbers, after
// RFC 3550 appendix A.1 and A.3. It has no probation: SRTP has already proven that
// a packet comes from the far side.
type sequence struct {
	started  bool
	max      uint16
	cycles   uint64 // of 65536
	base     uint64
	received uint64
	bad      uint32 // the number that would confirm a restart of the sender
	before   uint64 // lost before the last restart
}

// The limits of appendix A.1: a jump further ahead than a minute of audio, or
// further back than two seconds, is the sender starting anew, if it goes on.
const (
	maxDropout  = 3000
	maxMisorder = 100
	noBad       = 1 << 16
)

// take counts one packet. It is false for a packet out of any order, which is
// not counted.
func (s *sequence) take(seq uint16) bool {
	if !s.started {
		s.start(seq)
		return true
	}
	switch ahead := seq - s.max; {
	case ahead < maxDropout:
		if seq < s.max {
			s.cycles++
		}
		s.max = seq
	case ahead <= 0xFFFF-maxMisorder:
		if uint32(seq) != s.bad {
			s.bad = uint32(seq + 1)
			return false
		}
		// Two in a row: the sender restarted.
		s.before = s.lost()
		s.start(seq)
		return true
	}
	// In order, or late: late ones make up for what was counted as lost.
	s.received++
	return true
}

func (s *sequence) start(seq uint16) {
	s.started, s.max, s.cycles, s.base, s.received, s.bad = true, seq, 0, uint64(seq), 1, noBad
}

// renew begins with a new source, keeping the count.
func (s *sequence) renew() {
	*s = sequence{before: s.lost()}
}

// lost is the number of packets expected and not received.
func (s *sequence) lost() uint64 {
	if !s.started {
		return s.before
	}
	expected := s.cycles<<16 + uint64(s.max) - s.base + 1
	if s.received >= expected { // duplicates
		return s.before
	}
	return s.before + expected - s.received
}

// reported is what a report to the far side says of a stream. It is written by the goroutine that receives, and read by the
// one that reports; that the parts may be of two packets does no harm.
type reported struct {
	ssrc, highest      atomic.Uint32
	expected, received atomic.Uint64
	jitter             atomic.Uint32
}

func (r *reported) store(ssrc uint32, s *sequence, jitter float64) {
	lost := s.lost()
	r.received.Store(s.received)
	r.expected.Store(s.received + lost - s.before)
	r.highest.Store(uint32(s.cycles)<<16 | uint32(s.max))
	r.jitter.Store(uint32(jitter))
	r.ssrc.Store(ssrc)
}

func (in *inbound) reception() (transport.Reception, bool) {
	r := &in.reported
	reception := transport.Reception{
		SSRC: r.ssrc.Load(), Highest: r.highest.Load(), Jitter: r.jitter.Load(), Expected: r.expected.Load(), Received: r.received.Load(),
	}
	return reception, in.last.Load() != 0
}

// jitter estimates the interarrival jitter (RFC 3550 section 6.4.1 and appendix
// A.8), here in milliseconds.
type jitter struct {
	started bool
	transit float64
	ms      float64
}

// take takes a packet's arrival and its timestamp, both in milliseconds.
func (j *jitter) take(arrivalMs, timestampMs float64) {
	transit := arrivalMs - timestampMs
	d := transit - j.transit
	if j.transit = transit; !j.started {
		j.started = true
		return
	}
	if d < 0 {
		d = -d
	}
	// A step of seconds is a timestamp that wrapped or restarted, not the network.
	if d < 5000 {
		j.ms += (d - j.ms) / 16
	}
}
