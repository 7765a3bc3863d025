// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"errors"
	"time"
)

// ErrMalformed is returned for what breaks the rules of RFC 6716 section 3.4.
var ErrMalformed = errors.New("opus: malformed packet")

// Packet is what a packet says about itself.
type Packet struct {
	// Frames is how many frames it holds, 1 to 48.
	Frames int
	// FrameDuration is that of each, 2.5 to 60 ms.
	FrameDuration time.Duration
	// Stereo says that the sender encoded two channels. A mono decoder takes it
	// all the same.
	Stereo bool
	// DTX is set when there is nothing to hear in it and it need not have been
	// sent: none of its frames has more than a byte (RFC 6716 section 2.1.9).
	DTX bool
}

// Duration is the time that the packet covers, up to 120 ms.
func (p Packet) Duration() time.Duration { return time.Duration(p.Frames) * p.FrameDuration }

const (
	// maxFrame is the most bytes of one frame (requirement R2).
	maxFrame = 1275
	// maxDuration is the longest packet (requirement R5).
	maxDuration = 120 * time.Millisecond
)

// Duration is how long a packet lasts, by its first two bytes: the frames are not looked at. It allocates nothing.
func Duration(packet []byte) (time.Duration, error) {
	n := time.Duration(count(packet))
	if n == 0 {
		return 0, ErrMalformed // R1, R7
	}
	if n *= frameDuration(packet[0] >> 3); n > maxDuration {
		return 0, ErrMalformed
	}
	return n, nil
}

// count is how many frames a packet has (section 3.2); 0 is none that could be.
func count(packet []byte) int {
	switch {
	case len(packet) == 0:
		return 0
	case packet[0]&3 == 0:
		return 1
	case packet[0]&3 < 3:
		return 2
	case len(packet) < 2:
		return 0
	}
	return int(packet[1] & 0x3F)
}

// Parse reads the framing of a packet and checks all of it, so that what passes
// can be decoded. It allocates nothing.
func Parse(packet []byte) (Packet, error) {
	if _, err := Duration(packet); err != nil {
		return Packet{}, err
	}
	toc, rest := packet[0], packet[1:]
	p := Packet{Frames: count(packet), FrameDuration: frameDuration(toc >> 3), Stereo: toc&4 != 0}
	var ok bool
	switch toc & 3 {
	case 0: // one frame
		p.DTX, ok = len(rest) <= 1, len(rest) <= maxFrame
	case 1: // two of the same size
		p.DTX, ok = len(rest) <= 2, len(rest)%2 == 0 && len(rest)/2 <= maxFrame // R3
	case 2: // two of their own sizes
		p.DTX, ok = sizes(rest, 2)
	case 3:
		p.DTX, ok = many(rest[0], rest[1:], p.Frames)
	}
	if !ok {
		return Packet{}, ErrMalformed
	}
	return p, nil
}

// frameDuration reads the configuration number (table 2).
func frameDuration(config byte) time.Duration {
	const ms = time.Millisecond
	switch {
	case config < 12: // SILK
		return [4]time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config&3]
	case config < 16: // hybrid
		return [2]time.Duration{10 * ms, 20 * ms}[config&1]
	}
	return 5 * ms / 2 << (config & 3) // CELT
}

// many reads what follows the count of a code 3 packet: padding and the frames (section 3.2.5).
func many(count byte, b []byte, frames int) (dtx, ok bool) {
	if count&0x40 != 0 {
		padding := 0
		for more := true; more; {
			if len(b) == 0 {
				return false, false
			}
			n := int(b[0])
			b = b[1:]
			if more = n == 255; more {
				n = 254 // and the next byte counts too
			}
			padding += n
		}
		if padding > len(b) {
			return false, false
		}
		b = b[:len(b)-padding]
	}
	if count&0x80 != 0 { // each has its own size
		return sizes(b, frames)
	}
	size := len(b) / frames
	return size <= 1, len(b)%frames == 0 && size <= maxFrame // R6
}

// sizes reads the sizes of all frames but the last, which has what is left
// (section 3.2.1).
func sizes(b []byte, frames int) (dtx, ok bool) {
	dtx = true
	total := 0
	for range frames - 1 {
		if len(b) == 0 {
			return false, false // R4, R7
		}
		n := int(b[0])
		b = b[1:]
		if n >= 252 {
			if len(b) == 0 {
				return false, false
			}
			n += 4 * int(b[0])
			b = b[1:]
		}
		dtx = dtx && n <= 1
		total += n
	}
	last := len(b) - total
	return dtx && last <= 1, last >= 0 && last <= maxFrame
}
