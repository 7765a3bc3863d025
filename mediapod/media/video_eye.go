// SPDX-License-Identifier: Apache-2.0

package media

import (
	"slices"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// eye sees one video section of a far side. It outlives the session, so that a call's figures go on when the far side
// comes back. All of it is guarded by the vision's lock.
type eye struct {
	vision  *vision
	index   int // the track's number: that of the section among those of video
	section *section

	begun        bool // it sends
	ssrc         uint32
	contributing uint32 // RFC 3550: the contributing source, zero without
	format       videoFormat
	sequence     sequence
	jitter       jitter
	origin       time.Time // that arrivals count from
	last         time.Time
	received     receivedVideo
	rate         videoRate
	sent         sentVideo

	frames    frameCount
	keyAt     uint32 // timestamp of the last key frame
	line      video.Timeline
	assembler *video.Assembler // while somebody watches
	dropped   uint64           // by assemblers that are gone
	watchers  []watcher
	out       VideoFrame

	wanted bool      // a key frame, by anybody
	asked  time.Time // for one
}

// receivedVideo counts what came in.
type receivedVideo struct {
	packets, bytes, frames, keys, asked uint64
	width, height                       int
}

// sentVideo counts what went out in the section.
type sentVideo struct {
	packets, bytes, frames, wanted uint64
	lost                           float64 // as reported
}

// watcher is somebody for whom frames are put together.
type watcher struct {
	watch *Watch
	begun bool // a key frame was handed out
}

// meet begins with a new session of the far side.
func (e *eye) meet(s *section) { e.section, e.begun, e.wanted = s, false, false }

// source is by which number the track's participant is known as a speaker: the contributing source that the far side
// names, or the one of the audio section that is of the same stream, or else the track's own.
func (e *eye) source() uint32 {
	if e.contributing != 0 {
		return e.contributing
	}
	if e.section.stream != "" {
		for i := range e.vision.call.ears {
			ear := &e.vision.call.ears[i]
			if s := ear.formats.Load(); s != nil && s.stream == e.section.stream {
				if source := ear.source.Load(); source != 0 {
					return source
				}
			}
		}
	}
	return e.ssrc
}

// see takes one packet.
func (e *eye) see(p *transport.Packet, f *videoFormat, size int, at time.Time) {
	if !e.begun || p.SSRC != e.ssrc || p.Source != e.contributing || f.codec != e.format.codec {
		e.begin(p, f, at)
	}
	e.format = *f
	e.last = at
	e.received.packets++
	e.received.bytes += uint64(size)
	e.rate.add(size, at)
	if e.sequence.take(p.Sequence) {
		e.jitter.take(at.Sub(e.origin).Seconds()*1000, float64(p.Timestamp)*1000/video.ClockRate)
	}
	if len(p.Payload) == 0 {
		return // padding alone, by which senders measure the network
	}
	if e.frames.isNew(p.Timestamp) {
		e.received.frames++
		e.rate.frames++
	}
	if f.codec.KeyStart(p.Payload) {
		e.key(p)
	}
	if e.shed() {
		return
	}
	for _, l := range e.vision.lanes {
		if l != nil && l.from == e {
			l.pass(p, e, at)
		}
	}
	for _, listener := range e.vision.viewers {
		for _, l := range listener.lanes {
			if l.from == e {
				l.pass(p, e, at)
			}
		}
	}
	if e.assembler != nil {
		e.assembler.Push(p, at)
		e.wanted = e.wanted || p.Marker && e.assembler.Waiting() // a frame is over, and was no key frame
	}
	e.ask(at)
}

// shed: the process does without it.
func (e *eye) shed() bool { return e.vision.shed.sheds(e.section.screen) }

// begin is with the first packet of a stream.
func (e *eye) begin(p *transport.Packet, f *videoFormat, at time.Time) {
	if e.begun && p.SSRC == e.ssrc && f.codec == e.format.codec { // another speaker's, of the same stream
		e.contributing = p.Source
		e.vision.refreshLocked()
		return
	}
	if p.SSRC != e.ssrc {
		e.sequence.renew()
		e.jitter = jitter{ms: e.jitter.ms}
		e.origin = at
	}
	e.ssrc, e.contributing, e.format, e.begun = p.SSRC, p.Source, *f, true
	e.frames, e.keyAt = frameCount{}, p.Timestamp-1
	e.line, e.rate = video.Timeline{}, videoRate{began: at}
	e.drop()
	e.vision.refreshLocked()
	e.wanted = false // streams begin with a key frame; one that does not is asked when its first frame is over
}

// key is with a packet that starts a key frame.
func (e *eye) key(p *transport.Packet) {
	e.wanted = false
	if p.Timestamp != e.keyAt {
		e.keyAt = p.Timestamp
		e.received.keys++
	}
	w, h := e.format.codec.PayloadSize(p.Payload)
	if w > 0 && (w != e.received.width || h != e.received.height) {
		e.received.width, e.received.height = w, h
		e.vision.refreshLocked() // it may be too large now for some
	}
}

// ask asks for a key frame if one is wanted, not more often than makes sense.
func (e *eye) ask(now time.Time) {
	if !e.wanted || !e.begun || e.shed() || e.vision.session == nil || now.Sub(e.asked) < keyFrameEvery {
		return
	}
	e.asked = now
	e.received.asked++
	e.vision.session.transport.WantKeyFrame(e.section.number, e.ssrc)
}

// refresh begins or ends to put frames together, after who watches has changed.
func (e *eye) refresh() {
	e.watchers = slices.DeleteFunc(e.watchers, func(w watcher) bool { return !w.watch.has(e.index) })
	for _, w := range e.vision.watches {
		if w.has(e.index) && !slices.ContainsFunc(e.watchers, func(x watcher) bool { return x.watch == w }) {
			e.watchers = append(e.watchers, watcher{watch: w})
			e.wanted = true
		}
	}
	if len(e.watchers) == 0 {
		e.drop()
	} else if e.assembler == nil {
		e.assembler = video.NewAssembler(e.format.codec, e.deliver)
	}
}

func (e *eye) drop() {
	if e.assembler != nil {
		e.dropped += e.assembler.Dropped()
		e.assembler = nil
	}
}

// deliver hands a frame to those who watch.
func (e *eye) deliver(f *video.Frame) {
	e.out = VideoFrame{Track: e.index, Screen: e.section.screen, Source: e.source(), At: e.line.At(f.Timestamp, f.Arrived), Frame: *f}
	for i := range e.watchers {
		w := &e.watchers[i]
		if w.begun = w.begun || f.Key; w.begun {
			w.watch.sink.VideoFrame(&e.out)
		}
	}
	e.wanted = e.wanted || e.out.KeyFrameWanted
}

func (e *eye) reception() (transport.Reception, bool) {
	lost := e.sequence.lost() - e.sequence.before
	return transport.Reception{
		SSRC: e.ssrc, Highest: uint32(e.sequence.cycles)<<16 | uint32(e.sequence.max), Expected: e.sequence.received + lost,
		Received: e.sequence.received, Jitter: uint32(e.jitter.ms * video.ClockRate / 1000),
	}, e.begun
}

// frameCount tells packets of frames that were seen from those of others, which may be sent again and come behind later
// ones: by the timestamps of the last second's frames.
type frameCount struct {
	timestamps [32]uint32
	seen       int
}

func (c *frameCount) isNew(timestamp uint32) bool {
	for i := range min(c.seen, len(c.timestamps)) {
		// From the latest on, which it is most of the time.
		if c.timestamps[(c.seen-1-i)%len(c.timestamps)] == timestamp {
			return false
		}
	}
	c.timestamps[c.seen%len(c.timestamps)] = timestamp
	c.seen++
	return true
}

// videoRate measures bits and frames over seconds.
type videoRate struct {
	began         time.Time
	bytes, frames int

	bitsPerSecond, framesPerSecond float64 // of the last second that is over
}

func (r *videoRate) add(size int, at time.Time) {
	if passed := at.Sub(r.began); passed >= time.Second {
		r.bitsPerSecond, r.framesPerSecond = float64(8*r.bytes)/passed.Seconds(), float64(r.frames)/passed.Seconds()
		r.began, r.bytes, r.frames = at, 0, 0
	}
	r.bytes += size
}
