// SPDX-License-Identifier: Apache-2.0

package video

import "strings"

// Codec is how video is coded, by its name in SDP.
type Codec string

// The codecs, those of RFC 7742 section 5.
const (
	VP8  Codec = "VP8"
	H264 Codec = "H264" // frames are access units as Annex B has them
)

// ClockRate of the RTP timestamps of either, Hz (RFC 7741 section 4.1, RFC 6184 section 8.2.1).
const ClockRate = 90000

// MaxFrame is the most bytes of a frame that is put together. A key frame of a shared 4K screen has a quarter of it.
const MaxFrame = 1 << 20

// Find is the codec that SDP calls by a name.
func Find(name string) (Codec, bool) {
	for _, c := range []Codec{VP8, H264} {
		if strings.EqualFold(name, string(c)) {
			return c, true
		}
	}
	return "", false
}

// KeyStart says that an RTP payload is the first of a frame that needs no other to be decoded.
func (c Codec) KeyStart(payload []byte) bool {
	if c == VP8 {
		frame, start, ok := vp8Payload(payload)
		return ok && start && vp8Key(frame)
	}
	return h264KeyStart(payload)
}

// Size in pixels that a key frame says it has; zero of any other.
func (c Codec) Size(frame []byte) (width, height int) {
	if c == VP8 {
		width, height, _ = VP8Size(frame)
		return width, height
	}
	for rest := frame; ; {
		var nal []byte
		if nal, rest = NextNAL(rest); nal == nil {
			return 0, 0
		}
		if len(nal) > 3 && nal[0]&0x1F == nalSPS {
			width, height, _ = H264Size(nal)
			return width, height
		}
	}
}

// PayloadSize is the size in pixels that an RTP payload says its frame has; zero of most, and of those that start no key
// frame.
func (c Codec) PayloadSize(payload []byte) (width, height int) {
	if c == VP8 {
		if frame, start, ok := vp8Payload(payload); ok && start {
			width, height, _ = VP8Size(frame)
		}
		return width, height
	}
	if len(payload) == 0 {
		return 0, 0
	}
	nal := payload
	if payload[0]&0x1F == nalSTAPA {
		for rest := payload[1:]; ; {
			var ok bool
			if nal, rest, ok = nextAggregated(rest); !ok {
				return 0, 0
			}
			if nal[0]&0x1F == nalSPS {
				break
			}
		}
	}
	if nal[0]&0x1F == nalSPS {
		width, height, _ = H264Size(nal)
	}
	return width, height
}
