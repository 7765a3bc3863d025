// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// outbound counts what is sent to the far side.
type outbound struct {
	packets, bytes atomic.Uint64
	last           atomic.Int64 // UnixNano
}

func (o *outbound) count(p *transport.Packet, at time.Time) {
	const header = 12
	o.packets.Add(1)
	o.bytes.Add(uint64(header + len(p.Payload)))
	o.last.Store(at.UnixNano())
}

// echo sends back what comes in: payload, timestamp, marker and payload type as
// they are, so that nothing is coded twice and what was lost on the way in is seen
// as lost on the way out. It belongs to the goroutine that receives.
type echo struct {
	started       bool
	ssrc          uint32
	sequence      uint16 // added to what comes in
	timestamp     uint32 // added to what comes in
	lastSequence  uint16
	lastTimestamp uint32
}

// turn makes the outgoing packet of an incoming one, in place. When the far side
// changes its source, ours goes on where it was: there is only one of ours. The step is a packet's, in units of its timestamp.
func (e *echo) turn(p *transport.Packet, step uint32) {
	switch {
	case !e.started:
		e.started, e.ssrc = true, p.SSRC
		e.lastSequence = p.Sequence - 1
	case p.SSRC != e.ssrc:
		e.ssrc = p.SSRC
		e.sequence = e.lastSequence + 1 - p.Sequence
		e.timestamp = e.lastTimestamp + step - p.Timestamp
	}
	p.Sequence += e.sequence
	p.Timestamp += e.timestamp
	if int16(p.Sequence-e.lastSequence) > 0 {
		e.lastSequence, e.lastTimestamp = p.Sequence, p.Timestamp
	}
}
