// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"fmt"
	"math"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/opus"
)

// Loss, in percent, from which on packets are protected, and below which they no
// longer are. The protected kind takes several times the CPU time and 4 ms more of
// delay, and changing between them may be heard.
const (
	protectFrom  = 3
	protectUntil = 1
)

// libopus is only asked for by those who have Opus from All.
func libopus() *opus.Library {
	l, err := opus.Default()
	if err != nil {
		panic(fmt.Sprintf("codec: Opus is used though All does not list it: %v", err))
	}
	return l
}

type opusEncoder struct {
	encoder   *opus.Encoder
	protected bool
}

func newOpusEncoder() *opusEncoder {
	e, err := libopus().NewEncoder(opus.LowDelay())
	if err != nil {
		panic(err) // a constant configuration
	}
	return &opusEncoder{encoder: e}
}

func (e *opusEncoder) Encode(dst []byte, frame []int16) []byte {
	out, err := e.encoder.Encode(dst, frame)
	if err != nil {
		return dst // no frame of 2.5 to 60 ms
	}
	if p, err := opus.Parse(out[len(dst):]); err != nil || p.DTX {
		return dst
	}
	return out
}

func (e *opusEncoder) AdaptToLoss(percent float64) {
	c := opus.LowDelay()
	if percent >= protectFrom || e.protected && percent >= protectUntil {
		c = opus.Lossy()
		c.LossPercent = int(min(math.Ceil(percent), 100))
	}
	if err := e.encoder.Configure(c); err != nil {
		panic(err) // within the limits whatever the percentage
	}
	e.protected = !c.LowDelay
}

type opusDecoder struct {
	decoder *opus.Decoder
	last    int // samples of the last packet
}

func newOpusDecoder() *opusDecoder {
	d, err := libopus().NewDecoder()
	if err != nil {
		panic(err) // libopus takes the rate, or is not libopus
	}
	return &opusDecoder{decoder: d, last: audio.FrameSamples}
}

func (d *opusDecoder) Decode(dst []int16, payload []byte) []int16 {
	out, err := d.decoder.Decode(dst, payload)
	if err != nil {
		return d.Conceal(dst, d.last)
	}
	d.last = len(out) - len(dst)
	return out
}

func (d *opusDecoder) Conceal(dst []int16, samples int) []int16 {
	out, err := d.decoder.Conceal(dst, whole(samples))
	return cut(dst, out, samples, err)
}

func (d *opusDecoder) Recover(dst []int16, next []byte, samples int) []int16 {
	out, err := d.decoder.Recover(dst, next, whole(samples))
	if err != nil { // next is malformed
		return d.Conceal(dst, samples)
	}
	return cut(dst, out, samples, nil)
}

// whole rounds up to the 2.5 ms that Opus counts in.
func whole(samples int) int {
	const granule = audio.SampleRate / 400
	return max(samples+granule-1, 0) / granule * granule
}

// cut takes what was asked for of what was made.
func cut(dst, out []int16, samples int, err error) []int16 {
	if err != nil {
		return dst
	}
	return out[:min(len(dst)+max(samples, 0)&^1, len(out))]
}
