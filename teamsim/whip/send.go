// SPDX-License-Identifier: Apache-2.0

package whip

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
)

// sendTrack is the audio we send. Unlike pion's own tracks it takes whichever codec the answer put first.
type sendTrack struct {
	mu       sync.Mutex
	writer   webrtc.TrackLocalWriter
	codec    codec.Codec
	encoder  codec.Encoder
	header   rtp.Header
	levelID  uint8 // 0: the answer did not take the extension
	payload  []byte
	sent     uint64
	speaking bool
	keys     keypad
}

func (t *sendTrack) ID() string                { return "audio" }
func (t *sendTrack) RID() string               { return "" }
func (t *sendTrack) StreamID() string          { return "main-audio" }
func (t *sendTrack) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

// Bind is called by pion when the answer is in.
func (t *sendTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ctx.CodecParameters() {
		c, ok := codec.ByName(p.MimeType)
		if !ok {
			continue
		}
		t.codec, t.encoder, t.writer = c, c.NewEncoder(), ctx.WriteStream()
		t.keys.bind(ctx.CodecParameters(), c)
		t.header = rtp.Header{
			Version: 2, PayloadType: uint8(p.PayloadType), SSRC: uint32(ctx.SSRC()),
			SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32(),
		}
		for _, e := range ctx.HeaderExtensions() {
			if e.URI == audioLevel {
				t.levelID = uint8(e.ID)
			}
		}
		return p, nil
	}
	return webrtc.RTPCodecParameters{}, errors.New("the bot's answer has no audio codec that was offered")
}

// Unbind is called by pion at the end.
func (t *sendTrack) Unbind(webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer = nil
	return nil
}

func (t *sendTrack) write(frame *[audio.FrameSamples]int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.writer == nil {
		return
	}
	if header, payload := t.keys.next(t.header, t.codec.TimestampStep); header != nil {
		t.send(header, payload)
		t.speaking = false
		return
	}
	level := audio.DBov(audio.Energy(frame[:]), len(frame))
	loud := level > -50
	t.header.Marker = loud && !t.speaking // the first packet of a talkspurt (RFC 3551 section 4.1)
	t.speaking = loud
	if t.levelID != 0 {
		ext := rtp.AudioLevelExtension{Level: uint8(min(max(-level, 0), 127)), Voice: loud}
		if raw, err := ext.Marshal(); err == nil {
			_ = t.header.SetExtension(t.levelID, raw)
		}
	}
	t.payload = t.encoder.Encode(t.payload[:0], frame[:])
	t.send(&t.header, t.payload)
}

// send sends what is due, and goes on by 20 ms.
func (t *sendTrack) send(header *rtp.Header, payload []byte) {
	// Errors mean that DTLS is not up yet or gone; Connected and Lost tell about both.
	if _, err := t.writer.WriteRTP(header, payload); err == nil {
		t.sent++
	}
	t.header.SequenceNumber++
	t.header.Timestamp += t.codec.TimestampStep
}

func (t *sendTrack) stats(s *Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Codec, s.PacketsSent, s.LevelExtensionSent = t.codec.Name, t.sent, t.levelID != 0
}
