// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

func TestWhatNobodyPlaysIsBounded(t *testing.T) {
	p, enc := New(Config{Decoder: decoders}), newEncoder(typeLinear)
	spoken := voice(60 * time.Second)
	packet := func(i int) Packet {
		return Packet{Sequence: uint16(i), Timestamp: uint32(i * audio.FrameSamples), PayloadType: typeLinear,
			Payload: enc.encode(spoken[i*audio.FrameSamples:][:audio.FrameSamples])}
	}
	for i := range 1000 {
		p.Put(packet(i), time.Duration(i)*frameTime)
	}
	if got := p.Stats().Discarded; got != 1000-ringSlots {
		t.Errorf("%d discarded, want all but %d of 1000", got, ringSlots)
	}
	// Then somebody does.
	var frame [audio.FrameSamples]int16
	var kind Kind
	for i := 1000; i < 1200; i++ {
		now := time.Duration(i) * frameTime
		p.Put(packet(i), now)
		kind = p.Frame(frame[:], now+time.Millisecond)
	}
	if s := p.Stats(); kind != Played || s.Delay > 60*time.Millisecond {
		t.Errorf("%v after 4 s, %+v", kind, s)
	}
}

func TestPutAndFrameMayRunAtTheSameTime(t *testing.T) {
	const packets = 20000
	p := New(Config{Decoder: decoders})
	var putter sync.WaitGroup
	putter.Go(func() {
		payload := make([]byte, 640)
		for i := range packets {
			p.Put(Packet{Sequence: uint16(i), Timestamp: uint32(i * audio.FrameSamples), PayloadType: typeLinear, Payload: payload}, time.Duration(i)*frameTime)
		}
	})
	done := make(chan struct{})
	go func() { putter.Wait(); close(done) }()
	var frame [audio.FrameSamples]int16
	for i, ended := 0, false; !ended; i++ {
		select {
		case <-done:
			ended = true
		default:
		}
		p.Frame(frame[:], time.Duration(i)*frameTime)
		p.Stats()
	}
	for n := range p.ring.slots { // whatever is left
		p.Frame(frame[:], time.Duration(n)*frameTime)
	}
	if came, taken := p.ring.came.Load(), p.ring.taken.Load(); came != taken || came+p.Stats().Discarded < packets {
		t.Errorf("%d put and %d taken of %d", came, taken, packets)
	}
}

func TestRingKeepsOrderAndContents(t *testing.T) {
	var r ring
	random := rand.New(rand.NewPCG(1, 1))
	put, taken := 0, 0
	for range 5000 {
		for range random.IntN(8) {
			full := put-taken == ringSlots
			if ok := r.put(&Packet{Sequence: uint16(put), Payload: []byte{byte(put), byte(put >> 8)}}, int64(put)); ok == full {
				t.Fatalf("put %v with %d waiting", ok, put-taken)
			} else if ok {
				put++
			}
		}
		for range random.IntN(8) {
			s := r.next()
			if (s == nil) != (put == taken) {
				t.Fatalf("%v next with %d waiting", s, put-taken)
			}
			if s == nil {
				break
			}
			if s.sequence != uint16(taken) || s.arrival != int64(taken) || s.payload[0] != byte(taken) || s.payload[1] != byte(taken>>8) {
				t.Fatalf("got %+v, want number %d", s, taken)
			}
			r.done()
			taken++
		}
	}
}

// stream returns what puts the next packet, lost ones aside, and plays a frame.
func stream(payloadType uint8) (put, frame func()) {
	spoken := voice(5 * time.Second)
	enc := newEncoder(payloadType)
	step := enc.step(audio.FrameSamples)
	var payloads [][]byte
	for i := range len(spoken) / audio.FrameSamples {
		payloads = append(payloads, enc.encode(spoken[i*audio.FrameSamples:][:audio.FrameSamples]))
	}
	p := New(Config{Decoder: decoders})
	var dst [audio.FrameSamples]int16
	i := 0
	random := rand.New(rand.NewPCG(1, 1))
	put = func() {
		if i++; random.IntN(20) > 0 {
			arrival := time.Duration(i)*frameTime + time.Duration(random.IntN(30)*i%4000/3000)*time.Millisecond
			p.Put(Packet{Sequence: uint16(i), Timestamp: uint32(i) * step, PayloadType: payloadType,
				Payload: payloads[i%len(payloads)]}, arrival)
		}
	}
	return put, func() { p.Frame(dst[:], time.Duration(i)*(frameTime+4*time.Microsecond)) }
}

func TestPacketPathAllocatesNothing(t *testing.T) {
	for _, payloadType := range []uint8{typeLinear, typeCopying, typeLaw} {
		put, frame := stream(payloadType)
		for range 200 {
			put()
			frame()
		}
		if n := testing.AllocsPerRun(2000, func() { put(); frame() }); n != 0 {
			t.Errorf("payload type %d: %v allocations for a packet and a frame", payloadType, n)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	p := New(Config{Decoder: decoders})
	packet := Packet{PayloadType: typeLinear, Payload: make([]byte, 160)}
	b.ReportAllocs()
	for b.Loop() {
		packet.Sequence++
		p.Put(packet, 0)
		p.ring.done()
	}
}

func BenchmarkFrame(b *testing.B) {
	for name, payloadType := range map[string]uint8{"linear": typeLinear, "G.711": typeLaw} {
		b.Run(name, func(b *testing.B) {
			put, frame := stream(payloadType)
			b.ReportAllocs()
			for b.Loop() {
				put()
				frame()
			}
		})
	}
}

// Every byte string is a script of packets and frames.
func FuzzPutAndFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x00\x00\x00\x60\x10\x01\x02\x00\x00\x01\x60\x10\x01\x03\x00\x00\x02\x60\x10"))
	f.Add([]byte("\xff\xff\xff\xff\xff\x61\xff\x80\x00\x00\x00\x08\x7f\x01\x80\x01\x00\x62\xff\x00\x00"))
	random := rand.New(rand.NewPCG(1, 1))
	long := make([]byte, 4000)
	for i := range long {
		long[i] = byte(random.Uint32())
	}
	f.Add(long)
	types := []uint8{typeLinear, typeCopying, typeLaw, typeFast, 77}
	f.Fuzz(func(t *testing.T, script []byte) {
		p := New(Config{Decoder: decoders})
		payload := make([]byte, 256*7)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		var now time.Duration
		packet := Packet{}
		frame := make([]int16, audio.FrameSamples)
		for ; len(script) >= 7; script = script[7:] {
			op := script[0]
			packet.Sequence += uint16(int8(script[1]))
			packet.Timestamp += uint32(int32(int8(script[2])) << (script[3] % 32))
			packet.SSRC, packet.Source = uint32(op>>6), uint32(script[3]>>5)
			packet.Marker = op&32 != 0
			packet.PayloadType = types[int(script[5])%len(types)]
			packet.Payload = payload[:int(script[6])*7]
			now += time.Duration(script[4]) * time.Millisecond << (op >> 3 & 3)
			p.Put(packet, now)
			for range op & 7 {
				if kind := p.Frame(frame, now); kind > Concealed {
					t.Fatalf("a frame of kind %d", kind)
				}
				now += frameTime
				if _, _, turn := p.Sources(); turn < 0 || turn > len(frame) || p.turn.at > len(p.pcm) || len(p.Taken()) > mostTaken {
					t.Fatalf("a turn at %d of a frame, %d of %d samples; %d packets", turn, p.turn.at, len(p.pcm), len(p.Taken()))
				}
				if p.head < past || p.waiting() < 0 || cap(p.pcm) > 2*(past+lookahead+2*maxPayload) {
					t.Fatalf("head %d, %d samples, room for %d", p.head, len(p.pcm), cap(p.pcm))
				}
			}
		}
	})
}
