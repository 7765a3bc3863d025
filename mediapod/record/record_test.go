// SPDX-License-Identifier: Apache-2.0

package record

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/opus"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

const frame = audio.FrameDuration

// clock goes on when it is told to.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	ticks chan time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Tick(time.Duration) (<-chan time.Time, func()) { return c.ticks, func() {} }

// call is a recorder in a call whose clock the test has.
type call struct {
	*Recorder
	t       *testing.T
	clock   *clock
	dir     string
	open    bool
	allowed bool
	errs    chan error
}

func newCall(t *testing.T, change func(*Config)) *call {
	t.Helper()
	c := &call{t: t, dir: filepath.Join(t.TempDir(), "files"), allowed: true, errs: make(chan error, 10)}
	c.clock = &clock{now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), ticks: make(chan time.Time)}
	cfg := Config{
		Dir: c.dir, Name: "standup", RecordingID: "r", CallID: "c", Format: recording.FormatWAV, Clock: c.clock,
		Allowed: func() bool { return c.allowed }, OnError: func(err error) { c.errs <- err },
		Speaker: func(source uint32) string { return map[uint32]string{7: "jane"}[source] },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Recorder, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *call) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *call) begin() {
	c.t.Helper()
	c.must(c.Open())
	c.open = true
}

// during plays frames for a time, in which all samples have one value.
func (c *call) during(d time.Duration, f media.Frame) {
	for i := range int(d / frame) {
		c.tap(f)
		c.clock.mu.Lock()
		c.clock.now = c.clock.now.Add(frame)
		c.clock.mu.Unlock()
		if c.open && i%5 == 4 {
			c.clock.ticks <- c.clock.Now()
		}
	}
}

// tap has a frame heard now that was said now.
func (c *call) tap(f media.Frame) {
	f.At = c.clock.Now()
	f.HeardAt = f.At
	for i := range f.Voices {
		f.Voices[i].At = f.At
	}
	c.Tap(&f)
}

func (c *call) close() recording.Manifest {
	c.t.Helper()
	m, err := c.Close(context.Background())
	c.must(err)
	return m
}

// said is what a file has: each value, and for how long it lasts; silence is 0.
type said struct {
	value int16
	long  time.Duration
}

// heard reads a file, to the frame: where a value changes, the limiter's millisecond counts as the one that follows.
func (c *call) heard(track string) []said {
	c.t.Helper()
	b, err := os.Open(filepath.Join(c.dir, "standup."+track+".wav"))
	c.must(err)
	defer b.Close()
	clip, err := wav.Decode(b, 1<<30)
	c.must(err)
	var all []said
	for at := audio.FrameSamples / 2; at < len(clip.Samples); at += audio.FrameSamples {
		if v := clip.Samples[at]; len(all) > 0 && all[len(all)-1].value == v {
			all[len(all)-1].long += frame
		} else {
			all = append(all, said{v, frame})
		}
	}
	return all
}

func of(value int16) []int16 { return slices.Repeat([]int16{value}, audio.FrameSamples) }

func compare(t *testing.T, what string, got, want []said) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestOnlyWhatMayBeKeptIsKept: nothing of before, of a pause, of what is forbidden in between without a word, or of what
// waited to be played out when it began.
func TestOnlyWhatMayBeKeptIsKept(t *testing.T) {
	c := newCall(t, nil)
	c.during(time.Second, media.Frame{Heard: of(1)})
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before it is opened there is %s: %v", c.dir, err)
	}
	c.begin()
	c.during(time.Second, media.Frame{Heard: of(2)})
	c.allowed = false
	c.during(500*time.Millisecond, media.Frame{Heard: of(3)})
	c.must(c.Pause())
	c.during(500*time.Millisecond, media.Frame{Heard: of(4)})
	c.allowed = true
	c.during(500*time.Millisecond, media.Frame{Heard: of(5)})
	c.must(c.Resume())
	c.during(time.Second, media.Frame{Heard: of(6), Said: of(10)})
	c.allowed = false
	c.during(500*time.Millisecond, media.Frame{Heard: of(7)})
	m := c.close()
	const ms = time.Millisecond
	compare(t, "the mix", c.heard(TrackMixed), []said{{0, 200 * ms}, {2, 800 * ms}, {0, 1700 * ms}, {16, 800 * ms}, {0, 500 * ms}})
	if len(m.Files) != 1 || !m.Complete || m.RecordingID != "r" || len(m.Pauses) != 1 {
		t.Errorf("manifest %+v", m)
	}
}

func TestEachVoiceHasAFile(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Participants = true })
	c.begin()
	c.during(200*time.Millisecond, media.Frame{})
	c.Present(map[string]string{"jane": "Jane", "joe": "Joe"})
	c.during(time.Second, media.Frame{Heard: of(30), Said: of(5), Voices: []media.Voice{{Source: 7, PCM: of(10)}, {Source: 9, PCM: of(20)}}})
	c.Present(map[string]string{"jane": "Jane"})
	c.during(time.Second, media.Frame{Heard: of(10), Voices: []media.Voice{{Source: 7, PCM: of(10)}}})
	m := c.close()
	const start = 200 * time.Millisecond
	for track, want := range map[string][]said{
		TrackMixed: {{0, start}, {35, time.Second}, {10, time.Second}}, TrackOthers: {{0, start}, {30, time.Second}, {10, time.Second}},
		TrackBot: {{0, start}, {5, time.Second}, {0, time.Second}}, "speaker-7": {{0, start}, {10, 2 * time.Second}},
		"speaker-9": {{0, start}, {20, time.Second}, {0, time.Second}},
	} {
		compare(t, track, c.heard(track), want)
	}
	for _, f := range m.Files {
		if (f.Participant == "jane") != (f.Track == "speaker-7") {
			t.Errorf("%s is of %q", f.Track, f.Participant)
		}
	}
	if len(m.Participants) != 2 || m.Participants[0].JoinedMs != 200 {
		t.Errorf("participants %+v", m.Participants)
	}
	for _, p := range m.Participants {
		if left := p.LeftMs != nil; left != (p.ID == "joe") {
			t.Errorf("%s left: %t", p.ID, left)
		}
	}
}

func TestTheLimitEndsIt(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.MaxDuration = time.Second })
	c.begin()
	c.during(3*time.Second, media.Frame{Heard: of(2)})
	if err := <-c.errs; !Limited(err) {
		t.Errorf("it says %v", err)
	}
	m := c.close()
	if d := m.Files[0].DurationMs; d < 1000 || d > 1500 || !strings.HasPrefix(m.Stopped, "limit") {
		t.Errorf("%d ms, %q", d, m.Stopped)
	}
}

func TestOggHasEveryFrame(t *testing.T) {
	if _, err := opus.Default(); err != nil {
		t.Skip(err)
	}
	c := newCall(t, func(cfg *Config) { cfg.Format = recording.FormatOgg })
	c.begin()
	c.during(2*time.Second, media.Frame{Heard: of(0)}) // digital silence is said, too
	m := c.close()
	f, err := os.Open(filepath.Join(c.dir, m.Files[0].File))
	c.must(err)
	defer f.Close()
	r, err := ogg.NewReader(f)
	c.must(err)
	packets := 0
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		packets++
	}
	if m.Files[0].DurationMs != 2000 || packets < 100 || m.Files[0].Dropped != (recording.Dropped{}) {
		t.Errorf("%d packets, %+v", packets, m.Files[0])
	}
	if len(c.errs) > 0 {
		t.Error(<-c.errs)
	}
}

func TestTappingAllocatesNothing(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Participants = true })
	c.must(c.Open())
	f := media.Frame{Heard: of(30), Said: of(5), Voices: []media.Voice{{Source: 7, PCM: of(10)}}}
	c.clock.now = c.clock.now.Add(time.Second)
	tap := func() { c.tap(f) }
	tap()
	if n := testing.AllocsPerRun(100, tap); n != 0 {
		t.Errorf("%.0f allocations a frame", n)
	}
	c.close()
}
