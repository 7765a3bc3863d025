// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// lane is one outgoing video track: to the far side, or to somebody who listens in. What is sent on it may change, and
// stays one stream. It is guarded by the vision's lock.
type lane struct {
	session transport.Session
	section *section
	eye     *eye // that counts what is sent; nil for listeners
	from    *eye // what is passed on; nil for nothing
	playing *VideoPlayback

	relay  video.Relay
	out    transport.Packet
	newest uint32
}

// follow passes another track on from now on.
func (l *lane) follow(e *eye) {
	if l.from == e {
		return
	}
	l.from = e
	l.relay.Switch()
	if e != nil {
		e.wanted = true
	}
}

// pass passes a packet on, if whoever is at the other end can decode it.
func (l *lane) pass(p *transport.Packet, e *eye, at time.Time) {
	if l.playing != nil {
		return
	}
	f := l.section.video(p.PayloadType)
	if l.eye != e || f == nil { // numbers are those of another session
		if f = l.section.videoOf(e.format.codec, e.format.profile); f == nil {
			return
		}
	}
	l.out = *p
	ok, wants := l.relay.Take(&l.out, p.SSRC, e.format.codec, at)
	e.wanted = e.wanted || wants && p.Marker
	if ok {
		l.out.PayloadType = f.payloadType
		l.send()
	}
}

// send sends what is in out. A packet that cannot be sent is a packet lost; that the other end is gone is said elsewhere.
func (l *lane) send() {
	if l.session.Send(l.section.number, &l.out) != nil || l.eye == nil {
		return
	}
	const header = 12
	s := &l.eye.sent
	s.packets++
	s.bytes += uint64(header + len(l.out.Payload))
	if s.frames == 0 || int32(l.out.Timestamp-l.newest) > 0 {
		l.newest = l.out.Timestamp
		s.frames++
	}
}

// keyFrameWanted is said by the other end.
func (l *lane) keyFrameWanted() {
	if l.eye != nil {
		l.eye.sent.wanted++
	}
	switch {
	case l.playing != nil:
		l.playing.restart = true
	case l.from != nil:
		l.from.wanted = true
		l.from.ask(time.Now())
	}
}

// admit shows video to somebody who listens in.
func (v *vision) admit(l *listener) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := l.agreed.Load()
	for i := range a.sections {
		if s := &a.sections[i]; s.kind == kindVideo && s.weSend() {
			l.lanes = append(l.lanes, &lane{session: l.transport, section: s})
		}
	}
	if len(l.lanes) > 0 {
		v.viewers = append(v.viewers, l)
		v.refreshLocked()
		v.askLocked()
	}
}

// dismiss returns when a listener is shown nothing any more.
func (v *vision) dismiss(l *listener) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, other := range v.viewers {
		if other == l {
			v.viewers = append(v.viewers[:i:i], v.viewers[i+1:]...)
			return
		}
	}
}

// lane is the one of a listener's section.
func (l *listener) lane(number int) *lane {
	for _, lane := range l.lanes {
		if lane.section.number == number {
			return lane
		}
	}
	return nil
}
