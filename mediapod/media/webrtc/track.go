// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

const (
	kindAudio = "audio"
	kindVideo = "video"
)

// track is our stream in a section. pion binds it once codecs are agreed on; then
// packets go to its writer directly.
type track struct {
	kind  string
	id    string // of its own in the description: browsers refuse one in which a stream has two tracks of a name
	bound atomic.Pointer[bound]

	// What was sent, for the reports: written by the one who sends.
	packets, octets atomic.Uint32
	timestamp       atomic.Uint32
	at              atomic.Int64 // UnixNano
}

type bound struct {
	writer    webrtc.TrackLocalWriter
	header    rtp.Header
	clockRate uint32 // of what is sent; of all codecs of a section that we speak at a time
}

func (t *track) send(out *transport.Packet) error {
	b := t.bound.Load()
	if b == nil {
		return errNotBound
	}
	b.header.Marker = out.Marker
	b.header.PayloadType = out.PayloadType
	b.header.SequenceNumber = out.Sequence
	b.header.Timestamp = out.Timestamp
	if _, err := b.writer.WriteRTP(&b.header, out.Payload); err != nil {
		return err
	}
	t.packets.Add(1)
	t.octets.Add(uint32(len(out.Payload)))
	t.timestamp.Store(out.Timestamp)
	t.at.Store(time.Now().UnixNano())
	return nil
}

// Bind implements webrtc.TrackLocal. pion wants one codec of those agreed on; the packets say which one it really is.
func (t *track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, agreed := range c.CodecParameters() {
		if strings.HasPrefix(strings.ToLower(agreed.MimeType), t.kind+"/") && agreed.MimeType != telephoneEvents[0].MimeType {
			t.bound.Store(&bound{writer: c.WriteStream(), header: rtp.Header{Version: 2, SSRC: uint32(c.SSRC())}, clockRate: agreed.ClockRate})
			return agreed, nil
		}
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.bound.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *track) ID() string { return t.id }

// RID implements webrtc.TrackLocal.
func (*track) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (*track) StreamID() string { return "bot" }

// Kind implements webrtc.TrackLocal.
func (t *track) Kind() webrtc.RTPCodecType { return webrtc.NewRTPCodecType(t.kind) }
