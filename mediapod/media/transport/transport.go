// SPDX-License-Identifier: Apache-2.0

// Package transport is the seam between the media engine and what carries its packets. Above it there is RTP in the
// clear and no type of a WebRTC library; below it are ICE, DTLS, SRTP and RTCP.
package transport

import (
	"context"
	"errors"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/sdp"
)

// Backend makes sessions, all on the engine's one UDP port.
type Backend interface {
	// Open makes a session that reports to a sink.
	Open(s Sink) (Session, error)
	// Close ends what is common to all sessions, which are closed by then.
	Close()
}

// Session carries the media of one far side: it answers its offer, and takes and delivers RTP.
//
// Tracks are numbered as the sections of the offer are. A track has both directions.
type Session interface {
	// Answer answers the far side's offer with all candidates in it. It is called
	// once.
	Answer(ctx context.Context, offer string) (string, error)
	// Trickle adds candidates of the far side (RFC 8838).
	Trickle(f sdp.Fragment) error
	// Restart restarts ICE with the far side's new credentials and returns ours.
	Restart(ctx context.Context, f sdp.Fragment) (sdp.Fragment, error)
	// Send sends one packet on a track. The payload is not kept. Calls for one track must not overlap.
	Send(track int, p *Packet) error
	// WantKeyFrame asks the far side for a picture that needs no other (RFC 4585 section 6.3.1).
	WantKeyFrame(track int, ssrc uint32)
	// Close ends the session for the far side too and returns when nothing of it
	// runs any more. It must not be called from within a sink.
	Close()
}

// Sink is what a session reports to. It must not block.
type Sink interface {
	// Receive takes one RTP packet; raw is valid only during the call. Calls do
	// not overlap.
	Receive(track int, raw []byte, at time.Time)
	// Reception says what was received of a track, for the reports to the far side; false when there is nothing to
	// say.
	Reception(track int) (Reception, bool)
	// Measured takes a round-trip time (RFC 3550 section 6.4.1, LSR and DLSR).
	Measured(roundTrip time.Duration)
	// Reported takes what the far side says of a track of ours: the share of packets lost since its last report, 0 to 1.
	Reported(track int, lost float64)
	// KeyFrameWanted says that the far side cannot show a track of ours without one.
	KeyFrameWanted(track int)
	// Connected says that media can flow both ways. It comes once.
	Connected()
	// Interrupted says that nothing has come from the far side for too long: neither packets nor checks of ICE. It may be
	// heard again where it was, or restart ICE from elsewhere, until the session is closed. The engine has to bound that.
	Interrupted()
	// Resumed says that media can flow again.
	Resumed()
	// Gone says that the far side is, and why. It may come more than once.
	Gone(reason string)
}

// Reception is what a report block says (RFC 3550 section 6.4.1).
type Reception struct {
	SSRC uint32
	// Highest sequence number received, with the count of its cycles in the upper half.
	Highest uint32
	// Expected and Received are all packets so far.
	Expected, Received uint64
	// Jitter in units of the RTP timestamp.
	Jitter uint32
}

// ErrUnacceptable is an offer that is fine but has nothing for us.
var ErrUnacceptable = errors.New("the offer cannot be accepted")
