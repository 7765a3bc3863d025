// SPDX-License-Identifier: Apache-2.0

// Package measure compares what was spoken with what was heard, so that a test or
// a demo can tell a voice that came through from bytes that merely arrived.
package measure

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Report says how well a recording carries a piece of speech.
type Report struct {
	// Delay is where in the recording the speech begins: the shift at which the
	// two correlate best. It is negative when the recording begins late.
	Delay time.Duration
	// Correlation is Pearson's coefficient of the whole spoken piece and as much
	// of the recording, at that shift: 1 is the same waveform at any volume, 0 has
	// nothing to do with it, or is silent. Parts of the speech that lie outside of
	// the recording count as silence. A waveform upside down is negative and thus
	// never found.
	Correlation float64
	// LevelDB is the level of the recording minus that of the speech, both taken
	// as RMS over the blocks in which the speech is not silent. A silent recording
	// is reported as audio.SilenceDBov.
	LevelDB float64
	// LongestGap is the longest time for which the recording is silent while the
	// speech is not.
	LongestGap time.Duration
}

// ErrSilent is returned when there is no speech to compare with.
var ErrSilent = errors.New("the spoken audio is silent")

// Compare looks for spoken within heard. Both are at sampleRate; heard may be
// longer and may hold other things before and after.
func Compare(spoken, heard []int16, sampleRate int) (Report, error) {
	if sampleRate < 1000 || sampleRate > 192000 {
		return Report{}, fmt.Errorf("cannot compare audio at a sample rate of %d", sampleRate)
	}
	blocks := newBlocks(spoken, sampleRate)
	if !blocks.anyActive() {
		return Report{}, ErrSilent
	}
	lag, correlation := align(spoken, heard)
	aligned := shifted(heard, lag, len(spoken))
	level := blocks.levelDifference(aligned)
	return Report{
		Delay:       time.Duration(lag) * time.Second / time.Duration(sampleRate),
		Correlation: correlation,
		LevelDB:     level,
		LongestGap:  blocks.longestGap(aligned, level),
	}, nil
}

// shifted is n samples of s from lag on, with silence where there are none.
func shifted(s []int16, lag, n int) []int16 {
	out := make([]int16, n)
	if lag < 0 {
		copy(out[min(-lag, n):], s)
	} else {
		copy(out, s[min(lag, len(s)):])
	}
	return out
}

// align finds the shift with the best normalised correlation. A tie goes to the
// earliest shift that is not negative.
func align(spoken, heard []int16) (lag int, best float64) {
	n, m := len(spoken), len(heard)
	mean, energy := moments(spoken)
	if m == 0 || energy == 0 {
		return 0, 0
	}
	products := crossCorrelate(spoken, mean, heard)
	sums, squares := prefixSums(heard)

	// Windows of the recording that are all but silent, a sum below one step of
	// quantisation, are noise and would only be blown up.
	floor := float64(n)
	for l := -(n - 1); l < m; l++ {
		from, to := max(l, 0), min(l+n, m)
		sum := sums[to] - sums[from]
		around := squares[to] - squares[from] - sum*sum/float64(n)
		if around < floor {
			continue
		}
		r := products[l+n-1] / math.Sqrt(energy*around)
		if r > best || r == best && lag < 0 && l >= 0 {
			lag, best = l, r
		}
	}
	return lag, min(best, 1)
}

// moments is the mean, and the energy around it.
func moments(s []int16) (mean, energy float64) {
	var sum float64
	for _, v := range s {
		sum += float64(v)
	}
	if len(s) > 0 {
		mean = sum / float64(len(s))
	}
	return mean, audio.Energy(s) - mean*sum
}

func prefixSums(s []int16) (sums, squares []float64) {
	sums, squares = make([]float64, len(s)+1), make([]float64, len(s)+1)
	for i, v := range s {
		f := float64(v)
		sums[i+1], squares[i+1] = sums[i]+f, squares[i]+f*f
	}
	return sums, squares
}
