// SPDX-License-Identifier: Apache-2.0

package video

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// maxFrameRate is above what any call shows.
const maxFrameRate = 240

// parseAnnexB cuts a byte stream of H.264 into access units.
func parseAnnexB(b []byte, frameRate float64) (*Clip, error) {
	c := &Clip{Codec: H264}
	var frame h264Frame
	var data []byte
	flush := func() error {
		whole, key, picture := frame.finish(data)
		data = data[:0]
		frame.begin()
		if !picture {
			return nil
		}
		return c.add(ClipFrame{Data: bytes.Clone(whole), Key: key})
	}
	for rest := b; ; {
		var nal []byte
		if nal, rest = NextNAL(rest); nal == nil {
			break
		}
		if len(nal) == 0 {
			continue
		}
		kind := nal[0] & 0x1F
		if frame.picture && beginsUnit(nal) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		if kind == nalSPS {
			if s, ok := readSPS(nal); ok && s.unitsInTick > 0 && s.timeScale > 0 {
				frameRate = float64(s.timeScale) / 2 / float64(s.unitsInTick)
			}
			if c.Profile == 0 && len(nal) > 1 {
				c.Profile = nal[1]
			}
		}
		if isSlice(kind) && bidirectional(nal) {
			return nil, errors.New("it has B-frames, which calls cannot show in order; code it without, as ffmpeg does with -bf 0")
		}
		if len(data)+len(nal) > MaxFrame {
			return nil, fmt.Errorf("a frame has more than %d bytes; code it with fewer bits", MaxFrame)
		}
		data = frame.unit(data, nal)
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if len(c.Frames) == 0 {
		return nil, errors.New("it is neither IVF nor a byte stream of H.264; make one, as ffmpeg does with -f ivf or -f h264")
	}
	if !(frameRate > 0) || frameRate > maxFrameRate || frameRate < 1/maxGap.Seconds() {
		return nil, fmt.Errorf("it does not say how many frames a second it has, or not a number up to %d; say it", maxFrameRate)
	}
	interval := float64(time.Second) / frameRate
	for i := range c.Frames {
		c.Frames[i].At = time.Duration(float64(i) * interval)
	}
	c.Duration = time.Duration(float64(len(c.Frames)) * interval)
	return c, nil
}

// beginsUnit says that a NAL unit behind a picture's slice begins the next access unit (H.264 section 7.4.1.2.3; that
// macroblock 0 begins a picture holds without arbitrary slice order, which the profiles of calls do not have).
func beginsUnit(nal []byte) bool {
	switch kind := nal[0] & 0x1F; {
	case kind == nalAUD, kind == nalSPS, kind == nalPPS, kind == nalSEI, kind >= 14 && kind <= 18:
		return true
	case kind == nalSlice || kind == nalIDR || kind == 2:
		return firstSlice(nal)
	}
	return false
}

// bidirectional says that a slice is of a B-frame (table 7-6): its slice_type is 1 or 6.
func bidirectional(nal []byte) bool {
	r := &bitReader{b: nal[1:]}
	r.ue() // first_mb_in_slice
	kind := r.ue()
	return !r.short && (kind == 1 || kind == 6)
}
