// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"bytes"
	"testing"
	"time"
)

// zeros is n bytes of frame data after a header.
func zeros(n int, header ...byte) []byte { return append(header, make([]byte, n)...) }

func TestAPacketIsWhatItsHeaderSays(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		packet []byte
		want   Packet
	}{
		"SILK narrowband 10 ms":         {zeros(20, 0<<3), Packet{1, 10 * ms, false, false}},
		"SILK wideband 20 ms":           {zeros(20, 9<<3), Packet{1, 20 * ms, false, false}},
		"SILK wideband 60 ms stereo":    {zeros(20, 11<<3|4), Packet{1, 60 * ms, true, false}},
		"hybrid 10 ms":                  {zeros(20, 12<<3), Packet{1, 10 * ms, false, false}},
		"hybrid fullband 20 ms":         {zeros(20, 15<<3), Packet{1, 20 * ms, false, false}},
		"CELT narrowband 2.5 ms":        {zeros(20, 16<<3), Packet{1, 5 * ms / 2, false, false}},
		"CELT wideband 5 ms":            {zeros(20, 21<<3), Packet{1, 5 * ms, false, false}},
		"CELT fullband 20 ms":           {zeros(20, 31<<3), Packet{1, 20 * ms, false, false}},
		"a table of contents alone":     {zeros(0, 9<<3), Packet{1, 20 * ms, false, true}},
		"and one byte":                  {zeros(1, 9<<3), Packet{1, 20 * ms, false, true}},
		"and two bytes":                 {zeros(2, 9<<3), Packet{1, 20 * ms, false, false}},
		"the largest frame":             {zeros(1275, 9<<3), Packet{1, 20 * ms, false, false}},
		"two frames of one size":        {zeros(20, 9<<3|1), Packet{2, 20 * ms, false, false}},
		"two empty frames":              {zeros(0, 9<<3|1), Packet{2, 20 * ms, false, true}},
		"two frames of two sizes":       {zeros(20, 9<<3|2, 15), Packet{2, 20 * ms, false, false}},
		"the second one empty":          {zeros(15, 9<<3|2, 15), Packet{2, 20 * ms, false, false}},
		"a size of two bytes":           {zeros(252+4*2+7, 9<<3|2, 252, 2), Packet{2, 20 * ms, false, false}},
		"three of one size":             {zeros(21, 9<<3|3, 3), Packet{3, 20 * ms, false, false}},
		"three of their own sizes":      {zeros(9, 9<<3|3, 0x80|3, 2, 4), Packet{3, 20 * ms, false, false}},
		"three with nothing to hear":    {zeros(2, 9<<3|3, 0x80|3, 1, 1), Packet{3, 20 * ms, false, true}},
		"48 of 2.5 ms":                  {zeros(96, 16<<3|3, 48), Packet{48, 5 * ms / 2, false, false}},
		"padding":                       {zeros(21+5, 9<<3|3, 0x40|3, 5), Packet{3, 20 * ms, false, false}},
		"padding of two lengths":        {zeros(21+254+5, 9<<3|3, 0x40|3, 255, 5), Packet{3, 20 * ms, false, false}},
		"nothing to hear but padding":   {zeros(40, 9<<3|3, 0x40|1, 40), Packet{1, 20 * ms, false, true}},
		"padding and sizes of each one": {zeros(9+2, 9<<3|3, 0xC0|2, 2, 5), Packet{2, 20 * ms, false, false}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.packet)
			if err != nil || got != tc.want {
				t.Errorf("Parse = %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}

func TestMalformedPacketsAreRefused(t *testing.T) {
	for name, packet := range map[string][]byte{
		"R1, no byte":                        nil,
		"R2, a frame too large":              zeros(1276, 9<<3),
		"R2, two frames too large":           zeros(2552, 9<<3|1),
		"R2, the last one too large":         zeros(1286, 9<<3|2, 10),
		"R3, two frames of an odd length":    zeros(21, 9<<3|1),
		"R4, no size":                        zeros(0, 9<<3|2),
		"R4, half a size":                    zeros(0, 9<<3|2, 252),
		"R4, less than the size":             zeros(20, 9<<3|2, 21),
		"R5, more than 120 ms":               zeros(49, 16<<3|3, 49),
		"R5, no frames":                      zeros(0, 9<<3|3, 0),
		"R5, three of 60 ms":                 zeros(21, 11<<3|3, 3),
		"R6, no count":                       zeros(0, 9<<3|3),
		"R6, not a multiple":                 zeros(22, 9<<3|3, 3),
		"R6, padding without length":         zeros(0, 9<<3|3, 0x43),
		"R6, padding with half a length":     zeros(0, 9<<3|3, 0x43, 255),
		"R6, more padding than packet":       zeros(4, 9<<3|3, 0x43, 5),
		"R7, fewer sizes than frames":        zeros(0, 9<<3|3, 0x83, 0),
		"R7, less than the sizes":            zeros(5, 9<<3|3, 0x83, 3, 3),
		"R7, padding leaves too little":      zeros(8, 9<<3|3, 0xC3, 4, 3, 2),
		"a size of the padding, not a frame": zeros(0, 9<<3|3, 0x42, 255, 255),
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := Parse(packet); err != ErrMalformed || p != (Packet{}) {
				t.Errorf("Parse = %+v, %v", p, err)
			}
		})
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	packet := zeros(21, 9<<3|3, 3)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Parse(packet); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

// Whatever arrives, Parse neither fails nor promises what cannot be; and where
// libopus is at hand the two agree on what is a packet and on how long it is.
func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{nil, zeros(20, 9<<3), zeros(20, 9<<3|1), zeros(20, 9<<3|2, 15), zeros(9, 9<<3|3, 0x80|3, 2, 4),
		zeros(21+254+5, 9<<3|3, 0x40|3, 255, 5), zeros(96, 16<<3|3, 48), zeros(11, 9<<3|3, 0xC0|2, 2, 5)} {
		f.Add(seed)
	}
	lib, _ := Default()
	f.Fuzz(func(t *testing.T, packet []byte) {
		before := bytes.Clone(packet)
		p, err := Parse(packet)
		if err == nil && (p.Frames < 1 || p.Frames > 48 || p.Duration() < 5*time.Millisecond/2 || p.Duration() > maxDuration) {
			t.Errorf("%x is %+v", packet, p)
		}
		if !bytes.Equal(before, packet) {
			t.Errorf("%x was changed to %x", before, packet)
		}
		if lib == nil || len(packet) == 0 {
			return
		}
		d, nerr := lib.NewDecoder()
		if nerr != nil {
			t.Fatal(nerr)
		}
		pcm, derr := d.Decode(nil, packet)
		if (derr == nil) != (err == nil) {
			t.Errorf("%x: libopus says %v, Parse %v", packet, derr, err)
		}
		if want := int(p.Duration() * 16 / time.Millisecond); err == nil && len(pcm) != want {
			t.Errorf("%x: %d samples, want %d", packet, len(pcm), want)
		}
	})
}
