// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// What a sender may do in mid-stream, at packet 100 of 200.
func TestStreamThatBeginsAnewIsHeardOn(t *testing.T) {
	const at = 100
	fast := newEncoder(typeFast)
	tests := map[string]struct {
		edit     func(i int, p *Packet)
		discards uint64
	}{
		"nothing": {edit: func(int, *Packet) {}},
		"another source": {edit: func(_ int, p *Packet) {
			p.SSRC, p.Sequence, p.Timestamp = 2, p.Sequence+30000, p.Timestamp+123456789
		}},
		"another source, near by": {edit: func(_ int, p *Packet) { p.SSRC, p.Timestamp = 2, p.Timestamp+1600 }},
		"the timestamp far ahead": {edit: func(_ int, p *Packet) { p.Timestamp += 1 << 30 }},
		"half a second ahead":     {edit: func(_ int, p *Packet) { p.Timestamp += audio.SampleRate / 2 }},
		"the timestamp back":      {edit: func(_ int, p *Packet) { p.Timestamp -= 50 * 320 }},
		"the timestamp far back":  {edit: func(_ int, p *Packet) { p.Timestamp -= 1 << 30 }},
		// The first is not believed until the second confirms it.
		"the sequence":      {edit: func(_ int, p *Packet) { p.Sequence += 20000 }, discards: 1},
		"both":              {edit: func(_ int, p *Packet) { p.Sequence, p.Timestamp = p.Sequence+20000, p.Timestamp+99 }, discards: 1},
		"the sequence back": {edit: func(_ int, p *Packet) { p.Sequence -= 200 }, discards: 1},
		"another codec": {edit: func(i int, p *Packet) {
			p.PayloadType, p.Timestamp = typeFast, p.Timestamp*3
		}},
		"another codec and source": {edit: func(i int, p *Packet) {
			p.PayloadType, p.Timestamp, p.SSRC = typeFast, uint32(i)*fast.step(audio.FrameSamples), 2
		}},
		"the same codec by another number": {edit: func(_ int, p *Packet) { p.PayloadType = typeLinear + 100 }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spoken := voice(4 * time.Second)
			c := call{spoken: spoken, phase: 3 * time.Millisecond}
			c.config.Decoder = func(payloadType uint8) (Decoder, int) { return decoders(payloadType % 100) }
			c.edit = func(i int, p *Packet) bool {
				if i >= at {
					tc.edit(i, p)
				}
				return true
			}
			r := c.run(t)
			s := r.stats
			if s.Discarded+s.Late > tc.discards || s.Duplicates > 0 || s.ConcealedSamples > tc.discards*audio.FrameSamples {
				t.Errorf("%+v, want at most %d packets discarded", s, tc.discards)
			}
			if s.Delay > 60*time.Millisecond {
				t.Errorf("delay %v in the end", s.Delay)
			}
			for _, p := range r.pieces(t, spoken, 1, c.phase, 20*time.Millisecond, 80*time.Millisecond) {
				if p.LongestGap > 30*time.Millisecond || p.Correlation < 0.98 && p.at != 2*time.Second {
					t.Errorf("at %v: %+v", p.at, p.Report)
				}
			}
		})
	}
}

func TestStragglersOfAnotherSourceAreNotHeard(t *testing.T) {
	spoken := voice(4 * time.Second)
	p, enc := New(Config{Decoder: decoders}), newEncoder(typeLinear)
	var frame [audio.FrameSamples]int16
	for i := range len(spoken) / audio.FrameSamples {
		now := time.Duration(i) * frameTime
		packet := Packet{Sequence: uint16(i), Timestamp: uint32(i * audio.FrameSamples), SSRC: 1, PayloadType: typeLinear,
			Payload: enc.encode(spoken[i*audio.FrameSamples:][:audio.FrameSamples])}
		if i >= 100 {
			packet.SSRC = 2
			if i < 105 {
				p.Put(Packet{Sequence: uint16(i), Timestamp: 77, SSRC: 1, PayloadType: typeLinear, Payload: packet.Payload}, now)
			}
		}
		p.Put(packet, now)
		p.Frame(frame[:], now+time.Millisecond)
	}
	if s := p.Stats(); s.Late != 4 || s.Discarded+s.Duplicates+s.ConcealedSamples > 0 {
		t.Errorf("%+v, want the four stragglers late and nothing else", s)
	}
}

func TestOtherSourceMayComeBack(t *testing.T) {
	spoken := voice(6 * time.Second)
	c := call{spoken: spoken, phase: 3 * time.Millisecond}
	c.edit = func(i int, p *Packet) bool {
		p.SSRC = uint32(i / 50 % 2)
		return true
	}
	r := c.run(t)
	if s := r.stats; s.Late+s.Discarded+s.ConcealedSamples > 0 {
		t.Errorf("%+v, want everything played", s)
	}
}

func TestPacketsThatAreNoneAreNotHeard(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	tests := map[string]func(i int, p *Packet) bool{ // of packets added
		"a type that is not negotiated": func(i int, p *Packet) bool { p.PayloadType = 77; return true },
		"no payload":                    func(i int, p *Packet) bool { p.Payload = nil; return true },
		"too much payload":              func(i int, p *Packet) bool { p.Payload = make([]byte, maxPayload+1); return true },
		"a stray sequence number":       func(i int, p *Packet) bool { p.Sequence += uint16(10000 + i*500); return i%10 == 0 },
		"a stray type of a new source":  func(i int, p *Packet) bool { p.SSRC, p.PayloadType = uint32(i), 77; return true },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			p, enc := New(Config{Decoder: decoders}), newEncoder(typeLinear)
			var r result
			var frame [audio.FrameSamples]int16
			added := 0
			for i := 0; i < len(spoken)/audio.FrameSamples+5; i++ {
				now := time.Duration(i) * frameTime
				if i < len(spoken)/audio.FrameSamples {
					good := Packet{Sequence: uint16(i), Timestamp: uint32(i * audio.FrameSamples), PayloadType: typeLinear,
						Payload: enc.encode(spoken[i*audio.FrameSamples:][:audio.FrameSamples])}
					p.Put(good, now)
					if edit(i, &good) {
						p.Put(good, now)
						added++
					}
				}
				p.Frame(frame[:], now)
				r.heard = append(r.heard, frame[:]...)
			}
			r.stats = p.Stats()
			if r.stats.Discarded != uint64(added) {
				t.Errorf("%d discarded, want %d", r.stats.Discarded, added)
			}
			r.perfect(t, spoken, 0, 60*time.Millisecond)
		})
	}
}

func TestLatePacketsAreCounted(t *testing.T) {
	p := New(Config{Decoder: decoders, MaxDelay: 40 * time.Millisecond}) // else it would wait for them
	var frame [audio.FrameSamples]int16
	const packets, every, late = 250, 25, 8
	for i := range packets {
		now := time.Duration(i) * frameTime
		put := func(i int) {
			p.Put(Packet{Sequence: uint16(i), Timestamp: uint32(i * audio.FrameSamples), PayloadType: typeLinear, Payload: make([]byte, 640)}, now)
		}
		if i%every != 1 {
			put(i)
		}
		if i%every == 1+late {
			put(i - late)
			if i > 2*late {
				put(i - 2*late) // was played
			}
		}
		p.Frame(frame[:], now)
	}
	s := p.Stats()
	if s.Late != packets/every || s.Duplicates != packets/every-1 || s.ConcealedSamples != packets/every*audio.FrameSamples {
		t.Errorf("%+v, want %d late and concealed, and %d duplicates", s, packets/every, packets/every-1)
	}
}

func TestWhatIsFromBeforeARestartIsStale(t *testing.T) {
	var line timeline
	var d delays
	take := func(i int, sequence uint16, timestamp uint32, payloadType uint8) (int64, int64, verdict) {
		seq, at, v := line.place(&arrived{sequence: sequence, timestamp: timestamp, payloadType: payloadType, arrival: int64(i * audio.FrameSamples)},
			&d, audio.FrameSamples, decoders)
		if v == placed {
			d.take(int64(i*audio.FrameSamples)-at, int64(i*audio.FrameSamples))
		}
		return seq, at, v
	}
	first, _, _ := take(0, 10, 3200, typeLinear)
	if seq, at, v := take(0, 9, 2880, typeLinear); v != placed || seq != first-1 || at != -audio.FrameSamples {
		t.Errorf("before the first: %d at %d, %v", seq, at, v)
	}
	take(1, 11, 3520, typeLinear)
	if seq, at, v := take(3, 13, 999999, typeLinear); v != placed || seq != first+2 || at < 2*audio.FrameSamples {
		t.Errorf("another timestamp: %d at %d, %v", seq, at, v)
	}
	if _, _, v := take(3, 12, 3840, typeLinear); v != stale {
		t.Errorf("from before it: %v", v)
	}
	take(4, 14, 0, typeLaw)
	take(6, 16, 320, typeLaw)
	if _, _, v := take(6, 15, 1000319, typeLinear); v != stale {
		t.Errorf("of another clock rate in between: %v", v)
	}
}

func TestStoreGivesUpTheOldest(t *testing.T) {
	s := store{spares: &spares{}}
	var c counters
	s.begin(100)
	put := func(sequence int64) {
		s.put(sequence, sequence*audio.FrameSamples, nil, &arrived{payload: []byte{byte(sequence)}}, &c)
	}
	for i := range int64(5) {
		put(100 + i)
	}
	put(103)
	put(204) // which leaves room from 141 on
	put(140)
	put(141)
	if late, duplicates, discarded := c.late.Load(), c.duplicates.Load(), c.discarded.Load(); late != 1 || duplicates != 1 || discarded != 5 {
		t.Errorf("%d late, %d duplicates, %d discarded, want 1, 1, 5", late, duplicates, discarded)
	}
	for _, want := range []int64{141, 204} {
		p := s.first()
		if p == nil || p.sequence != want || p.payload[0] != byte(want) {
			t.Fatalf("%+v, want %d", p, want)
		}
		s.take(p)
	}
	if p := s.first(); p != nil {
		t.Errorf("%+v is left", p)
	}
	put(204)
	put(203)
	if late, duplicates := c.late.Load(), c.duplicates.Load(); late != 2 || duplicates != 2 {
		t.Errorf("%d late, %d duplicates, want 2, 2", late, duplicates)
	}
}
