// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
)

const ms = audio.SampleRate / 1000

func largestJump(s []int16) (jump float64) {
	for i := 1; i < len(s); i++ {
		jump = max(jump, math.Abs(float64(s[i])-float64(s[i-1])))
	}
	return jump
}

// lose decodes packets around a loss, from some before it to some after, and
// returns what is heard and what it would be without the loss.
func lose(c Codec, all []coded, from, n int) (heard, clean []int16) {
	d := c.NewDecoder()
	for i := max(from-15, 0); i < min(from+n+5, len(all)); i++ {
		clean = append(clean, all[i].heard...)
		if i >= from && i < from+n {
			heard = d.Conceal(heard, audio.FrameSamples)
		} else {
			heard = d.Decode(heard, all[i].payload)
		}
	}
	return heard, clean
}

// Wherever speech is lost, the sound does not jump further at either end of the
// loss, or within it, than it does by itself within the 60 ms about it; all but a few
// times, and then by little. A click is several times as much.
func TestALossMakesNoClick(t *testing.T) {
	spoken := speech(t, "standup.wav")
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			need(t, c)
			few, little := 0.02, 1.25
			if c == Opus { // libopus's own
				few, little = 0.06, 2
			}
			all := packetsOf(c, spoken)
			whole := 0.0
			for _, p := range all {
				whole = max(whole, largestJump(p.heard))
			}
			for _, n := range []int{1, 3} {
				losses, beyond, worst := 0, 0, 0.0
				for from := 20; from+n+5 < len(all); from += 6 {
					heard, clean := lose(c, all, from, n)
					if len(heard) != len(clean) {
						t.Fatalf("%d samples, want %d", len(heard), len(clean))
					}
					start := 15 * audio.FrameSamples
					end := start + n*audio.FrameSamples
					got := largestJump(heard[start-ms : end+15*ms])
					own := largestJump(clean[start-60*ms:min(end+60*ms, len(clean))]) + 50
					if got > 1.1*whole {
						t.Errorf("%d packets at %d: a jump of %.0f; nowhere is there one above %.0f", n, from, got, whole)
					}
					losses++
					if got > own {
						beyond++
					}
					worst = max(worst, got/own)
				}
				t.Logf("%d packets: of %d losses %d jump further than the speech about them, at most %.2f times", n, losses, beyond, worst)
				if float64(beyond) > few*float64(losses) || worst > little {
					t.Errorf("%d packets: of %d losses %d jump further than the speech about them, at most %.2f times", n, losses, beyond, worst)
				}
			}
		})
	}
}

// In a tone, whose own steps are small, no seam can hide: neither where the loss
// begins or ends nor where the repetition begins again.
func TestALossBreaksNoTone(t *testing.T) {
	for _, hz := range []float64{150, 310, 440} {
		tone := make([]int16, audio.SampleRate)
		for i := range tone {
			tone[i] = int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate))
		}
		for _, c := range []Codec{G722, PCMU, PCMA} {
			all := packetsOf(c, tone)
			for from := 20; from < 30; from++ {
				for _, n := range []int{1, 3, 4} {
					heard, clean := lose(c, all, from, n)
					at := 15*audio.FrameSamples - ms
					got, own := largestJump(heard[at:]), largestJump(clean[at:])
					if got > 1.3*own+100 {
						t.Errorf("%s, %v Hz, %d packets at %d: a jump of %.0f; that of the tone is %.0f", c.Name, hz, n, from, got, own)
					}
				}
			}
		}
	}
}

// A steady voice goes on as if nothing were lost, for the time before it fades.
func TestAVoicedLossIsAllButInaudible(t *testing.T) {
	voice := make([]int16, audio.SampleRate)
	for i := range voice { // 125 Hz with overtones
		for h := 1.0; h <= 12; h++ {
			voice[i] += int16(3000 / h * math.Sin(2*math.Pi*125*h*float64(i)/audio.SampleRate+h*h))
		}
	}
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			need(t, c)
			heard, clean := lose(c, packetsOf(c, voice), 25, 1)
			at := 15 * audio.FrameSamples
			var wrong float64
			for i := at; i < at+10*ms; i++ {
				e := float64(heard[i]) - float64(clean[i])
				wrong += e * e
			}
			if snr := 10 * math.Log10(audio.Energy(clean[at:at+10*ms])/wrong); snr < 12 {
				t.Errorf("the first 10 ms are %.1f dB above what is wrong with them", snr)
			}
		})
	}
}

// Waveform concealment is silent after 60 ms (G.711 Appendix I section I.2.7);
// that of Opus takes longer. Neither ever grows.
func TestTheEnergyOfALossDecays(t *testing.T) {
	spoken := speech(t, "standup.wav")
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			need(t, c)
			all := packetsOf(c, spoken[:4*audio.SampleRate])
			for _, after := range []int{60, 90, 120, 150, 199} {
				d := c.NewDecoder()
				var before []int16
				for _, p := range all[:after] {
					before = d.Decode(before, p.payload)
				}
				// What is repeated may be any of the last three periods.
				loudest := 0.0
				for at := len(before) - 60*ms; at <= len(before)-audio.FrameSamples; at += 5 * ms {
					loudest = max(loudest, audio.Energy(before[at:at+audio.FrameSamples]))
				}
				previous := 1.5 * loudest
				for frame := range 5 {
					got := d.Conceal(nil, audio.FrameSamples)
					energy := audio.Energy(got)
					if energy > 1.05*previous+1e5 {
						t.Errorf("after packet %d: frame %d has energy %.3g after %.3g", after, frame, energy, previous)
					}
					if frame == 0 {
						energy = max(energy, loudest)
					}
					if c != Opus && frame > 3 && energy > 100 {
						t.Errorf("after packet %d: still an energy of %.3g in frame %d", after, energy, frame)
					}
					previous = energy
				}
			}
		})
	}
}

// With one packet in 20 lost, and bursts of three, speech has no gaps and keeps its
// level.
func TestSpeechSurvivesLoss(t *testing.T) {
	spoken := speech(t, "standup.wav")
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			need(t, c)
			all := packetsOf(c, spoken[:4*audio.SampleRate])
			play := func(conceal bool) measure.Report {
				d := c.NewDecoder()
				var heard []int16
				for i, p := range all {
					lost := i%20 == 7 || i%100 >= 50 && i%100 < 53
					switch {
					case !lost:
						heard = d.Decode(heard, p.payload)
					case conceal:
						heard = d.Conceal(heard, audio.FrameSamples)
					default:
						heard = append(heard, make([]int16, audio.FrameSamples)...)
					}
				}
				r, err := measure.Compare(spoken[:len(heard)], heard, audio.SampleRate)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", r)
				return r
			}
			concealed, silenced := play(true), play(false)
			if concealed.LongestGap > 20*time.Millisecond || concealed.LongestGap >= silenced.LongestGap {
				t.Errorf("a gap of %v, or %v with silence", concealed.LongestGap, silenced.LongestGap)
			}
			if concealed.Correlation < 0.85 || math.Abs(concealed.LevelDB) > 1.5 {
				t.Errorf("%+v", concealed)
			}
		})
	}
}

func TestConcealmentFillsWhatItIsAskedFor(t *testing.T) {
	spoken := speech(t, "standup.wav")[audio.SampleRate:][:3200]
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		for asked, want := range map[int]int{-320: 0, 0: 0, 1: 0, 2: 2, 100: 100, 161: 160, 320: 320, 5000: 5000} {
			t.Run(fmt.Sprintf("%s/%d", c.Name, asked), func(t *testing.T) {
				need(t, c)
				fresh, heard := c.NewDecoder(), c.NewDecoder()
				for _, p := range packetsOf(c, spoken) {
					heard.Decode(nil, p.payload)
				}
				for _, d := range []Decoder{fresh, heard} {
					got := d.Conceal([]int16{7}, asked)
					if len(got) != want+1 || got[0] != 7 {
						t.Errorf("%d samples", len(got)-1)
					}
					if d == fresh && audio.Energy(got[1:]) != 0 {
						t.Error("something is heard before anything was said")
					}
				}
			})
		}
	}
}

// A loss is filled in the same way however it is asked for, and merged with what
// follows whatever its packets' size.
func TestTheSizeOfALossDoesNotMatter(t *testing.T) {
	spoken := speech(t, "standup.wav")[3*audio.SampleRate:][:audio.SampleRate/2]
	for _, c := range []Codec{PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			payload := encodeAll(c, spoken)
			at := 20 * PayloadBytes
			whole, parts := c.NewDecoder(), c.NewDecoder()
			want := whole.Conceal(whole.Decode(nil, payload[:at]), 2*audio.FrameSamples)
			want = whole.Decode(want, payload[at+2*PayloadBytes:])
			got := parts.Decode(nil, payload[:at])
			for range 32 {
				got = parts.Conceal(got, audio.FrameSamples/16)
			}
			for rest := payload[at+2*PayloadBytes:]; len(rest) > 0; {
				n := min(7, len(rest))
				got, rest = parts.Decode(got, rest[:n]), rest[n:]
			}
			// Where samples of 8 kHz are not asked for in pairs they are the same.
			if sum(got) != sum(want) {
				t.Error("filling in parts differs from filling at once")
			}
		})
	}
}

func TestPitchIsFound(t *testing.T) {
	for _, perMs := range []int{8, 16} {
		for _, hz := range []float64{70, 100, 125, 160, 195} {
			x := make([]float32, historyMs*perMs)
			for i := range x {
				for h := 1.0; h <= 8; h++ {
					x[i] += float32(1000 / h * math.Sin(2*math.Pi*hz*h*float64(i)/float64(1000*perMs)+h))
				}
			}
			got, want := pitch(x, perMs), 1000*float64(perMs)/hz
			// Twice the period of a high voice serves as well.
			if off := math.Abs(float64(got) - want); off > 1 && math.Abs(float64(got)-2*want) > 1 {
				t.Errorf("%v Hz at %d kHz: a period of %d samples, want %.1f", hz, perMs, got, want)
			}
		}
	}
	if got := pitch(make([]float32, historyMs*8), 8); got != leastPitch*8 {
		t.Errorf("silence has a period of %d", got)
	}
}
