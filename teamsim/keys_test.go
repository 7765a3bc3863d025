// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/pion/rtp"
)

// TestKeysReachABotsOwnMediaAsEvents: each press is packets of one timestamp and growing length, the first with a marker, the last three
// times (RFC 4733 section 2.5.1), and between presses the key is up.
func TestKeysReachABotsOwnMediaAsEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := newBot(t, s).trusted()
	b.Listen, b.Keypad = true, true
	m := s.meeting(nil)
	ada := s.person(m, "Ada")
	s.join(joinBody(m, b))
	b.waitFor("updated roster 2")
	s.must(s.admin.Press(t.Context(), ada, "tone1", "tone1", "pound", "d"))

	const packets = 7
	events := func() []*rtp.Packet {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Clone(b.events)
	}
	eventually(t, "four keys", func() bool { return len(events()) >= 4*packets }, func() string { return fmt.Sprint(len(events())) })
	got := events()
	if len(got) != 4*packets {
		t.Fatalf("%d packets", len(got))
	}
	for press, code := range []uint8{1, 1, 11, 15} {
		group := got[press*packets : (press+1)*packets]
		for i, p := range group {
			length := binary.BigEndian.Uint16(p.Payload[2:])
			if len(p.Payload) != 4 || p.Payload[0] != code || p.Timestamp != group[0].Timestamp || p.Marker != (i == 0) ||
				(p.Payload[1]&0x80 != 0) != (i >= packets-3) || length != uint16(160*min(i+1, packets-2)) || p.SSRC != got[0].SSRC ||
				p.SequenceNumber != group[0].SequenceNumber+uint16(i) {
				t.Errorf("press %d, packet %d: %v, payload %x", press, i, p.Header, p.Payload)
			}
		}
		if press > 0 && group[0].Timestamp-got[(press-1)*packets].Timestamp < 160*(packets-2+2) {
			t.Errorf("press %d comes less than 40 ms after the one before", press)
		}
	}
}
