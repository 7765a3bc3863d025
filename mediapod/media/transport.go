// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
)

// transport carries the media of one session between the engine and one far
// side: it answers offers, and takes and delivers RTP in the clear. Above it no
// type of a WebRTC library appears, so that another can take its place.
type transport interface {
	// answer answers the far side's offer with all candidates in it. It is called
	// once.
	answer(ctx context.Context, offer string) (string, error)
	// trickle adds candidates of the far side (RFC 8838).
	trickle(fragment sdpFragment) error
	// restart restarts ICE with the far side's new credentials and returns ours.
	restart(ctx context.Context, fragment sdpFragment) (sdpFragment, error)
	// send sends one packet. The payload is not kept. Calls must not overlap.
	send(p *packet) error
	// close ends the session for the far side too and returns when nothing of it
	// runs any more. It must not be called from within a sink.
	close()
}

// sink is what a transport reports to. It must not block.
type sink interface {
	// receive takes one RTP packet; raw is valid only during the call. Calls do
	// not overlap.
	receive(raw []byte, at time.Time)
	// measured takes a round-trip time (RFC 3550 section 6.4.1, LSR and DLSR).
	measured(roundTrip time.Duration)
	// connected says that media can flow both ways.
	connected()
	// gone says that the far side is, and why. It may come more than once.
	gone(reason string)
}

// dial makes a transport that reports to a sink. The formats are filled in when
// it answers.
type dial func(s sink) (transport, error)

// errUnacceptable is an offer that is fine but has nothing for us; errMalformed is
// one that cannot be used whoever reads it.
var (
	errUnacceptable = errors.New("the offer cannot be accepted")
	errMalformed    = errors.New("the offer is malformed")
)

// packet is one RTP packet (RFC 3550 section 5.1). The transport adds the SSRC
// of what is sent.
type packet struct {
	payloadType uint8
	marker      bool
	sequence    uint16
	timestamp   uint32
	ssrc        uint32
	payload     []byte
}

// format is a codec with the payload type it has in a session.
type format struct {
	codec.Codec
	payloadType uint8
}
