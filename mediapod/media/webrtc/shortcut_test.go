// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// notes is a sink that notes what it is given.
type notes struct {
	transport.Sink
	got []string
	n   int
}

func (s *notes) Receive(track int, raw []byte, _ time.Time) {
	if s.n++; s.got != nil {
		s.got = append(s.got, fmt.Sprintf("%d %s", track, raw[12:]))
	}
}

const theirs = 5 // SSRC

// shortPeer is one whose shortcut is open, with what its far side encrypts with, and what pion would decrypt with.
func shortPeer(t testing.TB) (p *peer, s *notes, out, pion *srtp.Context) {
	t.Helper()
	key, salt := make([]byte, 16), make([]byte, 12)
	var all [3]*srtp.Context
	for i := range all {
		var err error
		if all[i], err = srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPReplayProtection(64)); err != nil {
			t.Fatal(err)
		}
	}
	s = &notes{got: []string{}}
	p = &peer{sink: s, started: true, tracks: []*track{{kind: kindVideo}, {kind: kindAudio}}, remote: map[uint32]int{theirs: 1, 6: 0}}
	p.short.remote, p.short.tracks, p.short.every = all[1], make([]span, 2), time.Second
	p.short.open.Store(true)
	return p, s, all[0], all[2]
}

func TestOnlyAudioTakesTheShortcut(t *testing.T) {
	p, _, out, _ := shortPeer(t)
	rtcp := sealed(t, out, theirs, 1, "")
	rtcp[1] = 200
	for name, tc := range map[string]struct {
		raw  []byte
		want bool
	}{
		"audio":               {sealed(t, out, theirs, 1, "a"), true},
		"video":               {sealed(t, out, 6, 1, "a"), false},
		"an unknown stream":   {sealed(t, out, 7, 1, "a"), false},
		"RTCP":                {rtcp, false},
		"DTLS":                {append([]byte{22}, make([]byte, 30)...), false},
		"STUN":                {make([]byte, 30), false},
		"a piece of a header": {[]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, false},
		"nothing":             {nil, false},
	} {
		track, ok := p.takes(tc.raw)
		if ok != tc.want || ok && track != 1 {
			t.Errorf("%s: track %d, %v", name, track, ok)
		}
	}
	p.only, p.tracks = true, p.tracks[1:]
	p.remote = map[uint32]int{}
	if track, ok := p.takes(sealed(t, out, 7, 2, "a")); track != 0 || !ok {
		t.Error("a stream that no offer declares is not that of the one section")
	}
	p.closeShortcut()
	if _, ok := p.takes(sealed(t, out, 7, 3, "a")); ok {
		t.Error("a shortcut that is closed takes packets")
	}
}

func TestEachPacketIsDeliveredOnceWhicheverWayItComes(t *testing.T) {
	p, s, out, pion := shortPeer(t)
	var buf [maxDatagram]byte
	at := time.Unix(1000, 0)
	short := func(raw []byte) (passOn bool) { return p.take(1, raw, at, buf[:0]) }
	long := func(raw []byte) {
		if plain, err := pion.DecryptRTP(nil, raw, nil); err == nil {
			p.deliverTapped(1, plain)
		}
	}
	raw := func(sequence uint16) []byte { return sealed(t, out, theirs, sequence, fmt.Sprint(sequence)) }

	before, first := raw(65533), raw(65534)
	if !short(first) {
		t.Error("pion is not told of the first packet")
	}
	long(before) // it was on its way when the shortcut was opened
	long(first)
	for sequence := uint16(65535); sequence != 100; sequence++ {
		at = at.Add(20 * time.Millisecond)
		r := raw(sequence)
		if short(r) {
			long(r)
		}
	}
	again := raw(100)
	if short(again) || !short(again) { // as it does not decrypt twice, pion has it
		t.Error("a packet that came twice is not passed on")
	}
	long(again)
	forged := raw(101)
	forged[20] ^= 1
	if !short(forged) {
		t.Error("a packet that does not decrypt is not passed on")
	}
	long(forged)

	var want []string
	for sequence := uint16(65533); sequence != 101; sequence++ {
		want = append(want, fmt.Sprintf("1 %d", sequence))
	}
	want[0], want[1] = want[1], want[0]
	if !slices.Equal(s.got, want) {
		t.Errorf("delivered %q, want %q", s.got, want)
	}
}

// A far side may be elsewhere for longer than it takes its sequence numbers to come round, and come back.
func TestAFarSideThatIsElsewhereForLongIsHeard(t *testing.T) {
	p, s, out, pion := shortPeer(t)
	var buf [maxDatagram]byte
	at := time.Unix(1000, 0)
	sequence, sent, passed := uint16(0), 0, 0
	come := func(n int, short bool) {
		for range n {
			sequence++
			sent++
			at = at.Add(20 * time.Millisecond)
			raw := sealed(t, out, theirs, sequence, "x")
			if short {
				if !p.take(1, raw, at, buf[:0]) {
					continue
				}
				passed++
			}
			if plain, err := pion.DecryptRTP(nil, raw, nil); err == nil {
				p.deliverTapped(1, plain)
			}
		}
	}
	s.got = nil
	come(40_000, true)
	if passed < 700 || passed > 900 {
		t.Errorf("pion was given %d of 40000 packets, want one a second", passed)
	}
	come(150_000, false)
	come(70_000, true)
	come(40_000, false)
	if s.n != sent {
		t.Errorf("%d of %d packets were delivered", s.n, sent)
	}
}

func TestNothingIsDeliveredAfterTheShortcutWasClosed(t *testing.T) {
	p, s, out, _ := shortPeer(t)
	var buf [maxDatagram]byte
	p.closeShortcut()
	if p.take(1, sealed(t, out, theirs, 1, "a"), time.Now(), buf[:0]) || len(s.got) > 0 {
		t.Errorf("delivered %q", s.got)
	}
	p.openShortcutLocked() // the handshake ends after all
	if p.short.open.Load() {
		t.Error("it is open again")
	}
}

func TestTheShortcutAllocatesNothing(t *testing.T) {
	p, s, out, _ := shortPeer(t)
	s.got = nil
	var buf [maxDatagram]byte
	var all [][]byte
	for i := range uint16(120) {
		all = append(all, sealed(t, out, theirs, i, "some sound"))
	}
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		p.take(1, all[i], time.Unix(1000, 0), buf[:0])
		i++
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if s.n < 100 {
		t.Errorf("%d delivered", s.n)
	}
}
