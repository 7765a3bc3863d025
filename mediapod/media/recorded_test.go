// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
)

const (
	frame  = audio.FrameDuration
	minute = time.Minute
)

// at is a moment of the meeting, in seconds since the recording was opened.
func at(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// speaker is somebody in the meeting: when they have the floor of a section, in seconds.
type speaker struct {
	source  uint32
	section int
	floor   [][2]float64
}

// Five speakers in four sections. One speaks all the time. One comes and goes. Two have a section in turn, one right behind the
// other, as a service gives sections to whoever is loudest. One begins late.
var speakers = []speaker{
	{11, 1, [][2]float64{{1, 59}}},
	{12, 2, [][2]float64{{1, 8}, {20, 28}, {50, 59}}},
	{13, 3, [][2]float64{{2, 15}, {30, 45}}},
	{14, 4, [][2]float64{{25, 58}}},
	{15, 3, [][2]float64{{15, 30}, {45, 59}}},
}

func (s *speaker) speaks(now time.Duration) bool {
	return slices.ContainsFunc(s.floor, func(f [2]float64) bool { return now >= at(f[0]) && now < at(f[1]) })
}

// sound is what a speaker says at a time: a recording of a voice, each a part of its own.
func (s *speaker) sound(voice []int16, now time.Duration, n int) []int16 {
	begin := int(now/(time.Second/audio.SampleRate)) + int(s.source)*37123
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = voice[(begin+i)%len(voice)]
	}
	return pcm
}

// simulated is the time of a recording.
type simulated struct {
	mu    sync.Mutex
	now   time.Time
	ticks chan time.Time
}

func (c *simulated) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *simulated) Tick(time.Duration) (<-chan time.Time, func()) { return c.ticks, func() {} }

// meet records a minute in which only some have something to say: the others, if they have the floor, say next to nothing. late
// says how late the packets are that are sent in a section now.
func meet(t *testing.T, c codec.Codec, format recording.Format, only func(*speaker) bool, late func(section int) time.Duration) (dir string, m recording.Manifest) {
	t.Helper()
	voice := voices(t)
	k := media.NewMeeting(t, c)
	clock := &simulated{now: k.Now, ticks: make(chan time.Time)}
	dir = t.TempDir()
	r, err := record.New(record.Config{
		Dir: dir, Name: "minute", Format: format, Participants: true, Allowed: func() bool { return true }, Clock: clock,
		OnError: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	k.AddTap(r)
	prompt, err := media.NewClip(wav.Clip{SampleRate: audio.SampleRate, Samples: media.RecordingOf(t, "prompt.wav")})
	if err != nil {
		t.Fatal(err)
	}
	encoders := map[uint32]codec.Encoder{}
	for i := range speakers {
		encoders[speakers[i].source] = c.NewEncoder()
	}
	everybody := c.NewEncoder()
	type packet struct {
		section int
		source  uint32
		said    time.Duration
		arrives time.Duration
		payload []byte
	}
	var under []packet // way
	var arrived [5]time.Duration
	nearly := make([]int16, audio.FrameSamples)
	for i := range nearly {
		nearly[i] = int16(i%2*2 - 1) // so that nothing takes it for silence and leaves it out
	}
	send := func(section int, source uint32, now time.Duration, payload []byte) {
		if len(payload) > 0 {
			arrived[section] = max(arrived[section], now+late(section))
			under = append(under, packet{section, source, now, arrived[section], payload})
		}
	}
	begin := k.Now
	for now := time.Duration(0); now < minute; now += frame {
		mixed := make([]int16, audio.FrameSamples)
		for i := range speakers {
			s := &speakers[i]
			if !s.speaks(now) {
				continue
			}
			pcm := nearly
			if only(s) {
				pcm = s.sound(voice, now, audio.FrameSamples)
				for i, v := range pcm {
					mixed[i] += v / 4
				}
			}
			send(s.section, s.source, now, encoders[s.source].Encode(nil, pcm))
		}
		send(0, 0, now, everybody.Encode(nil, mixed))
		if now == at(3) || now == at(55) {
			k.Play(prompt, media.PlayOptions{})
		}
		slices.SortStableFunc(under, func(a, b packet) int { return int(a.arrives - b.arrives) })
		for len(under) > 0 && under[0].arrives <= now {
			p := under[0]
			under = under[1:]
			k.Now = begin.Add(p.arrives)
			k.Send(p.section, p.source, p.arrives-p.said, p.payload)
		}
		k.Now = begin.Add(now)
		k.Tick()
		clock.mu.Lock()
		clock.now = begin.Add(now + frame)
		clock.mu.Unlock()
		if now%(5*frame) == 0 {
			clock.ticks <- clock.now
		}
	}
	k.RemoveTap(r)
	m, err = r.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return dir, m
}

// voices is half a minute of somebody who does not pause for long.
func voices(t *testing.T) []int16 {
	t.Helper()
	return append(slices.Clone(media.RecordingOf(t, "standup.wav")), media.RecordingOf(t, "prompt.wav")...)
}

// played is what a player makes of a file.
func played(t *testing.T, path string) (pcm []int16) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if filepath.Ext(path) == ".wav" {
		clip, err := wav.Decode(f, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		return clip.Samples
	}
	r, err := ogg.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	decoder := codec.Opus.NewDecoder()
	for {
		p, err := r.Next()
		if err == io.EOF {
			return pcm[r.Head().PreSkip*audio.SampleRate/ogg.SampleRate:]
		}
		if err != nil {
			t.Fatal(err)
		}
		pcm = decoder.Decode(pcm, p.Data)
	}
}

// loudest is the highest level of 20 ms within a part of a minute, in dBov.
func loudest(pcm []int16, from, to time.Duration) float64 {
	loud := float64(audio.SilenceDBov)
	for now := from; now+frame <= to; now += frame {
		at := int(now / (time.Second / audio.SampleRate))
		if at+audio.FrameSamples > len(pcm) {
			break
		}
		loud = max(loud, audio.DBov(audio.Energy(pcm[at:at+audio.FrameSamples]), audio.FrameSamples))
	}
	return loud
}

// TestEachOfFourVoicesHasItsOwnFile: a minute with five speakers in four sections, who come and go. Every file holds its speaker
// and nobody else, at the time at which they spoke.
func TestEachOfFourVoicesHasItsOwnFile(t *testing.T) {
	for _, tc := range []struct {
		codec  codec.Codec
		format recording.Format
	}{{codec.G722, recording.FormatWAV}, {codec.Opus, recording.FormatWAV}, {codec.Opus, recording.FormatOgg}} {
		t.Run(fmt.Sprintf("%s in %s", tc.codec.Name, tc.format), func(t *testing.T) {
			if tc.codec.Name == codec.Opus.Name && !slices.ContainsFunc(codec.All(), func(c codec.Codec) bool { return c.Name == tc.codec.Name }) {
				t.Skip("needs libopus")
			}
			t.Parallel()
			onTime := func(int) time.Duration { return 0 }
			dir, m := meet(t, tc.codec, tc.format, func(*speaker) bool { return true }, onTime)
			if len(m.Files) != 3+len(speakers) {
				t.Errorf("%d files: %+v", len(m.Files), m.Files)
			}
			voice, heard := voices(t), map[uint32][]int16{}
			for i := range speakers {
				s := &speakers[i]
				heard[s.source] = s.check(t, dir, m, voice)
			}
			checkBot(t, dir, m)
			// What is in somebody's file although others are silent is theirs; what is not is somebody else's.
			for i := range speakers {
				s := &speakers[i]
				alone, m := meet(t, tc.codec, tc.format, func(other *speaker) bool { return other == s }, onTime)
				pcm := played(t, filepath.Join(alone, fileOf(t, m, s.track()).File))
				differs := make([]int16, min(len(pcm), len(heard[s.source])))
				for i := range differs {
					differs[i] = heard[s.source][i] - pcm[i]
				}
				own, crosstalk := loudest(pcm, 0, minute), loudest(differs, 0, minute)
				if t.Logf("%d is at %.0f dBov, others at %.0f", s.source, own, crosstalk); crosstalk > own-60 {
					t.Errorf("%d is at %.0f dBov, and others in that file at up to %.0f", s.source, own, crosstalk)
				}
			}
		})
	}
}

// TestVoicesStayInTimeWhateverTheNetworkDoes: packets come up to 40 ms late, and playing out waits for them, in one section
// longer than in another.
func TestVoicesStayInTimeWhateverTheNetworkDoes(t *testing.T) {
	random := uint32(3)
	late := func(section int) time.Duration {
		random = random*1664525 + 1013904223
		return time.Duration(random>>16) * time.Duration(section*10) * time.Millisecond / 65536
	}
	dir, m := meet(t, codec.G722, recording.FormatWAV, func(*speaker) bool { return true }, late)
	for i := range speakers {
		speakers[i].check(t, dir, m, voices(t))
	}
	checkBot(t, dir, m)
}

func (s *speaker) track() string { return fmt.Sprintf("speaker-%d", s.source) }

func fileOf(t *testing.T, m recording.Manifest, track string) recording.File {
	t.Helper()
	for _, f := range m.Files {
		if f.Track == track {
			return f
		}
	}
	t.Fatalf("no file of %s in %+v", track, m.Files)
	return recording.File{}
}

// check compares a file with what its speaker said.
func (s *speaker) check(t *testing.T, dir string, m recording.Manifest, voice []int16) []int16 {
	t.Helper()
	f := fileOf(t, m, s.track())
	pcm := played(t, filepath.Join(dir, f.File))
	if d := time.Duration(f.DurationMs) * time.Millisecond; f.StartMs != 0 || d != minute || f.Dropped.Overflow+f.Dropped.Unsupported > 0 {
		t.Errorf("%s: %+v", f.File, f)
	}
	const piece, around = 3 * time.Second / 2, 500 * time.Millisecond
	quietFrom := time.Duration(0)
	for _, floor := range s.floor {
		from, to := at(floor[0]), at(floor[1])
		for _, begin := range []time.Duration{from, from + (to-from)/2, to - piece} {
			said := s.sound(voice, begin, int(piece/(time.Second/audio.SampleRate)))
			part := pcm[(begin-around)/(time.Second/audio.SampleRate):]
			r, err := measure.Compare(said, part[:min(len(part), len(said)+2*audio.SampleRate)], audio.SampleRate)
			t.Logf("%s at %v: %v", f.File, begin, r.Delay-around)
			if off := r.Delay - around; err != nil || r.Correlation < 0.85 || off.Abs() > frame || math.Abs(r.LevelDB) > 1 {
				t.Errorf("what %d said at %v is %v off: %+v, %v", s.source, begin, off, r, err)
			}
		}
		// A decoder may draw the last sound out, and fades it.
		if l := loudest(pcm, quietFrom, from-frame); l > -80 {
			t.Errorf("%d says nothing from %v to %v, and the file has %.0f dBov", s.source, quietFrom, from, l)
		}
		quietFrom = to + 500*time.Millisecond
	}
	return pcm
}

// checkBot looks for what the bot said in its file and in the mix.
func checkBot(t *testing.T, dir string, m recording.Manifest) {
	t.Helper()
	prompt := media.RecordingOf(t, "prompt.wav")
	for _, track := range []string{record.TrackBot, record.TrackMixed} {
		pcm := played(t, filepath.Join(dir, fileOf(t, m, track).File))
		for _, begin := range []time.Duration{at(3), at(55)} {
			const around = 500 * time.Millisecond
			part := pcm[(begin-around)/(time.Second/audio.SampleRate):]
			r, err := measure.Compare(prompt, part[:min(len(part), len(prompt)+audio.SampleRate)], audio.SampleRate)
			if off := r.Delay - around; err != nil || off.Abs() > frame {
				t.Errorf("what the bot said at %v is %v off in %s: %+v, %v", begin, off, track, r, err)
			}
		}
	}
}
