// SPDX-License-Identifier: Apache-2.0

package video

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// IVF is libvpx's file format: a header of 32 bytes, and before every frame 12 bytes with its size and its time.
const (
	ivfHeader      = 32
	ivfFrameHeader = 12
	// maxGap between two frames is longer than any slide show's; what is longer is a time that makes no sense.
	maxGap = time.Minute
)

func isIVF(b []byte) bool { return len(b) >= ivfHeader && string(b[:4]) == "DKIF" }

func parseIVF(b []byte) (*Clip, error) {
	le := binary.LittleEndian
	if fourCC := string(b[8:12]); fourCC != "VP80" {
		return nil, fmt.Errorf("its codec is %q; code it as VP8", fourCC)
	}
	rate, scale := uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:]))
	if rate == 0 || scale == 0 {
		return nil, errors.New("it does not say how fast it is; make it again")
	}
	header := int(le.Uint16(b[6:]))
	if header < ivfHeader || header > len(b) {
		return nil, errors.New("its header is cut off; make it again")
	}
	c := &Clip{Codec: VP8}
	var first uint64
	for b = b[header:]; len(b) > 0; {
		if len(b) < ivfFrameHeader || uint64(le.Uint32(b)) > uint64(len(b)-ivfFrameHeader) {
			break // a file that was cut off is shown as far as it goes
		}
		n, pts := int(le.Uint32(b)), le.Uint64(b[4:])
		data := b[ivfFrameHeader : ivfFrameHeader+n]
		b = b[ivfFrameHeader+n:]
		if n == 0 {
			continue // a frame that the encoder left out
		}
		if len(c.Frames) == 0 {
			first = pts
		}
		at, err := c.after(pts-first, rate, scale)
		if err != nil {
			return nil, err
		}
		if err := c.add(ClipFrame{At: at, Data: data, Key: vp8Key(data)}); err != nil {
			return nil, err
		}
	}
	return c, c.measure(time.Duration(float64(scale) / float64(rate) * float64(time.Second)))
}

// after is the time of so many units, which must follow the last frame's.
func (c *Clip) after(units, rate, scale uint64) (time.Duration, error) {
	seconds := float64(units) * float64(scale) / float64(rate)
	last := time.Duration(0)
	if n := len(c.Frames); n > 0 {
		last = c.Frames[n-1].At
	}
	if !(seconds <= (last + maxGap).Seconds()) {
		return 0, fmt.Errorf("frame %d is more than %v after the one before; make it again", len(c.Frames), maxGap)
	}
	at := time.Duration(seconds * float64(time.Second))
	if len(c.Frames) > 0 && at <= last {
		return 0, fmt.Errorf("frame %d is not later than the one before; make it again", len(c.Frames))
	}
	return at, nil
}

// measure sets the duration: the last frame is shown for as long as the others are on average, or for a unit of time.
func (c *Clip) measure(unit time.Duration) error {
	n := len(c.Frames)
	if n == 0 {
		return errEmpty
	}
	last := c.Frames[n-1].At
	if n > 1 {
		unit = last / time.Duration(n-1)
	}
	c.Duration = last + min(max(unit, time.Millisecond), maxGap)
	return nil
}
