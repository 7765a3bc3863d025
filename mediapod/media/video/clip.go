// SPDX-License-Identifier: Apache-2.0

package video

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Clip is a video to show. It is not changed any more, and may be shown in many calls at once.
type Clip struct {
	Codec Codec
	// Frames in the order in which they are shown, which is also that in which they are decoded. The first is a key frame.
	Frames []ClipFrame
	// Duration until it may begin again.
	Duration time.Duration
	// Width and Height in pixels; zero where none can be read.
	Width, Height int
	// Profile is what H.264 calls profile_idc.
	Profile byte

	size int // of the frames, bytes
}

// ClipFrame is a frame of a clip.
type ClipFrame struct {
	At      time.Duration // since the beginning
	Data    []byte
	Key     bool
	Packets int // that it is sent in
}

// MaxClip is the most bytes of a file that is read: 10 minutes of 1.5 Mbit/s.
const MaxClip = 112 << 20

// maxFrames of a clip: 10 minutes at the most that H.264 files may say.
const maxFrames = 10 * 60 * maxFrameRate

// add appends a frame, as long as the clip stays within its bounds.
func (c *Clip) add(f ClipFrame) error {
	if c.size += len(f.Data); c.size > 2*MaxClip || len(c.Frames) == maxFrames {
		return fmt.Errorf("it has more than %d frames or %d MiB; shorten it", maxFrames, 2*MaxClip>>20)
	}
	c.Frames = append(c.Frames, f)
	return nil
}

// errEmpty and the other errors of this file say what to do about it, for they are read by whoever made the file.
var errEmpty = errors.New("it has no frames; make it again")

// ReadClip reads a file as IVF or, if it does not begin as one, as an Annex B stream of H.264. What a stream says of its
// frame rate counts; frameRate is for those that say nothing, and may be zero.
func ReadClip(r io.Reader, frameRate float64) (*Clip, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxClip+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the video: %w", err)
	case len(b) > MaxClip:
		return nil, fmt.Errorf("the video has more than %d MiB; shorten it, or code it with fewer bits", MaxClip>>20)
	}
	var c *Clip
	if isIVF(b) {
		c, err = parseIVF(b)
	} else {
		c, err = parseAnnexB(b, frameRate)
	}
	if err == nil {
		err = c.complete()
	}
	if err != nil {
		return nil, fmt.Errorf("the video cannot be shown: %w", err)
	}
	return c, nil
}

// complete checks the frames and fills in what follows from them.
func (c *Clip) complete() error {
	if len(c.Frames) == 0 {
		return errEmpty
	}
	if !c.Frames[0].Key {
		return errors.New("its first frame is no key frame; cut it at one, or code it anew")
	}
	for i := range c.Frames {
		f := &c.Frames[i]
		if len(f.Data) > MaxFrame {
			return fmt.Errorf("frame %d has %d bytes, more than %d; code it with fewer bits", i, len(f.Data), MaxFrame)
		}
		if f.Packets = Packets(c.Codec, f.Data); f.Packets == 0 {
			return fmt.Errorf("frame %d is empty; code it anew", i)
		}
	}
	c.Width, c.Height = c.Codec.Size(c.Frames[0].Data)
	return nil
}

// KeyBefore is the last key frame up to frame i.
func (c *Clip) KeyBefore(i int) int {
	for i = min(i, len(c.Frames)-1); i > 0 && !c.Frames[i].Key; i-- {
	}
	return max(i, 0)
}
