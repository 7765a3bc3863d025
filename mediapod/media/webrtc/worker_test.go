// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeShort takes packets that begin with "s", and has pion be given those with a "!".
type fakeShort struct{ took chan string }

func (f fakeShort) takes(raw []byte) (int, bool) {
	return len(raw), strings.HasPrefix(string(raw), "s")
}

func (f fakeShort) take(track int, raw []byte, _ time.Time, buf []byte) bool {
	if track != len(raw) || len(buf) != 0 || cap(buf) != maxDatagram {
		raw = []byte("another track, or no room")
	}
	f.took <- string(raw)
	return strings.Contains(string(raw), "!")
}

func TestWhatTakesTheShortcutIsDeliveredByItsWorker(t *testing.T) {
	m, f := openMux(t)
	short := fakeShort{make(chan string, 10)}
	conn, err := m.open("a", short, m.worker())
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*muxConn)
	_, _ = c.WriteToAddrPort(nil, here)
	f.come("s1", nowhere)
	for _, raw := range []string{"s2", "other", "s3!", "s4"} {
		f.come(raw, here)
	}
	for _, want := range []string{"s2", "s3!", "s4"} {
		if got := <-short.took; got != want {
			t.Errorf("took %q, want %q", got, want)
		}
	}
	c.hears(t, "other")
	c.hears(t, "s3!")
	_ = c.Close()
	f.come("s5", here)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if len(short.took) > 0 {
		t.Errorf("%q was taken for a session that is closed", <-short.took)
	}
}

func TestAWorkerThatIsBehindDropsTheOldest(t *testing.T) {
	w := newWorker(&freelist{})
	const over = 3
	p := &packet{}
	for i := range maxBehind + over {
		p.n = i
		p = w.push(p)
	}
	var left []int
	for p := w.all(); p != nil; p = p.next {
		left = append(left, p.n)
	}
	if len(left) != maxBehind || left[0] != over || !slices.IsSorted(left) {
		t.Errorf("%d are left, from number %d", len(left), left[0])
	}
	w.close()
	if p := (&packet{}); w.push(p) != p {
		t.Error("it takes packets after its end")
	}
	if w.all() != nil {
		t.Error("it has packets after its end")
	}
}
