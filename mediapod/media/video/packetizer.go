// SPDX-License-Identifier: Apache-2.0

package video

// MaxPayload of a packet: with RTP's header, SRTP's tag of 16 bytes (RFC 7714), UDP's and IPv6's headers it fits into the
// 1280 bytes that every link carries (RFC 8200 section 5).
const MaxPayload = 1280 - 40 - 8 - 12 - 16

// Packetizer cuts a frame into RTP payloads. Its zero value has none.
type Packetizer struct {
	codec Codec
	rest  []byte // of H.264, what is behind the unit at hand
	unit  []byte // what is still to be cut: of the frame, or of a NAL unit
	parts int    // that it is still to be cut into
	head  byte   // of a NAL unit that goes in parts, its header
	begun bool   // a part of the unit is out
}

// Begin starts with a frame, which must not change until it is cut.
func (z *Packetizer) Begin(c Codec, frame []byte) {
	*z = Packetizer{codec: c}
	if c == VP8 {
		z.unit, z.parts = frame, parts(len(frame), MaxPayload-1) // one byte is the descriptor
		return
	}
	z.rest = frame
	z.nextUnit()
}

// parts is how many of at most so many bytes n make.
func parts(n, most int) int { return (n + most - 1) / most }

// nextUnit takes the next NAL unit that is one.
func (z *Packetizer) nextUnit() {
	for {
		z.unit, z.rest = NextNAL(z.rest)
		z.head, z.begun, z.parts = 0, false, 1
		switch {
		case z.unit == nil:
			z.parts = 0
		case len(z.unit) == 0:
			continue
		case len(z.unit) > MaxPayload: // two bytes of headers take the place of the unit's one
			z.head, z.unit = z.unit[0], z.unit[1:]
			z.parts = parts(len(z.unit), MaxPayload-2)
		}
		return
	}
}

// Next appends the next payload to dst, and says whether it is the frame's last. It appends nothing when there is none.
func (z *Packetizer) Next(dst []byte) (payload []byte, last bool) {
	if z.parts == 0 {
		return dst, true
	}
	n := parts(len(z.unit), z.parts) // all of about the same size
	piece, final := z.unit[:n], z.parts == 1
	switch {
	case z.codec == VP8:
		dst = append(dst, vp8Descriptor(!z.begun))
	case z.head != 0: // FU-A (RFC 6184 section 5.8)
		header := z.head & 0x1F
		if !z.begun {
			header |= 0x80
		}
		if final {
			header |= 0x40
		}
		dst = append(dst, z.head&0xE0|nalFUA, header)
	}
	dst = append(dst, piece...)
	z.unit, z.parts, z.begun = z.unit[n:], z.parts-1, true
	if final && z.codec == H264 {
		z.nextUnit()
	}
	return dst, z.parts == 0
}

// vp8Descriptor is the least that there is (RFC 7741 section 4.2): S on a frame's first packet.
func vp8Descriptor(first bool) byte {
	if first {
		return 0x10
	}
	return 0
}

// Packets is how many payloads a frame makes.
func Packets(c Codec, frame []byte) (n int) {
	var z Packetizer
	for z.Begin(c, frame); z.parts > 0; z.nextUnit() {
		if n += z.parts; c == VP8 {
			break
		}
	}
	return n
}
