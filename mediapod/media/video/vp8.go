// SPDX-License-Identifier: Apache-2.0

package video

// vp8Payload takes the payload descriptor off (RFC 7741 section 4.2), and says whether a frame starts with what is left.
func vp8Payload(payload []byte) (frame []byte, start, ok bool) {
	if len(payload) < 2 {
		return nil, false, false
	}
	first, at := payload[0], 1
	if first&0x80 != 0 { // X: an extension
		extension := payload[at]
		at++
		if extension&0x80 != 0 { // I: a picture's number, in one byte or, with M, in two
			if at >= len(payload) {
				return nil, false, false
			}
			at += 1 + int(payload[at]>>7)
		}
		if extension&0x40 != 0 { // L: TL0PICIDX
			at++
		}
		if extension&0x30 != 0 { // T or K: TID, Y and KEYIDX share a byte
			at++
		}
	}
	if at >= len(payload) {
		return nil, false, false
	}
	// S and a partition index of 0: the first partition's first packet.
	return payload[at:], first&0x10 != 0 && first&0x07 == 0, true
}

// vp8Key reads the first bit of a frame (RFC 6386 section 9.1).
func vp8Key(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 }

// VP8Size is the size in pixels that a VP8 frame says it has. Only key frames do
// (RFC 6386 section 9.1).
func VP8Size(frame []byte) (width, height int, key bool) {
	if len(frame) < 10 || frame[0]&1 != 0 || frame[3] != 0x9D || frame[4] != 0x01 || frame[5] != 0x2A {
		return 0, 0, false
	}
	// 14 bits each; the upper two ask for scaling.
	width = int(frame[6]) | int(frame[7]&0x3F)<<8
	height = int(frame[8]) | int(frame[9]&0x3F)<<8
	return width, height, width > 0 && height > 0
}
