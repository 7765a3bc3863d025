// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"sync"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/video"
)

// PlayVideoOptions says how a video is shown.
type PlayVideoOptions struct {
	// Screen shows it in the place of a shared screen, and not of a camera.
	Screen bool
	// Loop shows it over and over, until it is stopped.
	Loop bool
}

// VideoPlayback is a video that is shown, or waits for the far side.
type VideoPlayback struct {
	vision  *vision
	clip    *video.Clip
	options PlayVideoOptions

	done chan struct{}
	once sync.Once
	err  error

	// The rest is guarded by the vision's lock.
	lane    *lane // of the session it is shown to
	restart bool  // from a key frame, which the far side wants

	began   time.Time // when the clip's first frame was due, in this round
	frame   int       // that is next, or being sent
	sent    int       // packets of it
	keyAt   time.Time // when the last key frame was begun
	cutter  video.Packetizer
	payload [video.MaxPayload]byte
}

// Done is closed when it has ended.
func (p *VideoPlayback) Done() <-chan struct{} { return p.done }

// Err is why it could not be shown; nil if it was shown or stopped, and while it is shown.
func (p *VideoPlayback) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Stop ends it. What the far side is shown then is the last picture, or the echo if the bot echoes.
func (p *VideoPlayback) Stop() {
	v := p.vision
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endLocked(p, nil)
}

func (p *VideoPlayback) finish(err error) {
	p.once.Do(func() {
		p.err = err
		close(p.done)
	})
}

// PlayVideo shows a clip at its frame rate, once the far side is there. It takes the place of the one that is shown. When
// the far side cannot decode what it has, it is shown again from the last key frame up to there.
func (c *Call) PlayVideo(clip *video.Clip, o PlayVideoOptions) *VideoPlayback {
	v := &c.vision
	p := &VideoPlayback{vision: v, clip: clip, options: o, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock() // so that Close comes before or after all of it
	if c.closed {
		p.finish(nil)
		return p
	}
	v.mu.Lock()
	if before := v.shows[p.place()]; before != nil {
		v.endLocked(before, nil)
	}
	v.shows[p.place()] = p
	v.mu.Unlock()
	v.seat.start()
	return p
}

// place is the playback's among those that are shown.
func (p *VideoPlayback) place() int {
	if p.options.Screen {
		return 1
	}
	return 0
}

// endLocked ends a playback.
func (v *vision) endLocked(p *VideoPlayback, err error) {
	if v.shows[p.place()] == p {
		v.shows[p.place()] = nil
	}
	if p.lane != nil && p.lane.playing == p {
		for v.session != nil && p.sent > 0 { // half a frame would spoil the next one
			p.packet(time.Now())
		}
		p.lane.playing = nil
	}
	p.lane = nil
	p.finish(err)
}

// tick implements ticked: it sends what is due of the clips that are shown.
func (v *vision) tick(now time.Time) (finished bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session == nil {
		return true
	}
	finished = true
	for _, p := range v.shows {
		if p == nil {
			continue
		}
		if err := p.find(now); err != nil {
			v.endLocked(p, err)
		} else if p.show(now) {
			v.endLocked(p, nil)
		} else {
			finished = false
		}
	}
	return finished
}

// find finds the lane of the far side's that there is now.
func (p *VideoPlayback) find(now time.Time) error {
	kind := "camera"
	if p.options.Screen {
		kind = "screen"
	}
	var found *lane
	for _, l := range p.vision.lanes {
		if l != nil && l.section.screen == p.options.Screen {
			found = l
			break
		}
	}
	switch {
	case found == nil:
		return fmt.Errorf("the far side takes no video of a %s; have it offer a section for one", kind)
	case found.section.videoOf(p.clip.Codec, p.clip.Profile) == nil:
		return fmt.Errorf("the far side does not take %s; have it offer that, or show a video in another codec", p.clip.Codec)
	case found == p.lane:
		return nil
	}
	if p.lane = found; p.began.IsZero() {
		p.began = now
	} else { // the far side is another, or came back
		p.restart = true
		p.keyAt = time.Time{}
		p.sent = 0
	}
	found.playing = p
	return nil
}

// maxBehindVideo is how late frames may be sent after one another. Later ones, of a process that was stopped, are sent at
// their pace, late as they are.
const maxBehindVideo = 200 * time.Millisecond

// show sends the packets whose time has come, and says whether they were the last ones. A frame's are spread over its time,
// so that a key frame of a hundred does not overrun a queue on the way.
func (p *VideoPlayback) show(now time.Time) (over bool) {
	for {
		if p.sent == 0 && p.vision.shed.sheds(p.options.Screen) {
			return false // and goes on from there
		}
		if p.sent == 0 && !p.begin(now) {
			return true
		}
		f := &p.clip.Frames[p.frame]
		due := p.began.Add(f.At)
		if p.sent == 0 && now.Sub(due) > maxBehindVideo {
			p.began, due = now.Add(-f.At), now
		}
		due = due.Add(p.lasts() * time.Duration(p.sent) / time.Duration(f.Packets))
		if due.After(now) {
			return false
		}
		if p.sent == 0 {
			p.cutter.Begin(p.clip.Codec, f.Data)
			if f.Key {
				p.keyAt = now
			}
		}
		p.packet(due)
	}
}

// begin settles which frame is next. It is false behind the last.
func (p *VideoPlayback) begin(now time.Time) bool {
	if p.restart {
		p.restart = false
		if now.Sub(p.keyAt) >= keyFrameEvery {
			if key := p.clip.KeyBefore(p.frame); key < p.frame {
				p.frame, p.began = key, now.Add(-p.clip.Frames[key].At)
			}
		}
	}
	if p.frame < len(p.clip.Frames) {
		return true
	}
	return p.options.Loop && p.again()
}

// again begins the next round.
func (p *VideoPlayback) again() bool {
	p.began, p.frame = p.began.Add(p.clip.Duration), 0
	return true
}

// lasts is how long the frame at hand is shown.
func (p *VideoPlayback) lasts() time.Duration {
	frames := p.clip.Frames
	if p.frame+1 < len(frames) {
		return frames[p.frame+1].At - frames[p.frame].At
	}
	return p.clip.Duration - frames[p.frame].At
}

// packet sends the next packet of the frame at hand.
func (p *VideoPlayback) packet(due time.Time) {
	l := p.lane
	l.out.Payload, l.out.Marker = p.cutter.Next(p.payload[:0])
	l.out.PayloadType = l.section.videoOf(p.clip.Codec, p.clip.Profile).payloadType
	l.relay.Own(&l.out, p.sent == 0, due)
	l.send()
	if p.sent++; p.sent == p.clip.Frames[p.frame].Packets {
		p.frame, p.sent = p.frame+1, 0
	}
}
