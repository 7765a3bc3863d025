// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/wav"
)

const ms = time.Millisecond

// fakeClock ticks when it is told to.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	ticks chan time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), ticks: make(chan time.Time)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Tick(time.Duration) (<-chan time.Time, func()) { return c.ticks, func() {} }

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// call is a recording with a clock of its own.
type call struct {
	*Recording
	t      testing.TB
	clock  *fakeClock
	steps  chan struct{}
	dir    string
	mu     sync.Mutex
	errors []error
}

func newCall(t testing.TB, change func(*Config)) *call {
	t.Helper()
	c := &call{t: t, clock: newFakeClock(), steps: make(chan struct{}, 1000), dir: filepath.Join(t.TempDir(), "recordings")}
	cfg := Config{
		Dir: c.dir, Name: "call", RecordingID: "r-1", CallID: "c-1", Format: FormatWAV, Clock: c.clock,
		stepped: func() { c.steps <- struct{}{} },
		OnError: func(err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.errors = append(c.errors, err)
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Recording, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *call) track(info TrackInfo) *Track {
	c.t.Helper()
	if info.Kind == "" {
		info.Kind = KindAudio
	}
	t, err := c.Track(info)
	if err != nil {
		c.t.Fatal(err)
	}
	return t
}

func (c *call) open() {
	c.t.Helper()
	if err := c.Open(); err != nil {
		c.t.Fatal(err)
	}
}

// tick lets 20 ms pass, and every 100 ms the goroutine do its work.
func (c *call) tick() {
	c.clock.advance(20 * ms)
	if c.Elapsed()%step == 0 {
		c.clock.ticks <- c.clock.Now()
		<-c.steps
	}
}

// during calls offer every 20 ms.
func (c *call) during(d time.Duration, offer func(at time.Duration)) {
	for end := c.Elapsed() + d; c.Elapsed() < end; c.tick() {
		if offer != nil {
			offer(c.Elapsed())
		}
	}
}

func (c *call) close() Manifest {
	c.t.Helper()
	m, err := c.Close(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := m.Verify(context.Background(), c.dir); err != nil {
		c.t.Error(err)
	}
	return m
}

func (c *call) told() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errors...)
}

// pcm is a frame whose samples all say which it is.
func pcm(n int) []int16 {
	f := make([]int16, audio.FrameSamples)
	for i := range f {
		f[i] = int16(n)
	}
	return f
}

// opus is a CELT packet of 20 ms that says which it is.
func opus(n int) []byte { return []byte{0xF8, byte(n), byte(n >> 8), 'o', 'p', 'u', 's'} }

// counter is an encoder that keeps what the frame says.
type counter struct{}

func (counter) Encode(dst []byte, frame []int16) []byte { return append(dst, opus(int(frame[0]))...) }
func (counter) Delay() time.Duration                    { return 6500 * time.Microsecond }

func counters() OpusEncoder { return counter{} }

// heard is what an audio file says at each 20 ms: 0 is silence.
func (c *call) heard(file string) []int {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.HasSuffix(file, ".wav") {
		clip, err := wav.Decode(bytes.NewReader(b), 1<<30)
		if err != nil {
			c.t.Fatal(err)
		}
		var all []int
		for i := 0; i+audio.FrameSamples <= len(clip.Samples); i += audio.FrameSamples {
			all = append(all, int(clip.Samples[i+audio.FrameSamples/2]))
		}
		return all
	}
	r, err := ogg.NewReader(bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	var all []int
	for {
		p, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			c.t.Fatal(err)
		}
		switch at := p.At + 10*ms; {
		case at < 0: // to be skipped
		case bytes.Equal(p.Data, ogg.Silence):
			all = append(all, 0)
		default:
			all = append(all, int(binary.LittleEndian.Uint16(p.Data[1:])))
		}
	}
}

func ffprobe(t testing.TB, path string, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed (ffmpeg)")
	}
	out, err := exec.Command(tool, append(append([]string{"-v", "error", "-of", "csv=p=0"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", path, err, out)
	}
	return strings.TrimSpace(string(out))
}

func ffprobeDuration(t testing.TB, path string) time.Duration {
	t.Helper()
	s, err := strconv.ParseFloat(ffprobe(t, path, "-show_entries", "format=duration"), 64)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return time.Duration(s * float64(time.Second))
}

// stallingDisk makes files whose writes wait while it is stalled.
type stallingDisk struct{ gate sync.RWMutex }

type stallingFile struct {
	diskFile
	disk *stallingDisk
}

func (d *stallingDisk) create(path string) (diskFile, error) {
	f, err := createFile(path)
	return stallingFile{f, d}, err
}

func (f stallingFile) Write(p []byte) (int, error) {
	f.disk.gate.RLock()
	defer f.disk.gate.RUnlock()
	return f.diskFile.Write(p)
}

func (f stallingFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.gate.RLock()
	defer f.disk.gate.RUnlock()
	return f.diskFile.WriteAt(p, at)
}
