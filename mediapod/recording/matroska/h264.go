// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"bytes"
	"encoding/binary"
)

// Types of NAL units (ITU-T H.264 table 7-1).
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
)

// nextNAL takes the first NAL unit off an Annex B byte stream (H.264 annex B.1).
func nextNAL(stream []byte) (nal, rest []byte) {
	at := bytes.Index(stream, []byte{0, 0, 1})
	if at < 0 {
		return nil, nil
	}
	stream = stream[at+3:]
	end := bytes.Index(stream, []byte{0, 0, 1})
	if end < 0 {
		end = len(stream)
	}
	rest = stream[end:]
	// Zeros before a start code belong to it, and after the last unit to nothing.
	return bytes.TrimRight(stream[:end], "\x00"), rest
}

// AppendLengths appends an Annex B access unit in the form of MP4 and Matroska:
// every NAL unit after its length in four bytes.
func AppendLengths(dst, unit []byte) []byte {
	for {
		var nal []byte
		if nal, unit = nextNAL(unit); nal == nil {
			return dst
		}
		if len(nal) > 0 {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(nal)))
			dst = append(dst, nal...)
		}
	}
}

// H264 is what a file's header has to say of a stream.
type H264 struct {
	Width, Height int
	// Private is the AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1).
	Private []byte
}

// ParseH264 finds it in an access unit that starts a stream: one with an IDR
// picture and both parameter sets. Any other is not ok.
func ParseH264(unit []byte) (h H264, ok bool) {
	var sps, pps []byte
	idr := false
	for {
		var nal []byte
		if nal, unit = nextNAL(unit); nal == nil {
			break
		}
		if len(nal) == 0 {
			continue
		}
		switch nal[0] & 0x1F {
		case nalIDR:
			idr = true
		case nalSPS:
			sps = nal
		case nalPPS:
			pps = nal
		}
	}
	if !idr || len(sps) < 4 || len(sps) > 0xFFFF || len(pps) < 2 || len(pps) > 0xFFFF {
		return H264{}, false
	}
	if h.Width, h.Height, ok = pictureSize(sps); !ok {
		return H264{}, false
	}
	be := binary.BigEndian
	p := append([]byte{1}, sps[1:4]...) // profile, constraints, level
	p = append(p, 0xFC|3, 0xE0|1)       // lengths of four bytes, one sequence parameter set
	p = append(be.AppendUint16(p, uint16(len(sps))), sps...)
	p = append(be.AppendUint16(append(p, 1), uint16(len(pps))), pps...)
	h.Private = p
	return h, true
}

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

// pictureSize reads the size, cropped, of a sequence parameter set (section 7.3.2.1.1).
func pictureSize(sps []byte) (width, height int, ok bool) {
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
		return 0, 0, false
	}
	// Cropping counts in chroma samples, and in frame lines (equations 7-19 to 7-22).
	unitX, unitY := uint32(1), 2-frames
	if chroma == 1 || chroma == 2 {
		unitX = 2
	}
	if chroma == 1 {
		unitY *= 2
	}
	width = int(w*16) - int(unitX*(left+right))
	height = int(h*16*(2-frames)) - int(unitY*(top+bottom))
	return width, height, width > 0 && height > 0
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
