// SPDX-License-Identifier: Apache-2.0

package video

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

var (
	keyPayload   = []byte{0x10, 0x10}
	deltaPayload = []byte{0x10, 0x11}
)

func TestStreamsThatFollowOneAnotherAreOne(t *testing.T) {
	var r Relay
	at := epoch
	type in struct {
		source    uint32
		sequence  uint16
		timestamp uint32
		payload   []byte
		after     time.Duration
	}
	frame := time.Second / 30
	send := func(i in) (p transport.Packet, ok, wants bool) {
		at = at.Add(i.after)
		p = transport.Packet{Sequence: i.sequence, Timestamp: i.timestamp, Payload: i.payload}
		ok, wants = r.Take(&p, i.source, VP8, at)
		return p, ok, wants
	}
	if _, ok, wants := send(in{1, 65533, 100, deltaPayload, 0}); ok || !wants {
		t.Fatal("a stream begins without a key frame, or none is asked for")
	}
	first, ok, _ := send(in{1, 65534, 3100, keyPayload, frame})
	if !ok || first.Sequence > 1<<15 {
		t.Fatalf("%v, sequence %d", ok, first.Sequence)
	}
	for _, step := range []struct {
		name      string
		in        in
		sequence  uint16 // from the first one's
		timestamp uint32
	}{
		{"the next", in{1, 65535, 6100, deltaPayload, frame}, 1, 3000},
		{"one is missing", in{1, 1, 12100, deltaPayload, 2 * frame}, 3, 9000},
		{"it comes late", in{1, 0, 9100, deltaPayload, 0}, 2, 6000},
		{"another's key frame, 2 s later", in{2, 40000, 7, keyPayload, 2 * time.Second}, 4, 9000 + 180000},
		{"the next of that", in{2, 40001, 3007, deltaPayload, frame}, 5, 9000 + 183000},
		{"the first again, at once", in{1, 2, 15100, keyPayload, 0}, 6, 9000 + 183001},
	} {
		p, ok, _ := send(step.in)
		if !ok || p.Sequence-first.Sequence != step.sequence || p.Timestamp-first.Timestamp != step.timestamp {
			t.Errorf("%s: %v, %d, %d; want %d, %d", step.name, ok, p.Sequence-first.Sequence, p.Timestamp-first.Timestamp, step.sequence, step.timestamp)
		}
	}
	if _, ok, wants := send(in{1, 1, 12100, deltaPayload, 0}); ok || wants {
		t.Error("what is late from before the key frame takes the number of another packet")
	}
	r.Switch()
	if _, ok, wants := send(in{1, 3, 18100, deltaPayload, frame}); ok || !wants {
		t.Error("after a switch it goes on without a key frame")
	}
}

func TestWhatIsMadeHereAndWhatIsPassedOnAreOneStream(t *testing.T) {
	var r Relay
	own := func(newFrame bool, at time.Time) transport.Packet {
		var p transport.Packet
		r.Own(&p, newFrame, at)
		return p
	}
	a, b, c := own(true, epoch), own(false, epoch), own(true, epoch.Add(40*time.Millisecond))
	if b.Sequence != a.Sequence+1 || c.Sequence != a.Sequence+2 || b.Timestamp != a.Timestamp || c.Timestamp != a.Timestamp+3600 {
		t.Errorf("%+v, %+v, %+v", a, b, c)
	}
	p := transport.Packet{Sequence: 5, Timestamp: 5, Payload: deltaPayload}
	if ok, _ := r.Take(&p, 9, VP8, epoch.Add(time.Second)); ok {
		t.Error("what follows is passed on without a key frame")
	}
	p.Payload = keyPayload
	if ok, _ := r.Take(&p, 9, VP8, epoch.Add(time.Second)); !ok || p.Sequence != a.Sequence+3 || p.Timestamp != a.Timestamp+90000 {
		t.Errorf("%v, %+v after %+v", ok, p, a)
	}
	if d := own(true, epoch.Add(2*time.Second)); d.Sequence != a.Sequence+4 || d.Timestamp != a.Timestamp+180000 {
		t.Errorf("%+v after %+v", d, a)
	}
	if e := own(true, epoch.Add(100*time.Hour)); e.Timestamp != a.Timestamp+180000+3600*90000 {
		t.Errorf("after days, the timestamp is %d on", e.Timestamp-a.Timestamp)
	}
}

func TestFramesAreAtTheTimeTheyWereTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		late func(i int) time.Duration // of frame i of 30 a second
		most time.Duration             // that times are off by, after a second
	}{
		"on time":                  {func(int) time.Duration { return 0 }, time.Millisecond},
		"every other by 30 ms":     {func(i int) time.Duration { return time.Duration(i%2) * 30 * time.Millisecond }, 5 * time.Millisecond},
		"a sender 200 ppm slow":    {func(i int) time.Duration { return time.Duration(i) * time.Second / 30 / 5000 }, 5 * time.Millisecond},
		"a sender 200 ppm fast":    {func(i int) time.Duration { return -time.Duration(i) * time.Second / 30 / 5000 }, 5 * time.Millisecond},
		"for good from the middle": {func(i int) time.Duration { return time.Duration(i/900) * 10 * time.Second }, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var line Timeline
			last := time.Time{}
			for i := range 1800 {
				timestamp := uint32(4294960000) + uint32(i)*3000
				taken := epoch.Add(time.Duration(i) * time.Second / 30)
				arrived := taken.Add(tc.late(i))
				at := line.At(timestamp, arrived)
				off := at.Sub(taken)
				if name != "every other by 30 ms" {
					off = at.Sub(arrived)
				}
				if i > 30 && max(off, -off) > tc.most || at.After(arrived) || at.Before(last) {
					t.Fatalf("frame %d is off by %v, %v after the one before", i, off, at.Sub(last))
				}
				last = at
			}
		})
	}
}
