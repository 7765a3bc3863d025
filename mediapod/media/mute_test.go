// SPDX-License-Identifier: Apache-2.0

package media

import (
	"bytes"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
)

// TestAMutedClipPlaysOnUnheard: as with a microphone that is muted, packets keep coming with nothing in them, and the
// clip goes on where it would be.
func TestAMutedClipPlaysOnUnheard(t *testing.T) {
	begun := func() *player {
		pl, err := newPlayer(Play{Clip: clipOf(3 * 320)})
		if err != nil {
			t.Fatal(err)
		}
		pl.begin(format{codec.PCMU, 0}, time.Now())
		return pl
	}
	muted, heard := begun(), begun()
	if got := muted.next(true).Payload; !bytes.Equal(got, codec.PCMU.NewEncoder().Encode(nil, silence[:])) {
		t.Error("a muted packet is not silent")
	}
	if bytes.Equal(heard.next(false).Payload, codec.PCMU.NewEncoder().Encode(nil, silence[:])) {
		t.Fatal("the clip is silent anyway")
	}
	if muted.pos != heard.pos || muted.pos == 0 {
		t.Error("after it the clip is not where it would be")
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
