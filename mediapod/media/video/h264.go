// SPDX-License-Identifier: Apache-2.0

package video

import (
	"bytes"
	"encoding/binary"
)

// Types of NAL units (ITU-T H.264 table 7-1), and those that RFC 6184 section 5.2 adds.
const (
	nalSlice = 1
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalAUD   = 9
	nalSTAPA = 24
	nalFUA   = 28
)

// startCode begins a NAL unit in a byte stream (H.264 annex B.1).
var startCode = []byte{0, 0, 0, 1}

// NextNAL takes the first NAL unit off an Annex B byte stream. It is nil when there is none, and of no length where a
// start code follows another.
func NextNAL(stream []byte) (nal, rest []byte) {
	at := bytes.Index(stream, startCode[1:])
	if at < 0 {
		return nil, nil
	}
	stream = stream[at+3:]
	end := bytes.Index(stream, startCode[1:])
	if end < 0 {
		end = len(stream)
	}
	rest = stream[end:]
	for end > 0 && stream[end-1] == 0 { // zeros before a start code belong to it, and after the last unit to nothing
		end--
	}
	return stream[:end], rest
}

// isSlice says that a NAL unit is a part of a picture.
func isSlice(kind byte) bool { return kind >= nalSlice && kind <= nalIDR }

// firstSlice says that a slice is the first of its picture: first_mb_in_slice, an Exp-Golomb number after the header's
// byte, is 0 (H.264 section 7.3.3), which is a bit that is 1.
func firstSlice(nal []byte) bool { return len(nal) > 1 && nal[1]&0x80 != 0 }

func keyNAL(nal []byte) bool {
	if len(nal) == 0 {
		return false
	}
	kind := nal[0] & 0x1F
	return kind == nalSPS || kind == nalIDR && firstSlice(nal)
}

func h264KeyStart(payload []byte) bool {
	if len(payload) == 0 {
		return false
	}
	switch payload[0] & 0x1F {
	case nalSTAPA:
		for rest := payload[1:]; ; {
			nal, after, ok := nextAggregated(rest)
			if !ok {
				return false
			}
			if keyNAL(nal) {
				return true
			}
			rest = after
		}
	case nalFUA: // its first part only, and past the header in two parts
		if len(payload) < 3 || payload[1]&0x80 == 0 {
			return false
		}
		kind := payload[1] & 0x1F
		return kind == nalSPS || kind == nalIDR && payload[2]&0x80 != 0
	}
	return keyNAL(payload)
}

// nextAggregated takes the first NAL unit off a STAP-A's (RFC 6184 section 5.7.1).
func nextAggregated(rest []byte) (nal, after []byte, ok bool) {
	if len(rest) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(rest))
	if n == 0 || len(rest) < 2+n {
		return nil, nil, false
	}
	return rest[2 : 2+n], rest[2+n:], true
}
