// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/opus"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

func needsOpus(t testing.TB) {
	t.Helper()
	if _, err := opus.Default(); err != nil {
		t.Skip(err)
	}
}

// of Opus, in 20 ms: SILK, which may repeat, or CELT.
func packetOf(toc byte, n int) []byte { return []byte{toc, byte(n), byte(n >> 8), 'c', 'a', 'm', 'e'} }

const (
	silk = 9 << 3
	celt = 31 << 3
)

// came lists the packets of a file that nobody here encoded.
func (c *call) came(track string) (numbers []int) {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "standup."+track+".opus"))
	c.must(err)
	r, err := ogg.NewReader(bytes.NewReader(b))
	c.must(err)
	for {
		p, err := r.Next()
		if err != nil {
			return numbers
		}
		if bytes.HasSuffix(p.Data, []byte("came")) {
			numbers = append(numbers, int(p.Data[1])|int(p.Data[2])<<8)
		}
	}
}

func ogged(cfg *Config) { cfg.Format, cfg.Participants = recording.FormatOgg, true }

// say lets somebody be heard by packets, from a number on.
func (c *call) say(d time.Duration, source uint32, toc byte, from int) {
	for i := range int(d / frame) {
		p := media.Packet{Section: int(source), Source: source, At: c.clock.Now(), Payload: packetOf(toc, from+i)}
		f := media.Frame{Packets: []media.Packet{p}}
		if source == 0 {
			f.Heard, f.HeardOpus = of(5), true
		} else {
			f.Voices = []media.Voice{{Source: source, PCM: of(5), Opus: true}}
		}
		c.during(frame, f)
		if i%5 == 4 {
			c.clock.ticks <- c.clock.Now()
		}
	}
}

func numbers(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// TestPacketsOfOpusAreKeptAsTheyCame, of whoever sends Opus; of others, and of the mix, they are made.
func TestPacketsOfOpusAreKeptAsTheyCame(t *testing.T) {
	needsOpus(t)
	c := newCall(t, ogged)
	c.begin()
	c.during(200*time.Millisecond, media.Frame{})
	c.say(time.Second, 0, celt, 0)
	c.say(time.Second, 7, celt, 1000)
	c.during(time.Second, media.Frame{Voices: []media.Voice{{Source: 9, PCM: of(5)}}, Said: of(3)})
	m := c.close()
	for track, want := range map[string][]int{TrackOthers: numbers(0, 50), "speaker-7": numbers(1000, 1050), "speaker-9": nil, TrackBot: nil, TrackMixed: nil} {
		if diff := cmp.Diff(want, c.came(track)); diff != "" {
			t.Errorf("packets of %s (-want +got):\n%s", track, diff)
		}
	}
	for _, f := range m.Files {
		if f.DurationMs != 3200 || f.Dropped != (recording.Dropped{}) || f.Error != "" {
			t.Errorf("%+v", f)
		}
	}
}

// TestACopyOfWhatMustNotBeKeptIsNotKept: what is said while it may not be kept for a moment, of which nobody has told the
// recorder, may be in the packet after it.
func TestACopyOfWhatMustNotBeKeptIsNotKept(t *testing.T) {
	needsOpus(t)
	c := newCall(t, ogged)
	c.begin()
	c.during(200*time.Millisecond, media.Frame{})
	c.say(200*time.Millisecond, 7, silk, 100)
	c.say(200*time.Millisecond, 8, celt, 200)
	c.allowed = false
	c.say(40*time.Millisecond, 7, silk, 300)
	c.allowed = true
	c.say(400*time.Millisecond, 7, silk, 400) // half of it is not let through: it might have waited to be played out
	c.say(200*time.Millisecond, 8, celt, 500)
	c.close()
	// The first of all is taken for a copy of what was before the recording.
	if diff := cmp.Diff(append(numbers(101, 110), numbers(411, 420)...), c.came("speaker-7")); diff != "" {
		t.Errorf("SILK (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(numbers(200, 210), numbers(500, 510)...), c.came("speaker-8")); diff != "" {
		t.Errorf("CELT (-want +got):\n%s", diff)
	}
}

// TestTheBotIsMixedWithWhatWasHeardWhenItSpoke, however long that waited to be played out.
func TestTheBotIsMixedWithWhatWasHeardWhenItSpoke(t *testing.T) {
	c := newCall(t, nil)
	c.begin()
	c.during(400*time.Millisecond, media.Frame{})
	// The bot says 100 at 100 ms, and the far side says 20 at the same time, of which the bot hears 60 ms later; then there is
	// more delay.
	for n := range 60 {
		f := media.Frame{At: c.clock.Now()}
		if n >= 5 && n < 30 {
			f.Said = of(100)
		}
		if n >= 8 && n < 33 {
			f.Heard, f.HeardAt = of(20), f.At.Add(-60*time.Millisecond)
		}
		if n >= 45 && n < 50 {
			f.Heard, f.HeardAt = of(30), f.At.Add(-160*time.Millisecond)
		}
		c.Tap(&f)
		c.clock.mu.Lock()
		c.clock.now = c.clock.now.Add(frame)
		c.clock.mu.Unlock()
		if n%5 == 4 {
			c.clock.ticks <- c.clock.Now()
		}
	}
	c.close()
	const ms = time.Millisecond
	compare(t, "the mix", c.heard(TrackMixed), []said{{0, 500 * ms}, {120, 500 * ms}, {0, 140 * ms}, {30, 100 * ms}, {0, 360 * ms}})
}

// TestTheBotsLastWordsAreInTheMix although nobody is heard after them.
func TestTheBotsLastWordsAreInTheMix(t *testing.T) {
	c := newCall(t, nil)
	c.begin()
	c.during(400*time.Millisecond, media.Frame{})
	for range 10 {
		c.Tap(&media.Frame{At: c.clock.Now(), Said: of(7), Heard: of(1), HeardAt: c.clock.Now().Add(-100 * time.Millisecond)})
		c.clock.mu.Lock()
		c.clock.now = c.clock.now.Add(frame)
		c.clock.mu.Unlock()
	}
	c.close()
	const ms = time.Millisecond
	compare(t, "the mix", c.heard(TrackMixed), []said{{0, 300 * ms}, {1, 100 * ms}, {8, 100 * ms}, {7, 100 * ms}})
}

// BenchmarkAVoice is a second of one speaker's file: as it came, encoded here, and as samples.
func BenchmarkAVoice(b *testing.B) {
	needsOpus(b)
	library, err := opus.Default()
	if err != nil {
		b.Fatal(err)
	}
	e, err := library.NewEncoder(opus.LowDelay())
	if err != nil {
		b.Fatal(err)
	}
	pcm := make([]int16, audio.FrameSamples)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(float64(i)*2*math.Pi/80))
	}
	payload, err := e.Encode(nil, pcm)
	if err != nil {
		b.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		format recording.Format
		opus   bool
	}{{"as it came", recording.FormatOgg, true}, {"encoded", recording.FormatOgg, false}, {"samples", recording.FormatWAV, false}} {
		b.Run(tc.name, func(b *testing.B) {
			clock := &clock{now: time.Unix(5000, 0), ticks: make(chan time.Time)}
			r, err := New(Config{Dir: b.TempDir(), Name: "voice", Format: tc.format, Participants: true, Clock: clock,
				Allowed: func() bool { return true }, OnError: func(err error) { b.Error(err) }})
			if err != nil {
				b.Fatal(err)
			}
			if err := r.Open(); err != nil {
				b.Fatal(err)
			}
			f := media.Frame{Voices: []media.Voice{{Source: 7, PCM: slices.Clone(pcm), Opus: tc.opus}}}
			if tc.opus {
				f.Packets = []media.Packet{{Section: 1, Source: 7, Payload: payload}}
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				for range 50 {
					f.At = clock.Now()
					f.Voices[0].At = f.At
					for i := range f.Packets {
						f.Packets[i].At = f.At
					}
					r.Tap(&f)
					clock.mu.Lock()
					clock.now = clock.now.Add(frame)
					clock.mu.Unlock()
					if n++; n%5 == 0 {
						clock.ticks <- clock.now
					}
				}
			}
			b.StopTimer()
			if _, err := r.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
