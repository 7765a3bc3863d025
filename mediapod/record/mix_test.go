// SPDX-License-Identifier: Apache-2.0

package record

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media"
)

// Playing out waits longer, or less, as the network wants it. The mix keeps to the time at which sound came, and nobody hears
// where it makes up for that: a tone goes on.
func TestTheMixFollowsTheDelayWithoutAClick(t *testing.T) {
	const hz, peak = 440, 8000
	c := newCall(t, nil)
	c.begin()
	delay, sample := 640, 0 // of playing out, and of the tone, in samples
	for i := range 500 {
		switch {
		case i%10 == 9 && i < 60, i%10 == 9 && i > 300 && i < 340: // a period of the tone six times over
			delay += 218
		case i%10 == 9 && i > 150 && i < 210:
			delay -= 218
		}
		var pcm [audio.FrameSamples]int16
		for j := range pcm {
			pcm[j] = int16(peak * math.Sin(2*math.Pi*hz*float64(sample)/audio.SampleRate))
			sample++
		}
		f := media.Frame{At: c.clock.Now(), Heard: pcm[:]}
		f.HeardAt = f.At.Add(-time.Duration(delay) * time.Second / audio.SampleRate)
		c.Tap(&f)
		c.clock.mu.Lock()
		c.clock.now = c.clock.now.Add(frame)
		c.clock.mu.Unlock()
		if i%5 == 4 {
			c.clock.ticks <- c.clock.Now()
		}
	}
	c.close()
	b, err := os.Open(filepath.Join(c.dir, "standup."+TrackMixed+".wav"))
	c.must(err)
	defer b.Close()
	clip, err := wav.Decode(b, 1<<30)
	c.must(err)

	tone := clip.Samples
	for len(tone) > 0 && tone[0] == 0 {
		tone = tone[1:]
	}
	for len(tone) > 0 && tone[len(tone)-1] == 0 {
		tone = tone[:len(tone)-1]
	}
	if lacks := 10*audio.SampleRate - len(tone); lacks < 0 || lacks > audio.SampleRate/4 {
		t.Errorf("%d of %d samples are missing", lacks, 10*audio.SampleRate)
	}
	tone = tone[audio.FrameSamples : len(tone)-2*audio.FrameSamples]
	most := peak*2*hz*314/100/audio.SampleRate + 100
	for i := 1; i < len(tone); i++ {
		if step := int(tone[i]) - int(tone[i-1]); step > most || step < -most {
			t.Fatalf("a click at %v: a step of %d, the tone's own is %d", time.Duration(i)*time.Second/audio.SampleRate, step, most)
		}
	}
	for i := 0; i+160 <= len(tone); i += 160 {
		if level := audio.DBov(audio.Energy(tone[i:i+160]), 160); level < -20 {
			t.Fatalf("a gap at %v: %.1f dBov", time.Duration(i)*time.Second/audio.SampleRate, level)
		}
	}
}
