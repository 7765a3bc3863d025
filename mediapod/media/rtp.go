// SPDX-License-Identifier: Apache-2.0

package media

import "encoding/binary"

// parse reads an RTP packet (RFC 3550 section 5.1). Contributing sources and
// extensions are passed over and padding is cut off. The payload aliases raw.
func (p *packet) parse(raw []byte) (ok bool) {
	const fixed = 12
	if len(raw) < fixed || raw[0]>>6 != 2 {
		return false
	}
	be := binary.BigEndian
	p.marker = raw[1]&0x80 != 0
	p.payloadType = raw[1] & 0x7F
	p.sequence = be.Uint16(raw[2:])
	p.timestamp = be.Uint32(raw[4:])
	p.ssrc = be.Uint32(raw[8:])

	at := fixed + 4*int(raw[0]&0x0F) // contributing sources
	if raw[0]&0x10 != 0 {            // header extension (section 5.3.1)
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
	p.payload = raw[at:end]
	return true
}
