// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// shortcut is the way of a session's audio from the socket to the sink past pion, whose ICE, mux and SRTP hand each packet
// from one goroutine to the next through three buffers. It is open once ICE and DTLS stand.
//
// pion has a packet now and then all the same: by that its ICE knows that the far side is there, and its SRTP how often the
// sequence number came round. And it has whatever does not decrypt here, so that nothing is lost by the shortcut that would
// be heard without: after a far side was elsewhere for a while, by TCP, whose packets come through pion.
type shortcut struct {
	worker *worker
	every  time.Duration // pion is given a packet
	open   atomic.Bool

	// These are guarded by the peer's receiving.
	over   bool
	remote *srtp.Context // nil before and after
	header rtp.Header
	given  time.Time // pion, the last packet
	tracks []span
}

// span is what of a track has come by the shortcut: packets from one on. pion's copy of any of those is not delivered.
type span struct {
	any         bool
	ssrc        uint32
	first, last int64 // sequence numbers, counted on when they come round
}

// place is where a sequence number is, beside the last.
func (s *span) place(sequence uint16) int64 { return s.last + int64(int16(sequence-uint16(s.last))) }

// took notes a packet that came by the shortcut.
func (s *span) took(ssrc uint32, sequence uint16) {
	if !s.any || s.ssrc != ssrc {
		*s = span{any: true, ssrc: ssrc, first: int64(sequence), last: int64(sequence)}
		return
	}
	at := s.place(sequence)
	s.first, s.last = min(s.first, at), max(s.last, at)
}

// has says whether a packet that came through pion has come by the shortcut; one that is newer than all that did has not,
// and it counts as one from then on.
func (s *span) has(ssrc uint32, sequence uint16) bool {
	if !s.any || s.ssrc != ssrc {
		return false
	}
	at := s.place(sequence)
	if at > s.last {
		s.last = at
		return false
	}
	return at >= s.first
}

// identity is whose an RTP packet is, and its number; false for anything else (RFC 7983, and RFC 5761 section 4 on RTCP).
func identity(raw []byte) (ssrc uint32, sequence uint16, ok bool) {
	const header = 12
	if len(raw) < header || raw[0]>>6 != 2 || raw[1] >= 192 && raw[1] <= 223 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(raw[8:]), binary.BigEndian.Uint16(raw[2:]), true
}

// takes is the audio track that a packet is of, if the shortcut is open for it.
func (p *peer) takes(raw []byte) (track int, ok bool) {
	if !p.short.open.Load() {
		return 0, false
	}
	ssrc, _, ok := identity(raw)
	if !ok {
		return 0, false
	}
	track = p.remote[ssrc] // or zero, which is the one section's
	return track, p.tapped(ssrc, track)
}

// openShortcutLocked is for when the session has begun. Without the keys it stays closed, and nothing is different but what
// it costs.
func (p *peer) openShortcutLocked() {
	if p.short.over {
		return
	}
	remote, err := p.keys.incoming()
	if err != nil {
		return
	}
	p.short.remote, p.short.tracks = remote, make([]span, len(p.tracks))
	p.short.open.Store(true)
}

// take delivers a packet of a track, and says whether pion is to have it too. The buffer is the worker's.
func (p *peer) take(track int, raw []byte, at time.Time, buf []byte) (passOn bool) {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	s := &p.short
	if s.remote == nil {
		return false
	}
	plain, err := s.remote.DecryptRTP(buf, raw, &s.header)
	if err != nil {
		return true
	}
	s.tracks[track].took(s.header.SSRC, s.header.SequenceNumber)
	p.sink.Receive(track, plain, at)
	if at.Sub(s.given) < s.every {
		return false
	}
	s.given = at
	return true
}

// closeShortcut returns when nothing is delivered any more.
func (p *peer) closeShortcut() {
	p.short.open.Store(false)
	p.receiving.Lock()
	defer p.receiving.Unlock()
	p.short.over, p.short.remote = true, nil
}

// deliverTapped delivers what pion has decrypted of audio, unless it is known already.
func (p *peer) deliverTapped(i int, raw []byte) {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	if p.short.remote != nil {
		if ssrc, sequence, ok := identity(raw); ok && p.short.tracks[i].has(ssrc, sequence) {
			return
		}
	}
	p.deliverLocked(i, raw)
}
