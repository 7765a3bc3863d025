// SPDX-License-Identifier: Apache-2.0

// Package telephone sends and receives the keys of a telephone as events in RTP
// (RFC 4733, the telephone-event payload): each key goes down once and up once,
// whatever packets are lost, doubled or reordered.
//
// All packets of one press carry the timestamp of its beginning and how long it
// has lasted. A receiver therefore knows a press by its timestamp; the first packet
// of it that arrives is the key going down, whichever that is.
package telephone

import (
	"encoding/binary"
	"time"
)

// Key is the code of an event that a telephone's keypad makes (RFC 4733 section
// 3.2, table 3): 0 to 9, then *, #, A to D, and 16 for the hook flash.
type Key uint8

// Flash is a short press of the hook.
const Flash Key = 16

// names are the keys by their codes, F for the flash.
const names = "0123456789*#ABCDF"

// String is the key's label: "7", "#", and "F" for the flash.
func (k Key) String() string {
	if int(k) >= len(names) {
		return "?"
	}
	return names[k : k+1]
}

// ParseKey finds a key by its label; letters may be small.
func ParseKey(label rune) (k Key, ok bool) {
	if label >= 'a' && label <= 'z' {
		label -= 'a' - 'A'
	}
	for i, name := range names {
		if name == label {
			return Key(i), true
		}
	}
	return 0, false
}

// interval is the time between two packets of a press. RFC 4733 section 2.5.1.2
// takes the packet time of the audio they stand in for, here 20 ms.
const interval = 20 * time.Millisecond

// payloadBytes is the size of the payload (RFC 4733 section 2.3).
const payloadBytes = 4

// longest is the longest duration that a payload can hold, in timestamp units.
// What lasts longer goes on in another segment (section 2.5.1.3).
const longest = 0xFFFF

// payload is what a packet says (RFC 4733 section 2.3.1 to 2.3.5).
type payload struct {
	code     uint8
	end      bool
	volume   uint8  // dBm0 without the sign, 0 to 63
	duration uint16 // since the timestamp, in its units
}

// parse reads a payload. Of several events in one packet, which nothing but a
// gateway of trunk signalling sends, it takes the first.
func (p *payload) parse(raw []byte) (ok bool) {
	if len(raw) < payloadBytes {
		return false
	}
	p.code = raw[0]
	p.end = raw[1]&0x80 != 0
	p.volume = raw[1] & 0x3F
	p.duration = binary.BigEndian.Uint16(raw[2:])
	return true
}

func (p payload) bytes() (raw [payloadBytes]byte) {
	raw[0], raw[1] = p.code, p.volume&0x3F
	if p.end {
		raw[1] |= 0x80
	}
	binary.BigEndian.PutUint16(raw[2:], p.duration)
	return raw
}
