// SPDX-License-Identifier: Apache-2.0

package transport

import "encoding/binary"

// Packet is one RTP packet (RFC 3550 section 5.1). Of those that are sent, the session adds the SSRC.
type Packet struct {
	PayloadType uint8
	Marker      bool
	Sequence    uint16
	Timestamp   uint32
	SSRC        uint32
	// Source is the first contributing source, zero without any: whose voice it is in a mix.
	Source  uint32
	Payload []byte
}

// Parse reads an RTP packet. Extensions are passed over and padding is cut off. The payload aliases raw.
func (p *Packet) Parse(raw []byte) (ok bool) {
	const fixed = 12
	if len(raw) < fixed || raw[0]>>6 != 2 {
		return false
	}
	be := binary.BigEndian
	p.Marker = raw[1]&0x80 != 0
	p.PayloadType = raw[1] & 0x7F
	p.Sequence = be.Uint16(raw[2:])
	p.Timestamp = be.Uint32(raw[4:])
	p.SSRC = be.Uint32(raw[8:])
	p.Source = 0

	at := fixed + 4*int(raw[0]&0x0F) // contributing sources
	if at > fixed && len(raw) >= fixed+4 {
		p.Source = be.Uint32(raw[fixed:])
	}
	if raw[0]&0x10 != 0 { // header extension (section 5.3.1)
		if len(raw) < at+4 {
			return false
		}
		at += 4 + 4*int(be.Uint16(raw[at+2:]))
	}
	end := len(raw)
	if raw[0]&0x20 != 0 { // padding: the last byte is its length
		end -= int(raw[end-1])
	}
	if at > end || raw[0]&0x20 != 0 && raw[len(raw)-1] == 0 {
		return false
	}
	p.Payload = raw[at:end]
	return true
}
