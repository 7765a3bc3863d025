// SPDX-License-Identifier: Apache-2.0

package video

// maxSets bounds the parameter sets that are remembered. x264's are 40 bytes.
const maxSets = 4 << 10

// h264Frame collects the NAL units of an access unit.
type h264Frame struct {
	// sets are the stream's parameter sets. Senders may send them once only, at the beginning or before a picture, and
	// in a packet of their own; a key frame is handed out with them.
	sets []byte

	fragment byte // kind of the unit that is under way in parts; 0 without
	idr      bool
	picture  bool
	sps, pps bool
}

func (f *h264Frame) begin() { *f = h264Frame{sets: f.sets} }

// add appends what a payload has. It is false for one that cannot be.
func (f *h264Frame) add(dst, payload []byte) ([]byte, bool) {
	kind := payload[0] & 0x1F
	if f.fragment != 0 && kind != nalFUA {
		return dst, false // its end is missing
	}
	switch {
	case kind == nalSTAPA:
		for rest := payload[1:]; len(rest) > 0; {
			nal, after, ok := nextAggregated(rest)
			if !ok {
				return dst, false
			}
			dst, rest = f.unit(dst, nal), after
		}
		return dst, true
	case kind == nalFUA:
		return f.part(dst, payload)
	case kind >= 1 && kind < nalSTAPA:
		return f.unit(dst, payload), true
	}
	return dst, false // of a packetization mode that was not agreed on (RFC 6184 section 5.4)
}

func (f *h264Frame) unit(dst, nal []byte) []byte {
	f.note(nal[0] & 0x1F)
	return append(append(dst, startCode...), nal...)
}

// part appends a fragment (RFC 6184 section 5.8).
func (f *h264Frame) part(dst, payload []byte) ([]byte, bool) {
	if len(payload) < 3 {
		return dst, false
	}
	header, kind := payload[1], payload[1]&0x1F
	begins := header&0x80 != 0
	if begins != (f.fragment == 0) || !begins && kind != f.fragment || kind == 0 || kind >= nalSTAPA {
		return dst, false
	}
	if begins {
		f.note(kind)
		dst = append(append(dst, startCode...), payload[0]&0xE0|kind)
	}
	f.fragment = kind
	if header&0x40 != 0 {
		f.fragment = 0
	}
	return append(dst, payload[2:]...), true
}

func (f *h264Frame) note(kind byte) {
	f.idr = f.idr || kind == nalIDR
	f.picture = f.picture || isSlice(kind)
	f.sps = f.sps || kind == nalSPS
	f.pps = f.pps || kind == nalPPS
}

// finish completes an access unit. It is no picture if it has parameter sets only, or cannot be decoded for lack of
// them.
func (f *h264Frame) finish(frame []byte) (complete []byte, key, picture bool) {
	if f.fragment != 0 {
		return frame, false, false
	}
	if f.sps || f.pps {
		f.remember(frame)
	}
	if !f.picture {
		return frame, false, false
	}
	if f.idr && !(f.sps && f.pps) {
		if len(f.sets) == 0 {
			return frame, false, false
		}
		n := len(frame)
		frame = append(frame, f.sets...)
		copy(frame[len(f.sets):], frame[:n])
		copy(frame, f.sets)
	}
	return frame, f.idr, true
}

// remember keeps the parameter sets of a frame: a new sequence's instead of those before, a picture's beside them.
func (f *h264Frame) remember(frame []byte) {
	if f.sps {
		f.sets = f.sets[:0]
	}
	for rest := frame; ; {
		var nal []byte
		if nal, rest = NextNAL(rest); nal == nil {
			return
		}
		if len(nal) == 0 || len(f.sets)+len(nal) > maxSets {
			continue
		}
		if kind := nal[0] & 0x1F; kind == nalSPS || kind == nalPPS {
			f.sets = append(append(f.sets, startCode...), nal...)
		}
	}
}
