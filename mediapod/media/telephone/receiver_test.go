// SPDX-License-Identifier: Apache-2.0

package telephone

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// said is a packet at 8000 Hz: when it arrives in ms, its timestamp, key and
// duration in units, and E for the end, M for the marker, or another source.
type said struct {
	at        int
	timestamp uint32
	key       Key
	duration  uint16
	flags     string
}

func (s said) packet() Packet {
	raw := payload{code: uint8(s.key), end: strings.Contains(s.flags, "E"), volume: 10, duration: s.duration}.bytes()
	p := Packet{Timestamp: s.timestamp, SSRC: 1, Marker: strings.Contains(s.flags, "M"), Payload: raw[:]}
	if strings.Contains(s.flags, "2") {
		p.SSRC = 2
	}
	return p
}

func TestEachKeyGoesDownAndUpOnce(t *testing.T) {
	tests := map[string]struct {
		packets []said
		want    string // + down, - up with ms
	}{
		"nothing":       {nil, ""},
		"a press":       {[]said{{0, 1000, 1, 160, "M"}, {20, 1000, 1, 320, ""}, {40, 1000, 1, 400, "E"}, {60, 1000, 1, 400, "E"}, {80, 1000, 1, 400, "E"}}, "+1 -1(50)"},
		"the end alone": {[]said{{0, 1000, 1, 400, "E"}}, "+1 -1(50)"},
		"the end first": {[]said{{0, 1000, 1, 400, "E"}, {10, 1000, 1, 160, "M"}, {20, 1000, 1, 320, ""}}, "+1 -1(50)"},
		"in any order":  {[]said{{0, 1000, 1, 320, ""}, {10, 1000, 1, 160, "M"}, {20, 1000, 1, 400, "E"}}, "+1 -1(50)"},
		"no end, and the next key": {[]said{{0, 1000, 1, 160, "M"}, {20, 1000, 1, 320, ""}, {100, 1800, 2, 160, "M"}, {120, 1800, 2, 320, "E"}},
			"+1 -1(40) +2 -2(40)"},
		"no end and nothing more": {[]said{{0, 1000, 1, 160, "M"}, {20, 1000, 1, 320, ""}}, "+1 -1(40)"},
		"no end for a while, then an old packet": {[]said{{0, 1000, 1, 160, "M"}, {20, 1000, 1, 320, ""}, {400, 1000, 1, 480, ""}, {420, 1000, 1, 480, "E"}},
			"+1 -1(40)"},
		"the same key again":                         {[]said{{0, 1000, 1, 400, "E"}, {100, 1800, 1, 160, "M"}, {120, 1800, 1, 400, "E"}}, "+1 -1(50) +1 -1(50)"},
		"the same key again, both without M":         {[]said{{0, 1000, 1, 400, ""}, {100, 1800, 1, 160, ""}, {120, 1800, 1, 400, "E"}}, "+1 -1(50) +1 -1(50)"},
		"an older key's packet":                      {[]said{{0, 1000, 1, 400, "E"}, {100, 1800, 2, 160, "M"}, {110, 1000, 1, 400, "E"}, {120, 1800, 2, 400, "E"}}, "+1 -1(50) +2 -2(50)"},
		"a packet older than all":                    {[]said{{0, 1000, 1, 400, "E"}, {30, 200, 3, 400, "E"}}, "+1 -1(50)"},
		"the timestamp wraps":                        {[]said{{0, 0xFFFFFF00, 1, 400, "E"}, {100, 544, 2, 400, "E"}}, "+1 -1(50) +2 -2(50)"},
		"the timestamp begins anew, later":           {[]said{{0, 5000000, 1, 400, "E"}, {5000, 200, 2, 400, "E"}}, "+1 -1(50) +2 -2(50)"},
		"a pause of half the timestamps":             {[]said{{0, 0, 1, 400, "E"}, {268435456, 0x80000001, 2, 400, "E"}}, "+1 -1(50) +2 -2(50)"},
		"another source":                             {[]said{{0, 5000000, 1, 400, ""}, {30, 200, 2, 400, "E2"}}, "+1 -1(50) +2 -2(50)"},
		"another source and a straggler":             {[]said{{0, 5000000, 1, 400, ""}, {30, 200, 2, 400, "E2"}, {40, 5000000, 1, 480, "E"}}, "+1 -1(50) +2 -2(50)"},
		"the source comes back":                      {[]said{{0, 1000, 1, 400, "E"}, {30, 200, 2, 400, "E2"}, {4000, 30000, 3, 400, "E"}}, "+1 -1(50) +2 -2(50) +3 -3(50)"},
		"two segments":                               {[]said{{0, 1000, 1, 65440, "M"}, {20, 1000, 1, 65535, ""}, {40, 66535, 1, 160, ""}, {60, 66535, 1, 320, "E"}}, "+1 -1(8231)"},
		"two segments, the first's last packet lost": {[]said{{0, 1000, 1, 65440, "M"}, {40, 66535, 1, 160, ""}, {60, 66535, 1, 320, "E"}}, "+1 -1(8231)"},
		"two segments, mixed":                        {[]said{{0, 1000, 1, 65440, "M"}, {40, 66535, 1, 160, ""}, {45, 1000, 1, 65535, ""}, {60, 66535, 1, 320, "E"}}, "+1 -1(8231)"},
		"a segment shorter by a packet":              {[]said{{0, 1000, 1, 65440, "M"}, {40, 66440, 1, 160, ""}, {60, 66440, 1, 320, "E"}}, "+1 -1(8220)"},
		"no segment: marked":                         {[]said{{0, 1000, 1, 65535, "M"}, {40, 66535, 1, 160, "ME"}}, "+1 -1(8191) +1 -1(20)"},
		"no segment: ended":                          {[]said{{0, 1000, 1, 65535, "ME"}, {40, 66535, 1, 160, "E"}}, "+1 -1(8191) +1 -1(20)"},
		"no segment: another key":                    {[]said{{0, 1000, 1, 65535, "M"}, {40, 66535, 2, 160, "E"}}, "+1 -1(8191) +2 -2(20)"},
		"a duration that does not count":             {[]said{{0, 1000, 1, 0, "M"}, {20, 1000, 1, 0, "E"}}, "+1 -1(0)"},
		"a flash":                                    {[]said{{0, 1000, Flash, 800, "E"}}, "+F -F(100)"},
		"no key: a fax tone":                         {[]said{{0, 1000, 36, 160, "M"}, {20, 1000, 36, 320, "E"}}, ""},
		"a fax tone beside a key":                    {[]said{{0, 1000, 1, 160, "M"}, {20, 1160, 36, 320, "E"}, {40, 1000, 1, 400, "E"}}, "+1 -1(50)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := NewReceiver(8000)
			var events []Event
			var last time.Duration
			for _, s := range tc.packets {
				last = time.Duration(s.at) * time.Millisecond
				events = r.Put(events, s.packet(), last)
			}
			events = r.Expire(events, last+silence)
			events = r.Expire(events, last+silence+1)
			var got []string
			for _, e := range events {
				if e.Down {
					got = append(got, fmt.Sprint("+", e.Key))
				} else {
					got = append(got, fmt.Sprintf("-%v(%d)", e.Key, e.Lasted.Milliseconds()))
				}
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestPressEndsByItselfOnlyAfter200ms(t *testing.T) {
	r := NewReceiver(8000)
	r.Put(nil, said{0, 1000, 1, 160, "M"}.packet(), 0)
	if e := r.Expire(nil, silence); len(e) > 0 {
		t.Errorf("%v after %v", e, silence)
	}
	if e := r.Expire(nil, silence+1); len(e) != 1 || e[0].Down {
		t.Errorf("%v after more, want one key going up", e)
	}
}

func TestPayloadIsReadAsItIsWritten(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want payload
		ok   bool
	}{
		"RFC 4733 figure 1": {"\x09\x07\x00\x00", payload{9, false, 7, 0}, true},
		"end":               {"\x0b\x8a\x01\x90", payload{11, true, 10, 400}, true},
		"reserved bit":      {"\x01\x4a\xff\xff", payload{1, false, 10, 65535}, true},
		"two events":        {"\x01\x8a\x00\xa0\x02\x0a\x00\xa0", payload{1, true, 10, 160}, true},
		"too short":         {"\x01\x0a\x00", payload{}, false},
		"empty":             {"", payload{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var p payload
			if ok := p.parse([]byte(tc.raw)); ok != tc.ok || p != tc.want {
				t.Errorf("got %+v, %v, want %+v", p, ok, tc.want)
			}
		})
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("\x09\x07\x00\x00"))
	f.Add([]byte("\x0b\x8a\x01\x90\x00"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p payload
		if ok := p.parse(raw); ok != (len(raw) >= payloadBytes) {
			t.Fatalf("%x: %v", raw, ok)
		} else if ok {
			again := p.bytes()
			want := [payloadBytes]byte(raw)
			want[1] &^= 0x40 // reserved
			if again != want {
				t.Fatalf("%x was written again as %x", raw, again)
			}
		}
	})
}

// Every byte string is a script of packets. Whatever it says, keys go down and up
// in turn.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("\x00\x01\x0a\x00\xa0\x14\x00\x01\x0a\x01\x40\x14\x00\x01\x8a\x01\x40\x14"))
	f.Add([]byte("\x80\x01\x0a\xff\xff\x14\x1f\x01\x0a\x01\x40\xff\x40\x02\x8a\x01\x40\x14"))
	f.Fuzz(func(t *testing.T, script []byte) {
		r := NewReceiver(8000)
		var now time.Duration
		var timestamp uint32
		var events []Event
		for ; len(script) >= 6; script = script[6:] {
			op := script[0]
			timestamp += uint32(int32(int8(op<<2))>>2) << (op >> 6 * 5)
			now += time.Duration(script[5]) * time.Millisecond
			before := len(events)
			events = r.Put(events, Packet{Timestamp: timestamp, SSRC: uint32(script[1] >> 6), Marker: op&1 == 1, Payload: script[1 : 1+script[5]%5]}, now)
			if len(events) > before+3 {
				t.Fatalf("%d events of a packet", len(events)-before)
			}
		}
		events = r.Expire(events, now+time.Hour)
		for i, e := range events {
			if e.Down != (i%2 == 0) || i%2 == 1 && e.Key != events[i-1].Key || e.Lasted < 0 {
				t.Fatalf("event %d is %+v", i, e)
			}
		}
		if len(events)%2 != 0 {
			t.Fatal("a key stayed down")
		}
	})
}
