// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Two speakers have a stream in turn, for times that are no whole frames, and a third one has a packet now and then, over a
// network that loses some and delays others. Each says one value, and whatever a decoder makes up of it, or a seam, is less than that and of the same sign.
func TestASampleIsOfWhoeverItIsSaidToBe(t *testing.T) {
	values := map[uint32]int16{7: 1000, 8: -2000, 9: 3000}
	for _, length := range []int{5, 10, 20, 40} {
		p := New(Config{Decoder: decoders})
		frame := make([]int16, audio.FrameSamples)
		heard, takes := map[uint32]int{}, map[uint32]int{}
		var sent, now time.Duration
		packet := Packet{SSRC: 1, PayloadType: typeLinear}
		for i := 0; now < 20*time.Second; now += frameTime {
			for ; sent <= now; i++ {
				packet.Source = 7 + uint32(sent/(135*time.Millisecond))%2
				if i%23 == 0 {
					packet.Source = 9
				}
				packet.Payload = packet.Payload[:0]
				for range length * ms {
					packet.Payload = binary.LittleEndian.AppendUint16(packet.Payload, uint16(values[packet.Source]))
				}
				packet.Sequence++
				packet.Timestamp += uint32(length * ms)
				if i%17 != 5 {
					slow := time.Duration(sent/(2*time.Second)%2) * 3 // so that the delay changes
					p.Put(packet, sent+time.Duration(i*7%5)*(5+2*slow)*time.Millisecond)
				}
				sent += time.Duration(length) * time.Millisecond
			}
			p.Frame(frame, now)
			first, then, turn := p.Sources()
			for i, v := range frame {
				of := then
				if i < turn {
					of = first
				}
				if v == 0 {
					continue
				}
				heard[of]++
				if most := values[of]; most == 0 || int(v)*int(most) < 0 || int(v)*int(v) > int(most)*int(most) {
					t.Fatalf("packets of %d ms: at %v, sample %d is %d and said to be of %d", length, now, i, v, of)
				}
			}
			for _, taken := range p.Taken() {
				takes[taken.Source]++
				if got := int16(binary.LittleEndian.Uint16(taken.Payload)); got != values[taken.Source] {
					t.Fatalf("packets of %d ms: one of %d is said to be of %d", length, got, taken.Source)
				}
				if late := now - taken.At; late < 0 || late > maxDelay {
					t.Fatalf("packets of %d ms: at %v, one is taken that was there at %v", length, now, taken.At)
				}
			}
		}
		const half = 10 * audio.SampleRate
		packets := int(10 * time.Second / (time.Duration(length) * time.Millisecond))
		if s := p.Stats(); s.ExpandedSamples == 0 {
			t.Errorf("packets of %d ms: nothing is stretched: %+v", length, s)
		}
		for source := range values {
			if source == 9 {
				continue // now and then, and not always to be heard
			}
			if heard[source] < half*8/10 || takes[source] < packets*8/10 || takes[source] > packets {
				t.Errorf("packets of %d ms: of %d, %d samples and %d packets", length, source, heard[source], takes[source])
			}
		}
	}
}
