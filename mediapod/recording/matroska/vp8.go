// SPDX-License-Identifier: Apache-2.0

package matroska

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
