// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// A thousand digits, pressed for 50 to 500 ms over a network that loses, delays and reorders, come through the engine on
// both sides of it: none lost, none doubled, none in another's place, whatever codec the events are sent beside.
func TestAThousandDigitsOverABadNetwork(t *testing.T) {
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			var lasted []time.Duration
			k := newTalk(c)
			bad := badNetwork
			bad.DuplicatePercent = 2
			k.there.transport.(*pipe).bad = impair.NewLink[[]byte](bad)
			for _, s := range []*session{k.here, k.there} {
				main := section{kind: kindAudio, formats: []format{{Codec: c, payloadType: c.PayloadType}}, keys: map[uint8]uint32{126: c.ClockRate}}
				s.agreed.Store(&agreement{main: &main, sections: []section{main}})
				s.call.ears[0].formats.Store(&main)
			}
			k.here.call.OnKey(func(key Key) {
				if key.Pressed {
					got = append(got, key.Label)
				} else {
					lasted = append(lasted, key.Lasted)
				}
			})
			k.here.call.AddTap(&keeper{})
			k.there.call.Play(clipIn(t, recordingOf(t, "standup.wav")), PlayOptions{Loop: true})
			k.pass(time.Second)

			random := rand.New(rand.NewPCG(3, 0))
			var dialled []byte
			var pressed []time.Duration
			for range 1000 {
				key := "1234567890*#ABCD"[random.IntN(16)]
				duration := 50*time.Millisecond + time.Duration(random.Int64N(int64(450*time.Millisecond)+1))
				if err := k.there.call.SendKeys(string(key), duration, 100*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				dialled, pressed = append(dialled, key), append(pressed, duration)
				k.pass(duration + 160*time.Millisecond)
			}
			k.pass(2 * time.Second)
			if string(got) != string(dialled) {
				t.Errorf("%d of %d digits arrived:\n%s, want\n%s", len(got), len(dialled), got, dialled)
			}
			if len(lasted) != len(pressed) {
				t.Fatalf("%d were let go of %d", len(lasted), len(pressed))
			}
			short := 0
			for i, d := range lasted {
				if (d - pressed[i]).Abs() > audio.FrameDuration {
					short++ // its end was lost three times over; the key is told all the same
				}
			}
			if short > len(pressed)/100 {
				t.Errorf("%d of %d keys lasted otherwise than they were pressed", short, len(pressed))
			}
			if a := k.here.call.statsAt(k.now).Audio; a.PacketsLost == 0 {
				t.Error("the network lost nothing")
			}
		})
	}
}
