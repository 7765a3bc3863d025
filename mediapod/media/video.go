// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// vision is what a call does with video: nothing is decoded, but counted, put together for those who watch, and passed on.
//
// Video's packets are fewer and larger than audio's, and come from several goroutines to several; so all of it is behind
// one lock of the call's, which is waited for only while somebody begins or ends to watch or to show something.
type vision struct {
	call *Call
	seat *seat // ticked while a clip is shown

	mu       sync.Mutex
	session  *session                // of the far side, while it is connected
	eyes     [maxVideoSections]*eye  // one for each of its video sections there ever was
	lanes    [maxVideoSections]*lane // what is sent to it
	viewers  []*listener             // who are shown video while they listen in
	watches  []*Watch
	shows    [2]*VideoPlayback // of the camera, and of the screen
	speakers []uint32          // the latest first
	shown    []int             // the camera that viewers see
	shed     Shedding
}

// keyFrameEvery is how often at the most a far side is asked for a key frame, which is ten times as large as others, and
// how often a clip goes back to one.
const keyFrameEvery = 500 * time.Millisecond

// agree makes eyes for what a new session of the far side may send.
func (v *vision) agree(a *agreement) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range a.sections {
		s := &a.sections[i]
		n, _ := a.view(s.number)
		if s.kind != kindVideo {
			continue
		}
		if v.eyes[n] == nil {
			v.eyes[n] = &eye{vision: v, index: n}
		}
		v.eyes[n].meet(s)
	}
}

// connect begins to send to a far side.
func (v *vision) connect(s *session) {
	v.mu.Lock()
	if s.over.Load() { // it parted already
		v.mu.Unlock()
		return
	}
	v.session = s
	a := s.agreed.Load()
	for i := range a.sections {
		section := &a.sections[i]
		if n, _ := a.view(section.number); section.kind == kindVideo && section.weSend() {
			v.lanes[n] = &lane{session: s.transport, section: section, eye: v.eyes[n]}
			if v.call.behavior.Echo {
				v.lanes[n].from = v.eyes[n]
			}
		}
	}
	v.refreshLocked()
	showing := v.shows[0] != nil || v.shows[1] != nil
	v.mu.Unlock()
	if showing {
		v.seat.start()
	}
}

// part returns when nothing is sent to a far side any more.
func (v *vision) part(s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session != s {
		return
	}
	v.session = nil
	clear(v.lanes[:])
	for _, e := range v.eyes {
		if e != nil {
			e.begun = false
		}
	}
	v.refreshLocked()
}

// close ends what is shown and watched.
func (v *vision) close() {
	v.seat.stop()
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, p := range v.shows {
		if p != nil {
			v.shows[i] = nil
			p.finish(nil)
		}
	}
	v.watches = nil
	v.refreshLocked()
}

// receive takes a packet of the far side's section n.
func (v *vision) receive(s *session, n int, section *section, p *transport.Packet, size int, at time.Time) {
	f := section.video(p.PayloadType)
	if f == nil {
		return // not negotiated
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.eyes[n]; e != nil && v.session == s {
		e.see(p, f, size, at)
	}
}

// reception is what a report to the far side says of a section.
func (v *vision) reception(n int) (transport.Reception, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.eyes[n]; e != nil {
		return e.reception()
	}
	return transport.Reception{}, false
}

// reported takes what the far side says of what is sent to it.
func (v *vision) reported(n int, lost float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.eyes[n]; e != nil {
		e.sent.lost = lost
	}
}

// keyFrameWanted is said by whoever is sent a lane.
func (v *vision) keyFrameWanted(find func() *lane) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l := find(); l != nil {
		l.keyFrameWanted()
	}
}

// look notices what no packet tells: cameras that are off, and what the process does without. It says if the latter changed.
func (v *vision) look(now time.Time, shed Shedding) (shedding bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if shedding = shed != v.shed; shedding {
		v.shedLocked(shed)
	}
	changed := false
	for _, e := range v.eyes {
		if e != nil && e.begun && now.Sub(e.last) > fresh {
			e.begun, changed = false, true
		}
	}
	if changed {
		v.refreshLocked()
	}
	return shedding
}

// SetSpeakers tells who spoke, the latest first, by the number that Voice.Source has. Those who watch the last that spoke,
// and those who listen in, are shown their cameras. The call does so by itself when the far side sends voices apart; it
// is for far sides that send only a mix, and tell who speaks in another way.
func (c *Call) SetSpeakers(sources []uint32) {
	v := &c.vision
	v.mu.Lock()
	defer v.mu.Unlock()
	v.speakers = append(v.speakers[:0], sources...)
	v.refreshLocked()
	v.askLocked()
}

// askLocked asks for the key frames that are wanted now.
func (v *vision) askLocked() {
	now := time.Now()
	for _, e := range v.eyes {
		if e != nil {
			e.ask(now)
		}
	}
}

// refreshLocked decides anew who is watched by whom.
func (v *vision) refreshLocked() {
	for _, w := range v.watches {
		w.choose(v)
	}
	v.shown = video.Select(1, v.candidates(VideoFilter{Kind: Cameras}), v.speakers, v.shown)
	for _, l := range v.viewers {
		for _, lane := range l.lanes {
			lane.follow(v.source(lane.section.screen))
		}
	}
	for _, e := range v.eyes {
		if e != nil {
			e.refresh()
		}
	}
}

// source is the camera or the screen that those who listen in are shown.
func (v *vision) source(screen bool) *eye {
	if !screen {
		if len(v.shown) == 0 {
			return nil
		}
		return v.eyes[v.shown[0]]
	}
	for _, e := range v.eyes {
		if e != nil && e.begun && e.section.screen && !e.shed() {
			return e
		}
	}
	return nil
}

// candidates are the tracks that come and that a filter lets through.
func (v *vision) candidates(f VideoFilter) (all []video.Candidate) {
	for _, e := range v.eyes {
		if e != nil && e.begun && !e.shed() && f.takes(e) {
			all = append(all, video.Candidate{Track: e.index, Source: e.source()})
		}
	}
	return all
}
