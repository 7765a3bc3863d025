// SPDX-License-Identifier: Apache-2.0

package media

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// What tests of what stands on the engine need of its own: those of recordings, which import it, are in the package media_test.

// RecordingOf is recordingOf.
var RecordingOf = recordingOf

// Meeting is a call whose far side sends the conversation and four voices apart, and whose time is the test's.
type Meeting struct {
	*Call
	Now     time.Time
	session *session
	codec   codec.Codec
	streams [maxAudioSections]sentStream
}

// sentStream is what has been sent in a section.
type sentStream struct {
	sequence  uint16
	timestamp uint32
	last      time.Time
}

// NewMeeting is connected.
func NewMeeting(t testing.TB, c codec.Codec) *Meeting {
	t.Helper()
	s, _ := fakeSession(Behavior{})
	offer := "v=0\r\n" + strings.Repeat(fmt.Sprintf("m=audio 9 UDP/TLS/RTP/SAVPF %d\r\na=rtpmap:%d %s/%d%s\r\na=sendrecv\r\n", c.PayloadType, c.PayloadType,
		c.Name, c.ClockRate, map[uint16]string{2: "/2"}[c.Channels]), maxAudioSections)
	sections, err := read(offer, []codec.Codec{c})
	if err != nil || acceptable(sections, []codec.Codec{c}) != nil {
		t.Fatal("no meeting: ", err, acceptable(sections, []codec.Codec{c}))
	}
	s.agreed.Store(&agreement{main: &sections[0], sections: sections})
	for i := range sections {
		s.call.ears[i].formats.Store(&sections[i])
	}
	return &Meeting{Call: s.call, Now: talkBegins, session: s, codec: c}
}

// Send is a packet of a section, of sound that began so long ago, with its contributing source if there is one.
func (m *Meeting) Send(section int, source uint32, late time.Duration, payload []byte) {
	s := &m.streams[section]
	said := m.Now.Add(-late)
	marker := byte(0)
	if since := said.Sub(s.last); since != 20*time.Millisecond {
		s.timestamp += uint32(since/(20*time.Millisecond)-1) * m.codec.TimestampStep
		marker = 0x80
	}
	s.last = said
	s.sequence++
	s.timestamp += m.codec.TimestampStep
	raw := []byte{0x80, marker | m.codec.PayloadType}
	raw = binary.BigEndian.AppendUint16(raw, s.sequence)
	raw = binary.BigEndian.AppendUint32(raw, s.timestamp)
	raw = binary.BigEndian.AppendUint32(raw, uint32(100+section))
	if source != 0 {
		raw[0] |= 1
		raw = binary.BigEndian.AppendUint32(raw, source)
	}
	m.session.Receive(section, append(raw, payload...), m.Now)
}

// Tick is one frame's time.
func (m *Meeting) Tick() { m.tick(m.Now) }

// Conversation is a call of a bot and the caller's end of it, whose time is the test's.
type Conversation struct {
	Bot, Caller *Call
	// FromBot and FromCaller see what is sent, and may be nil.
	FromBot, FromCaller func(*transport.Packet)
	here, there         *session
	now                 time.Time
}

// NewConversation is connected, with keys as events of telephones or as their tones, over a network that is bad both ways.
func NewConversation(c codec.Codec, events bool, bad impair.Config) *Conversation {
	v := &Conversation{}
	v.here, _ = fakeSession(Behavior{})
	v.there, _ = fakeSession(Behavior{})
	v.Bot, v.Caller = v.here.call, v.there.call
	out, back := &pipe{to: v.there, now: &v.now}, &pipe{to: v.here, now: &v.now}
	out.see = func(p *transport.Packet) { see(v.FromBot, p) }
	back.see = func(p *transport.Packet) { see(v.FromCaller, p) }
	if bad != (impair.Config{}) {
		out.bad, back.bad = impair.NewLink[[]byte](bad), impair.NewLink[[]byte](bad)
	}
	v.here.transport, v.there.transport = out, back
	main := section{kind: kindAudio, formats: []format{{Codec: c, payloadType: c.PayloadType}}}
	if events {
		main.keys = map[uint8]uint32{126: c.ClockRate}
	}
	for _, s := range []*session{v.here, v.there} {
		s.agreed.Store(&agreement{main: &main, sections: []section{main}})
		s.call.ears[0].formats.Store(&main)
	}
	return v
}

func see(who func(*transport.Packet), p *transport.Packet) {
	if who != nil {
		who(p)
	}
}

// Carry brings what has arrived by now, and Tick is a frame's time at both ends.
func (v *Conversation) Carry(now time.Time) {
	v.now = now
	v.here.transport.(*pipe).deliver()
	v.there.transport.(*pipe).deliver()
}

func (v *Conversation) Tick() {
	v.there.call.tick(v.now)
	v.here.call.tick(v.now)
}

// Frame is what comes to the bot in a frame's time, in which the caller speaks, and what it does then.
func (v *Conversation) Frame(now time.Time) func() {
	receive := stream(v.here, v.here.agreed.Load().main.formats[0])
	return func() {
		receive()
		v.here.call.tick(now)
		now = now.Add(20 * time.Millisecond)
	}
}

// BadNetwork loses, delays, reorders and doubles.
var BadNetwork = badNetwork

// Visit makes a call for a browser that stays for a time at least when it is let in; what comes back from it is judged.
func Visit(t *testing.T, c video.Codec, atLeast time.Duration) (call *Call, visit func()) {
	call, come := browseFor(t, c, Behavior{Echo: true}, nil, atLeast)
	return call, func() { come() }
}

// WatchStalls tells how long this process did not get the processor, from now on.
func WatchStalls(t *testing.T) (total func() time.Duration) { return watchStalls(t).total }
