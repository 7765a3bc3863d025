// SPDX-License-Identifier: Apache-2.0

// Package jitter turns RTP packets, which come when they come, into one frame of audio every 20 ms.
package jitter

import (
	"sync"

	"github.com/callfleet/callfleet/audio"
)

// Target is how many frames a packet waits before it is heard: 200 ms. The local Teams shares its machine with the bots
// and a whole control plane, any of which may stall for some ticks; what is judged is the bot's audio, not the laptop's
// scheduler.
const Target = 10

const (
	ticksPerFrame = 160 // RTP ticks in 20 ms: G.722, PCMU and PCMA all have an 8 kHz clock (RFC 3551)
	maxPackets    = 100 // 2 s; a sender that far ahead of time is not listened to
	idleAfter     = 10  // frames without any packet after which a talkspurt has ended
	relateAfter   = 10  // late packets in a row after which the sender's clock is taken to have moved
	window        = 100 // frames over which the spare delay is measured
	slack         = 3   // frames of spare delay that are let be
	quietDBov     = -55 // below this a frame can be dropped unheard
)

// Decode appends the samples of one payload, at 16 kHz.
type Decode func(dst []int16, payloadType uint8, payload []byte) []int16

// Buffer has a fixed delay. Within a talkspurt it keeps the sender's time: a packet that comes too late
// leaves a hole and moves nothing, so a recording stays aligned with what was sent. A new talkspurt starts
// with the full delay again; spare delay is given back in silence.
type Buffer struct {
	decode Decode

	mu      sync.Mutex
	packets map[uint32]packet // by timestamp
	playing bool
	filling int    // frames until playing starts; 0 when idle
	next    uint32 // timestamp due next
	newest  uint32
	pcm     []int16 // decoded, not yet played
	empty   int
	lateRun int
	spare   int // least depth of the last whole window, 0 before there is one
	least   int // least depth of this window so far
	seen    int // frames of this window

	lost, late uint64
}

type packet struct {
	payloadType uint8
	payload     []byte
}

// New returns an empty buffer.
func New(decode Decode) *Buffer {
	return &Buffer{decode: decode, packets: map[uint32]packet{}}
}

// Push adds a packet; the payload is copied.
func (b *Buffer) Push(timestamp uint32, payloadType uint8, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ahead := int32(timestamp - b.next); {
	case !b.playing && b.filling == 0:
		b.restart(timestamp)
	case !b.playing:
		if ahead < 0 {
			b.next = timestamp
		}
	case ahead < 0:
		b.late++
		if b.lateRun++; b.lateRun < relateAfter {
			return
		}
		b.restart(timestamp)
	case ahead > maxPackets*ticksPerFrame:
		b.restart(timestamp)
	}
	b.lateRun = 0
	if len(b.packets) < maxPackets {
		b.packets[timestamp] = packet{payloadType, append([]byte(nil), payload...)}
	}
	if int32(timestamp-b.newest) > 0 {
		b.newest = timestamp
	}
}

func (b *Buffer) restart(timestamp uint32) {
	clear(b.packets)
	b.pcm = b.pcm[:0]
	b.playing, b.filling, b.next, b.newest = false, Target, timestamp, timestamp
	b.empty, b.seen, b.lateRun, b.spare = 0, 0, 0, 0
}

// Pop takes the frame that is due now. It reports false, and leaves the frame as it is, when there is none.
func (b *Buffer) Pop(frame *[audio.FrameSamples]int16) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.playing {
		if b.filling == 0 {
			return false
		}
		if b.filling--; b.filling > 0 {
			return false
		}
		b.playing = true
	}
	b.measure()
	for len(b.pcm) < audio.FrameSamples {
		due, ok := b.packets[b.next]
		if !ok {
			return b.hole(frame)
		}
		delete(b.packets, b.next)
		b.empty = 0
		had := len(b.pcm)
		b.pcm = b.decode(b.pcm, due.payloadType, due.payload)
		samples := len(b.pcm) - had
		b.next += uint32(max(samples/2, 1)) // 8 kHz ticks of 16 kHz samples
		if b.spare > Target+slack && samples > 0 && audio.DBov(audio.Energy(b.pcm[had:]), samples) < quietDBov {
			b.pcm = b.pcm[:had]
			b.spare--
			b.least--
		}
	}
	copy(frame[:], b.pcm)
	b.pcm = b.pcm[:copy(b.pcm, b.pcm[audio.FrameSamples:])]
	return true
}

// Losses counts the frames that were not there when due, and the packets that came after.
func (b *Buffer) Losses() (lost, late uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost, b.late
}

// measure keeps the least number of frames waiting in each window. Only a whole window tells: after a stall many frames
// wait for a moment, until the mixer has caught up.
func (b *Buffer) measure() {
	depth := int(int32(b.newest-b.next)) / ticksPerFrame
	if b.seen == 0 || depth < b.least {
		b.least = depth
	}
	if b.seen++; b.seen == window {
		b.seen, b.spare = 0, b.least
	}
}

// hole plays what is left of the last packet and passes over the frame that is missing.
func (b *Buffer) hole(frame *[audio.FrameSamples]int16) bool {
	rest := copy(frame[:], b.pcm)
	clear(frame[rest:])
	b.pcm = b.pcm[:0]
	b.next += uint32(ticksPerFrame - rest/2)
	if len(b.packets) > 0 {
		b.lost++
	} else if b.empty++; b.empty == idleAfter {
		b.playing = false
	}
	return rest > 0
}
