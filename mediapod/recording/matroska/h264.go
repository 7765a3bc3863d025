// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"encoding/binary"

	"github.com/callfleet/callfleet/mediapod/media/video"
)

// Types of NAL units (ITU-T H.264 table 7-1).
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
)

// AppendLengths appends an Annex B access unit in the form of MP4 and Matroska:
// every NAL unit after its length in four bytes.
func AppendLengths(dst, unit []byte) []byte {
	for {
		var nal []byte
		if nal, unit = video.NextNAL(unit); nal == nil {
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
		if nal, unit = video.NextNAL(unit); nal == nil {
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
	if h.Width, h.Height, ok = video.H264Size(sps); !ok {
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
