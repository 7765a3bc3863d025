// SPDX-License-Identifier: Apache-2.0

package whip

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
)

const (
	pressFrames = 5 // 100 ms down, as people press, and 80 ms up; ITU-T Q.24 asks for 40 ms of each
	pauseFrames = 4
	endPackets  = 3 // so many say that the key is up (RFC 4733 section 2.5.1.4)
	keyVolume   = 10
	maxKeys     = 64
)

// eventCodes are the keys as the calls API names them, by their number as an event (RFC 4733 section 3.2).
var eventCodes = []string{"tone0", "tone1", "tone2", "tone3", "tone4", "tone5", "tone6", "tone7", "tone8", "tone9", "star", "pound", "a", "b", "c", "d", "flash"}

// keyEvents are telephone events in the clocks of the codecs, under the payload types that browsers use.
var keyEvents = []webrtc.RTPCodecParameters{
	{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 8000}, PayloadType: 126},
	{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 48000}, PayloadType: 110},
}

func isKeys(mimeType string) bool { return strings.EqualFold(mimeType, keyEvents[0].MimeType) }

// keypad sends keys instead of sound, one after the other (RFC 4733).
type keypad struct {
	payloadType uint8 // 0: the answer takes no events in the clock of its codec
	queue       []uint8
	tick        int // of the key at hand, whose first is 0
	timestamp   uint32
}

// bind finds the events that the answer took. They have the clock of the audio beside them (RFC 4733 section 2.1).
func (k *keypad) bind(taken []webrtc.RTPCodecParameters, c codec.Codec) {
	k.payloadType = 0
	for _, p := range taken {
		if isKeys(p.MimeType) && p.ClockRate == c.ClockRate {
			k.payloadType = uint8(p.PayloadType)
		}
	}
}

// ErrNoKeys is a bot whose media takes no keys.
var ErrNoKeys = errors.New("the bot's answer took no telephone events (RFC 4733)")

func (k *keypad) press(tone string) error {
	code := slices.Index(eventCodes, tone)
	switch {
	case k.payloadType == 0:
		return ErrNoKeys
	case code < 0:
		return errors.New("there is no key " + tone)
	case len(k.queue) >= maxKeys:
		return errors.New("too many keys are being pressed")
	}
	k.queue = append(k.queue, uint8(code))
	return nil
}

// next makes the packet that is due; nil if sound is. One clock tick is step.
func (k *keypad) next(header rtp.Header, step uint32) (*rtp.Header, []byte) {
	if len(k.queue) == 0 {
		return nil, nil
	}
	at := k.tick
	k.tick++
	if at == 0 {
		k.timestamp = header.Timestamp
	}
	if at >= pressFrames+endPackets-1 { // the key is up, and there is sound again
		if at == pressFrames+pauseFrames-1 {
			k.queue, k.tick = k.queue[1:], 0
		}
		return nil, nil
	}
	length := min(at+1, pressFrames)
	payload := []byte{k.queue[0], keyVolume, 0, 0}
	if at+1 >= pressFrames {
		payload[1] |= 0x80 // E: the key is up
	}
	binary.BigEndian.PutUint16(payload[2:], uint16(uint32(length)*step))
	return &rtp.Header{
		Version: 2, PayloadType: k.payloadType, SSRC: header.SSRC, SequenceNumber: header.SequenceNumber, Timestamp: k.timestamp, Marker: at == 0,
	}, payload
}

// Press presses a key, after those that were pressed before.
func (l *Leg) Press(tone string) error {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	return l.out.keys.press(tone)
}
