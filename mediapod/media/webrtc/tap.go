// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"io"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v4/packetio"
)

// streamBuffer bounds what waits of a stream that is read in pion's way.
const streamBuffer = 1 << 20

// buffer is what pion puts the packets of one stream into. Audio's are taken out as they are put in.
func (p *peer) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	i, remote := p.remote[ssrc]
	if !remote {
		var ok bool
		if i, ok = p.local[ssrc]; !ok && p.only { // the one section's, although no offer declares it
			i, remote = 0, true
		} else if !ok {
			i = -1
		}
	}
	if i < 0 || p.tracks[i].kind != kindAudio || kind == packetio.RTPBufferPacket && !remote {
		b := packetio.NewBuffer()
		b.SetLimitSize(streamBuffer)
		return b
	}
	if kind == packetio.RTPBufferPacket {
		return tap{func(raw []byte) { p.deliverTapped(i, raw) }}
	}
	return tap{func(raw []byte) {
		if packets, err := rtcp.Unmarshal(raw); err == nil {
			p.control(packets, i)
		}
	}}
}

// tapped: the stream is delivered as it comes, and nobody need read it.
func (p *peer) tapped(ssrc uint32, i int) bool {
	_, declared := p.remote[ssrc]
	return (declared || p.only) && p.tracks[i].kind == kindAudio
}

// tap takes packets instead of keeping them: there is nothing to read.
type tap struct{ take func(raw []byte) }

func (t tap) Write(b []byte) (int, error) {
	t.take(b)
	return len(b), nil
}

func (tap) Read([]byte) (int, error) { return 0, io.EOF }

func (tap) Close() error { return nil }
