// SPDX-License-Identifier: Apache-2.0

package whip

import (
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/teamsim/jitter"
)

// receiver takes the bot's packets into the jitter buffer.
type receiver struct {
	buffer *jitter.Buffer

	decodeMu    sync.Mutex
	codecs      map[uint8]codec.Codec // by payload type, as negotiated
	decoder     codec.Decoder
	decoderType uint8

	mu       sync.Mutex
	packets  uint64
	last     time.Time
	level    float64
	levelSet bool
	levels   bool
}

// read runs until the track ends. The bot may change codec in mid-stream, so each packet's own payload type counts.
func (r *receiver) read(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if isKeys(track.Codec().MimeType) {
			continue // a bot presses keys with sendDtmfTones
		}
		r.learn(packet.PayloadType, track)
		r.mu.Lock()
		r.packets++
		r.last = time.Now()
		r.levels = r.levels || len(packet.Extensions) > 0
		r.mu.Unlock()
		if len(packet.Payload) > 0 {
			r.buffer.Push(packet.Timestamp, packet.PayloadType, packet.Payload)
		}
	}
}

func (r *receiver) learn(payloadType uint8, track *webrtc.TrackRemote) {
	r.decodeMu.Lock()
	defer r.decodeMu.Unlock()
	if _, known := r.codecs[payloadType]; known {
		return
	}
	if c, ok := codec.ByName(track.Codec().MimeType); ok {
		if r.codecs == nil {
			r.codecs = map[uint8]codec.Codec{}
		}
		r.codecs[payloadType] = c
	}
}

// decode is called by the jitter buffer, in the order in which packets are heard.
func (r *receiver) decode(dst []int16, payloadType uint8, payload []byte) []int16 {
	r.decodeMu.Lock()
	if r.decoder == nil || r.decoderType != payloadType {
		c, ok := r.codecs[payloadType]
		if !ok {
			r.decodeMu.Unlock()
			return dst
		}
		r.decoder, r.decoderType = c.NewDecoder(), payloadType
	}
	had := len(dst)
	dst = r.decoder.Decode(dst, payload)
	r.decodeMu.Unlock()

	level := audio.DBov(audio.Energy(dst[had:]), len(dst)-had)
	r.mu.Lock()
	r.level, r.levelSet = level, true
	r.mu.Unlock()
	return dst
}

func (r *receiver) stats(s *Stats) {
	s.FramesLost, s.PacketsLate = r.buffer.Losses()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.PacketsReceived, s.LastReceived, s.LevelsHeard = r.packets, r.last, r.levels
	s.ReceivedDBov = audio.SilenceDBov
	if r.levelSet && time.Since(r.last) < time.Second {
		s.ReceivedDBov = r.level
	}
}
