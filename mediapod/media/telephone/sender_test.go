// SPDX-License-Identifier: Apache-2.0

package telephone

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// send writes out what is sent at each tick until there is nothing more.
func send(s *Sender, step uint32) string {
	var sent []string
	for timestamp := uint32(1000); s.Busy(); timestamp += step {
		o, ok := s.Next(timestamp)
		if !ok {
			sent = append(sent, "audio")
			continue
		}
		var said payload
		said.parse(o.Payload[:])
		line := fmt.Sprintf("%v@%d+%d", Key(said.code), o.Timestamp, said.duration)
		if o.Marker {
			line += "M"
		}
		if said.end {
			line += "E"
		}
		sent = append(sent, line)
	}
	return strings.Join(sent, " ")
}

func TestPacketsOfAPress(t *testing.T) {
	const gap = 60 * time.Millisecond
	tests := map[string]struct {
		rate  int
		lasts []time.Duration
		want  string
	}{
		"40 ms":             {8000, []time.Duration{40 * time.Millisecond}, "7@1000+160M 7@1000+320E 7@1000+320E 7@1000+320E"},
		"50 ms":             {8000, []time.Duration{50 * time.Millisecond}, "7@1000+160M 7@1000+320 7@1000+400E 7@1000+400E 7@1000+400E"},
		"50 ms at 48000 Hz": {48000, []time.Duration{50 * time.Millisecond}, "7@1000+960M 7@1000+1920 7@1000+2400E 7@1000+2400E 7@1000+2400E"},
		"two keys": {8000, []time.Duration{40 * time.Millisecond, 40 * time.Millisecond},
			"7@1000+160M 7@1000+320E 7@1000+320E 7@1000+320E audio 7@1800+160M 7@1800+320E 7@1800+320E 7@1800+320E"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := NewSender(tc.rate)
			for _, lasts := range tc.lasts {
				if err := s.Press(7, lasts, gap); err != nil {
					t.Fatal(err)
				}
			}
			if got := send(s, uint32(tc.rate/50)); got != tc.want {
				t.Errorf("sent %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLongPressIsSentInSegments(t *testing.T) {
	s := NewSender(48000)
	if err := s.Press(7, 1400*time.Millisecond, MinGap); err != nil { // 67200 units
		t.Fatal(err)
	}
	got := send(s, 960)
	if want := "7@1000+65280 7@1000+65535 7@66535+1665E 7@66535+1665E 7@66535+1665E"; !strings.HasSuffix(got, want) {
		t.Errorf("sent %s, want at the end %s", got, want)
	}
	if strings.Count(got, "M") != 1 || !strings.HasPrefix(got, "7@1000+960M ") {
		t.Errorf("sent %s, want one marker, at the first", got)
	}
}

func TestSenderSaysVolumeOfTonesOnly(t *testing.T) {
	for key, want := range map[Key]uint8{3: 10, Flash: 0} {
		s := NewSender(8000)
		if err := s.Press(key, MinPress, MinGap); err != nil {
			t.Fatal(err)
		}
		o, _ := s.Next(0)
		var said payload
		if said.parse(o.Payload[:]); said.volume != want {
			t.Errorf("key %v has volume %d, want %d", key, said.volume, want)
		}
	}
}

func TestPressSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		key        Key
		lasts, gap time.Duration
		want       string
	}{
		"no key":    {17, MinPress, MinGap, "17 is no key"},
		"too short": {1, MinPress - 1, MinGap, "use 40ms to 30s"},
		"too long":  {1, MaxPress + 1, MinGap, "use 40ms to 30s"},
		"no gap":    {1, MinPress, 0, "gap after a key cannot be 0s"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := NewSender(8000).Press(tc.key, tc.lasts, tc.gap); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	s := NewSender(8000)
	for range queued {
		if err := s.Press(1, MinPress, MinGap); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Press(1, MinPress, MinGap); !errors.Is(err, ErrQueueFull) {
		t.Errorf("got %v, want that the queue is full", err)
	}
}

func TestKeysAllocateNothing(t *testing.T) {
	s, r := NewSender(48000), NewReceiver(48000)
	events := make([]Event, 0, 3)
	var timestamp uint32
	var now time.Duration
	downs := 0
	n := testing.AllocsPerRun(2000, func() {
		if !s.Busy() {
			if err := s.Press(5, 100*time.Millisecond, MinGap); err != nil {
				t.Fatal(err)
			}
		}
		if o, ok := s.Next(timestamp); ok {
			events = r.Put(events[:0], Packet{Timestamp: o.Timestamp, Marker: o.Marker, Payload: o.Payload[:]}, now)
			for _, e := range events {
				if e.Down {
					downs++
				}
			}
		}
		timestamp, now = timestamp+960, now+interval
	})
	if n != 0 || downs < 200 {
		t.Errorf("%v allocations for a packet, %d keys", n, downs)
	}
}

func BenchmarkKey(b *testing.B) {
	s, r := NewSender(8000), NewReceiver(8000)
	events := make([]Event, 0, 3)
	var timestamp uint32
	b.ReportAllocs()
	for b.Loop() {
		if !s.Busy() {
			if err := s.Press(5, 100*time.Millisecond, MinGap); err != nil {
				b.Fatal(err)
			}
		}
		if o, ok := s.Next(timestamp); ok {
			events = r.Put(events[:0], Packet{Timestamp: o.Timestamp, Marker: o.Marker, Payload: o.Payload[:]}, time.Duration(timestamp)*125*time.Microsecond)
		}
		timestamp += 160
	}
}
