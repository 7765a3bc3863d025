// SPDX-License-Identifier: Apache-2.0

package media

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

func TestLossIsCounted(t *testing.T) {
	span := func(from, to uint16) (s []uint16) {
		for i := from; ; i++ {
			if s = append(s, i); i == to {
				return s
			}
		}
	}
	join := func(parts ...[]uint16) (s []uint16) {
		for _, p := range parts {
			s = append(s, p...)
		}
		return s
	}
	tests := map[string]struct {
		in   []uint16
		lost uint64
	}{
		"nothing":                   {nil, 0},
		"one packet":                {span(7, 7), 0},
		"in order":                  {span(100, 300), 0},
		"over the wrap":             {span(65500, 100), 0},
		"twice over the wrap":       {join(span(0, 65535), span(0, 65535), span(0, 9)), 0},
		"one missing":               {join(span(1, 9), span(11, 20)), 1},
		"missing at the wrap":       {join(span(65530, 65534), span(2, 10)), 3},
		"late":                      {[]uint16{1, 2, 4, 3, 5}, 0},
		"late at the wrap":          {[]uint16{65534, 0, 65535, 1}, 0},
		"late before the first":     {[]uint16{10, 9, 11, 12}, 0},
		"twice":                     {[]uint16{1, 2, 2, 3}, 0},
		"a stray one":               {join(span(1, 10), []uint16{30000}, span(11, 20)), 0},
		"the sender restarts":       {join(span(1, 10), span(30000, 30009)), 0},
		"restart after a loss":      {join(span(1, 5), span(8, 10), span(30000, 30009)), 2},
		"a restart further back":    {join(span(5000, 5010), span(100, 109)), 0},
		"a gap of a minute is lost": {join(span(1, 10), span(2911, 2920)), 2900},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var s sequence
			for _, seq := range tc.in {
				s.take(seq)
			}
			if got := s.lost(); got != tc.lost {
				t.Errorf("%d lost, want %d", got, tc.lost)
			}
			s.renew()
			s.take(1)
			s.take(3)
			if got := s.lost(); got != tc.lost+1 {
				t.Errorf("%d lost after a new source lost one, want %d", got, tc.lost+1)
			}
		})
	}
}

func TestJitter(t *testing.T) {
	tests := map[string]struct {
		late func(i int) float64 // ms, of packet i
		want float64
	}{
		"none":                 {func(int) float64 { return 0 }, 0},
		"a constant delay":     {func(int) float64 { return 80 }, 0},
		"every other by 10 ms": {func(i int) float64 { return float64(i%2) * 10 }, 10},
		"a clock that drifts":  {func(i int) float64 { return float64(i) * 0.01 }, 0.01},
		"once 10 s, long ago":  {func(i int) float64 { return float64(min(i/10, 1)) * 10000 }, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var j jitter
			for i := range 500 {
				j.take(float64(i)*20+tc.late(i), float64(i)*20)
			}
			if math.Abs(j.ms-tc.want) > 0.01 {
				t.Errorf("jitter %v ms, want %v", j.ms, tc.want)
			}
		})
	}
}

func TestOpinionScore(t *testing.T) {
	tests := map[string]struct{ roundTrip, wait, loss, low, high float64 }{
		"nothing wrong":       {0, 0, 0, 4.38, 4.42},
		"a continent away":    {150, 10, 0, 4.2, 4.4},
		"a satellite":         {600, 10, 0, 3.0, 3.9},
		"one percent lost":    {50, 5, 1, 4.2, 4.35},
		"five percent lost":   {50, 5, 5, 3.7, 4.1},
		"a third lost":        {50, 5, 33, 1.5, 2.5},
		"all lost, very late": {10000, 1000, 100, 1, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := meanOpinionScore(tc.roundTrip, tc.wait, tc.loss); got < tc.low || got > tc.high {
				t.Errorf("MOS %.2f, want %v to %v", got, tc.low, tc.high)
			}
		})
	}
	last := 5.0
	for loss := 0.0; loss <= 100; loss++ {
		if got := meanOpinionScore(40, 2, loss); got > last {
			t.Fatalf("MOS rises to %v at %v %% loss", got, loss)
		} else {
			last = got
		}
	}
}

func TestEnergyOfTheLastSecond(t *testing.T) {
	var e ear
	f := &format{Codec: codec.PCMU, payloadType: 0}
	enc := codec.PCMU.NewEncoder()
	loud, quiet := make([]int16, audio.FrameSamples), make([]int16, audio.FrameSamples)
	for i := range loud {
		loud[i] = int16(16384 * math.Sin(2*math.Pi*float64(i)/40)) // 400 Hz at -9 dBov
	}
	at, in := time.Unix(1000, 0), &e.in
	feed := func(frame []int16, n int) {
		for range n {
			p := transport.Packet{Sequence: uint16(in.packets.Load()), Timestamp: uint32(in.packets.Load()) * 160, SSRC: 1, Payload: enc.Encode(nil, frame)}
			at = at.Add(20 * time.Millisecond)
			e.hear(&p, f, false, 172, at)
		}
	}
	feed(quiet, 60)
	if in.meter.heard.Load() || in.meter.level.Load() > -70 {
		t.Errorf("silence: heard %v at %.1f dBov", in.meter.heard.Load(), in.meter.level.Load())
	}
	feed(loud, 50)
	// The filter of the first packet looked at begins with silence.
	if !in.meter.heard.Load() || math.Abs(in.meter.level.Load()+9) > 0.5 {
		t.Errorf("a second of tone: heard %v at %.1f dBov, want -9", in.meter.heard.Load(), in.meter.level.Load())
	}
	feed(quiet, 25)
	// With five looks a second, half of it is two or three of them.
	if math.Abs(in.meter.level.Load()+12) > 1.3 {
		t.Errorf("half a second later %.1f dBov, want -12", in.meter.level.Load())
	}
	feed(quiet, 30)
	if in.meter.level.Load() > -60 {
		t.Errorf("a second later %.1f dBov", in.meter.level.Load())
	}
	if got, want := in.packets.Load(), uint64(165); got != want || in.lost.Load() != 0 || in.jitterMs.Load() > 0.01 {
		t.Errorf("%d packets, %d lost, jitter %v", got, in.lost.Load(), in.jitterMs.Load())
	}
}

func TestAMutedEchoStaysAway(t *testing.T) {
	s, null := fakeSession(Behavior{Echo: true})
	raw := make([]byte, 172)
	raw[0], raw[1] = 0x80, 9
	s.call.SetMuted(true)
	s.Receive(0, raw, time.Now())
	if null.sent != 0 {
		t.Error("a muted bot echoes")
	}
	s.call.SetMuted(false)
	raw[3]++
	s.Receive(0, raw, time.Now())
	if null.sent != 1 {
		t.Error("no echo once it may speak again")
	}
}

func TestEchoGoesOnWhenTheSourceChanges(t *testing.T) {
	var e echo
	turn := func(ssrc uint32, seq uint16, ts uint32) [2]uint32 {
		p := transport.Packet{SSRC: ssrc, Sequence: seq, Timestamp: ts}
		e.turn(&p, 160)
		return [2]uint32{uint32(p.Sequence), p.Timestamp}
	}
	got := [][2]uint32{
		turn(1, 65535, 1000), turn(1, 0, 1160), turn(1, 2, 1480), turn(1, 1, 1320), // passed on as they are
		turn(2, 500, 77), turn(2, 501, 237), turn(2, 503, 557), // where the first left off
	}
	want := [][2]uint32{{65535, 1000}, {0, 1160}, {2, 1480}, {1, 1320}, {3, 1640}, {4, 1800}, {6, 2120}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sequence and timestamp (-want +got):\n%s", diff)
	}
}

// nullTransport counts what is sent.
type nullTransport struct {
	transport.Session
	sent   int
	packet transport.Packet // the last one
	last   []byte           // its payload
}

func (n *nullTransport) Send(_ int, p *transport.Packet) error {
	n.sent++
	n.packet, n.last = *p, append(n.last[:0], p.Payload...)
	return nil
}

func (n *nullTransport) Close() {}

// fakeSession is a session above a transport that goes nowhere.
func fakeSession(b Behavior) (*session, *nullTransport) {
	null := &nullTransport{}
	c := &Call{behavior: b, engine: &Engine{clock: newClock(), calls: map[string]*Call{}}, onChange: func() {}, listeners: map[string]*listener{}}
	c.voice.seat = c.engine.clock.seat(c)
	c.vision.call, c.vision.seat = c, c.engine.clock.seat(&c.vision)
	s := &session{connection: connection{call: c, transport: null}}
	c.session = s
	main := section{kind: kindAudio, formats: []format{{Codec: codec.G722, payloadType: 9}, {Codec: codec.PCMU, payloadType: 0}}}
	s.agreed.Store(&agreement{main: &main, sections: []section{main}})
	c.ears[0].formats.Store(&main)
	c.speaking.Store(s)
	if b.Play != nil {
		clip, err := NewClip(b.Play.Clip)
		if err != nil {
			panic(err)
		}
		c.Play(clip, PlayOptions{Loop: b.Play.Loop})
	}
	return s, null
}

func TestUnknownPayloadTypesArePassedOver(t *testing.T) {
	s, null := fakeSession(Behavior{Echo: true})
	raw := make([]byte, 172)
	raw[0], raw[1] = 0x80, 101
	s.Receive(0, raw, time.Now())
	s.Receive(0, raw[:11], time.Now())
	if n := s.call.ears[0].in.packets.Load(); n != 0 || null.sent != 0 {
		t.Errorf("%d counted, %d echoed", n, null.sent)
	}
	raw[1] = 9
	s.Receive(0, raw, time.Now())
	if n := s.call.ears[0].in.packets.Load(); n != 1 || null.sent != 1 {
		t.Errorf("%d counted, %d echoed, want one", n, null.sent)
	}
}

// The packet path from the decrypted packet to the one to be encrypted.
func BenchmarkEcho(b *testing.B) {
	for _, f := range []format{{codec.G722, 9}, {codec.PCMU, 0}} {
		b.Run(f.Name, func(b *testing.B) {
			s, _ := fakeSession(Behavior{Echo: true})
			receive := stream(s, f)
			b.ReportAllocs()
			for b.Loop() {
				receive()
			}
		})
	}
}

// stream is a function that delivers the next packet of a stream to a session.
func stream(s *session, f format) func() {
	raw := make([]byte, 172)
	raw[0], raw[1] = 0x80, f.payloadType
	noise := uint32(1)
	for i := range raw[12:] {
		noise = noise*1664525 + 1013904223
		raw[12+i] = byte(noise >> 24)
	}
	var seq uint16
	now := time.Unix(0, 0)
	return func() {
		seq++
		now = now.Add(audio.FrameDuration)
		binary.BigEndian.PutUint16(raw[2:], seq)
		binary.BigEndian.PutUint32(raw[4:], uint32(seq)*160)
		s.Receive(0, raw, now)
	}
}

// counting is a decoder that counts what it is given.
type counting struct {
	codec.Decoder
	decoded *int
}

func (c counting) Decode(dst []int16, payload []byte) []int16 {
	*c.decoded++
	return c.Decoder.Decode(dst, payload)
}

func TestCallsThatBeginTogetherAreNotGlancedAtTogether(t *testing.T) {
	const calls = 10 * glanceEvery
	decoded := 0
	var receive []func()
	for range calls {
		s, _ := fakeSession(Behavior{Echo: true})
		s.call.ears[0].in.glances.decoder = counting{codec.PCMU.NewDecoder(), &decoded}
		receive = append(receive, stream(s, format{codec.PCMU, 0}))
	}
	for packet := range 5 * glanceEvery {
		decoded = 0
		for _, next := range receive {
			next()
		}
		if want := 2 * calls / glanceEvery; decoded != want {
			t.Errorf("of the packets with number %d, %d of %d calls were decoded, want %d", packet, decoded, calls, want)
		}
	}
}

func TestALevelIsNotMeasuredOfWhatADecoderBeginsWith(t *testing.T) {
	for begins := range glanceEvery {
		s, _ := fakeSession(Behavior{Echo: true})
		in := &s.call.ears[0].in
		in.glances.packet = begins + glanceEvery
		receive := stream(s, format{codec.PCMU, 0})
		for packet := range 2 * glanceEvery {
			before, measured := in.glances.decoder, in.meter.next
			if receive(); in.meter.next != measured && before == nil {
				t.Errorf("packet %d of a stream that began with number %d was measured with a new decoder", packet, begins)
			}
		}
		if in.meter.next == 0 {
			t.Errorf("a stream that began with number %d has no level after %d packets", begins, 2*glanceEvery)
		}
	}
}

func TestPacketPathAllocatesNothing(t *testing.T) {
	s, _ := fakeSession(Behavior{Echo: true})
	receive := stream(s, format{codec.G722, 9})
	receive()
	if n := testing.AllocsPerRun(200, receive); n != 0 {
		t.Errorf("%v allocations for an echoed packet", n)
	}
}
