// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"math"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Levels and gaps are judged in blocks of 5 ms: short beside a packet of 20 ms,
// long beside the pitch of a voice.
const blocksPerSecond = 200

// What counts as silent.
const (
	// activeDB below the loudest block the speech still counts as speech …
	activeDB = 30
	// … unless it is below -55 dBov, which is a room.
	floorDBov = -55
	// A block of the recording is silent when it is this far below what just
	// counts as speech, at the recording's own volume: further than a codec or a
	// neighbouring block moves it.
	silentDB = 12
	// A recording this much quieter than the speech is not one with a low volume.
	leastLevelDB = -40
)

// bridge is the longest pause within speech, such as before a "t", over which a
// gap is taken to go on. A longer one ends it: nothing is missing in a pause.
const bridge = 50 * time.Millisecond

// blocks is a piece of speech cut up, with the blocks that are not silent marked.
type blocks struct {
	samples   []int16
	size      int
	active    []bool
	threshold float64 // dBov, of an active block
}

func newBlocks(samples []int16, sampleRate int) blocks {
	b := blocks{samples: samples, size: sampleRate / blocksPerSecond}
	b.active = make([]bool, len(samples)/b.size)
	loudest := float64(audio.SilenceDBov)
	for i := range b.active {
		loudest = max(loudest, b.level(samples, i))
	}
	b.threshold = max(loudest-activeDB, floorDBov)
	for i := range b.active {
		b.active[i] = b.level(samples, i) >= b.threshold
	}
	return b
}

// level is that of block i of the spoken or the aligned recorded samples.
func (b blocks) level(samples []int16, i int) float64 {
	return audio.DBov(audio.Energy(samples[i*b.size:(i+1)*b.size]), b.size)
}

func (b blocks) anyActive() bool {
	for _, a := range b.active {
		if a {
			return true
		}
	}
	return false
}

func (b blocks) levelDifference(aligned []int16) float64 {
	var spoken, heard float64
	for i, a := range b.active {
		if a {
			spoken += audio.Energy(b.samples[i*b.size : (i+1)*b.size])
			heard += audio.Energy(aligned[i*b.size : (i+1)*b.size])
		}
	}
	if heard == 0 {
		return audio.SilenceDBov
	}
	return max(10*math.Log10(heard/spoken), audio.SilenceDBov)
}

// longestGap goes through the runs of silent blocks of the recording and measures
// each from the first to the last active block of the speech in it, less the
// pauses longer than bridge.
func (b blocks) longestGap(aligned []int16, levelDB float64) time.Duration {
	silence := b.threshold + min(max(levelDB, leastLevelDB), 0) - silentDB
	maxPause := int(bridge * blocksPerSecond / time.Second)

	longest := 0
	first, last := -1, -1 // active blocks of the gap at hand
	for i, active := range b.active {
		if b.level(aligned, i) >= silence || last >= 0 && i-last > maxPause {
			first, last = -1, -1
		}
		if active && b.level(aligned, i) < silence {
			if first < 0 {
				first = i
			}
			last = i
			longest = max(longest, last-first+1)
		}
	}
	return time.Duration(longest) * time.Second / blocksPerSecond
}
