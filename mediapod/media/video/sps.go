// SPDX-License-Identifier: Apache-2.0

package video

// bitReader reads what H.264 section 7.2 and 9.1 call u(n) and ue(v), past the
// bytes that keep start codes out. What is missing reads as zeros and is noted.
type bitReader struct {
	b     []byte
	at    int // bit
	zeros int // bytes in a row
	short bool
}

func (r *bitReader) bit() uint32 {
	if len(r.b) == 0 {
		r.short = true
		return 0
	}
	bit := uint32(r.b[0]>>(7-r.at)) & 1
	if r.at++; r.at == 8 {
		if r.b[0] == 0 {
			r.zeros++
		} else {
			r.zeros = 0
		}
		r.at, r.b = 0, r.b[1:]
		if r.zeros >= 2 && len(r.b) > 0 && r.b[0] == 3 {
			r.zeros, r.b = 0, r.b[1:]
		}
	}
	return bit
}

func (r *bitReader) u(n int) (v uint32) {
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

func (r *bitReader) ue() uint32 {
	n := 0
	for r.bit() == 0 {
		if n++; n > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<n - 1 + r.u(n)
}

func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// H264Size is the size in pixels, cropped, that a sequence parameter set states (section 7.3.2.1.1).
func H264Size(sps []byte) (width, height int, ok bool) {
	s, ok := readSPS(sps)
	return s.width, s.height, ok
}

// sequenceParameters are those that are of use here.
type sequenceParameters struct {
	width, height int
	// unitsInTick over twice timeScale is a frame's time in seconds; zero where it is not said (annex E.2.1).
	unitsInTick, timeScale uint32
}

func readSPS(sps []byte) (s sequenceParameters, ok bool) {
	if len(sps) < 4 {
		return s, false
	}
	r := &bitReader{b: sps[1:]}
	profile := r.u(8)
	r.u(16) // constraints, level
	r.ue()  // id
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		if chroma = r.ue(); chroma == 3 {
			if r.u(1) == 1 { // separate planes are as monochrome ones
				chroma = 0
			}
		}
		r.ue() // depth of luma
		r.ue() // of chroma
		r.u(1)
		if r.u(1) == 1 {
			lists := 8
			if chroma == 3 {
				lists = 12
			}
			for i := range lists {
				if r.u(1) == 1 {
					r.scalingList(i)
				}
			}
		}
	}
	r.ue() // log2_max_frame_num_minus4
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.u(1)
		r.se()
		r.se()
		n := r.ue()
		for i := uint32(0); i < n && !r.short; i++ {
			r.se()
		}
	}
	r.ue() // references
	r.u(1)
	w, h := r.ue()+1, r.ue()+1
	frames := r.u(1) // or fields, which are half as high
	if frames == 0 {
		r.u(1)
	}
	r.u(1)
	var left, right, top, bottom uint32
	if r.u(1) == 1 {
		left, right, top, bottom = r.ue(), r.ue(), r.ue(), r.ue()
	}
	// Level 6.2 has no side of more than 16888 pixels (table A-1).
	const most = 16888
	if r.short || chroma > 3 || w > most/16+1 || h > most/16+1 || max(left, right, top, bottom) > most {
		return s, false
	}
	// Cropping counts in chroma samples, and in frame lines (equations 7-19 to 7-22).
	unitX, unitY := uint32(1), 2-frames
	if chroma == 1 || chroma == 2 {
		unitX = 2
	}
	if chroma == 1 {
		unitY *= 2
	}
	s.width = int(w*16) - int(unitX*(left+right))
	s.height = int(h*16*(2-frames)) - int(unitY*(top+bottom))
	if s.width <= 0 || s.height <= 0 {
		return sequenceParameters{}, false
	}
	if r.u(1) == 1 {
		s.readTiming(r)
	}
	return s, true
}

// readTiming reads the usability information as far as its timing (annex E.1.1).
func (s *sequenceParameters) readTiming(r *bitReader) {
	const extendedSAR = 255
	if r.u(1) == 1 && r.u(8) == extendedSAR {
		r.u(32)
	}
	if r.u(1) == 1 { // overscan
		r.u(1)
	}
	if r.u(1) == 1 { // video signal
		r.u(4)
		if r.u(1) == 1 {
			r.u(24)
		}
	}
	if r.u(1) == 1 { // chroma
		r.ue()
		r.ue()
	}
	if r.u(1) == 1 {
		units, scale := r.u(32), r.u(32)
		if !r.short {
			s.unitsInTick, s.timeScale = units, scale
		}
	}
}

// scalingList passes over one (section 7.3.2.1.1.1).
func (r *bitReader) scalingList(i int) {
	n := 16
	if i >= 6 {
		n = 64
	}
	last, next := int32(8), int32(8)
	for range n {
		if next != 0 {
			next = (last + r.se() + 256) % 256
		}
		if next != 0 {
			last = next
		}
		if r.short {
			return
		}
	}
}
