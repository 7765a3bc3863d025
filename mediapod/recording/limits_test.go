// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/wav"
	"github.com/google/go-cmp/cmp"
)

func TestLimitsShutTheRecording(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"bytes":    func(cfg *Config) { cfg.MaxBytes = 64_000 },
		"duration": func(cfg *Config) { cfg.MaxDuration = 2 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, change)
			mix := c.track(TrackInfo{ID: "mix"})
			c.open()
			for range 250 { // the recording's time stands still then
				mix.WritePCM(c.Elapsed(), pcm(1))
				c.clock.advance(20 * ms)
				if c.clock.Now().Sub(c.started)%step == 0 {
					c.clock.ticks <- c.clock.Now()
				}
			}
			m := c.close()
			if !errors.Is(c.told(), ErrLimit) || !strings.HasPrefix(m.Stopped, "limit: ") {
				t.Errorf("told %v, stopped %q", c.told(), m.Stopped)
			}
			if d := m.Files[0].DurationMs; d < 2000 || d > 2500 || d != m.Ended.Sub(m.Started).Milliseconds() {
				t.Errorf("%d ms are recorded, %v long", d, m.Ended.Sub(m.Started))
			}
		})
	}
}

type brokenFile struct {
	diskFile
	left *int
}

func (f brokenFile) WriteAt(p []byte, at int64) (int, error) {
	if *f.left -= len(p); *f.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return f.diskFile.WriteAt(p, at)
}

// One file that cannot be written costs no other, and is told of once.
func TestADiskErrorCostsOneFile(t *testing.T) {
	left := 40_000
	c := newCall(t, func(cfg *Config) {
		cfg.create = func(path string) (diskFile, error) {
			if strings.Contains(path, "none") {
				return nil, errors.New("permission denied")
			}
			f, err := createFile(path)
			if err == nil && strings.Contains(path, "full") {
				return brokenFile{f, &left}, nil
			}
			return f, err
		}
	})
	tracks := []*Track{c.track(TrackInfo{ID: "full"}), c.track(TrackInfo{ID: "good"}), c.track(TrackInfo{ID: "none"})}
	c.open()
	c.during(5*time.Second, func(at time.Duration) {
		for _, t := range tracks {
			t.WritePCM(at, pcm(1))
		}
	})
	m := c.close2()
	if len(c.errors) != 2 {
		t.Errorf("told %d times: %v", len(c.errors), c.told())
	}
	for _, f := range m.Files {
		if bad := f.Track != "good"; (f.Error != "") != bad || (f.Dropped.Failed > 100) != bad {
			t.Errorf("%s: %q, %+v", f.Track, f.Error, f.Dropped)
		}
	}
	if heard := c.heard("call.full.wav"); len(heard) < 40 {
		t.Errorf("%d frames are in the file that became full", len(heard))
	}
}

// close2 is close without the hashes: a file is missing.
func (c *call) close2() Manifest {
	c.t.Helper()
	m, err := c.Close(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func TestAFullWAVFileGoesOnInAnother(t *testing.T) {
	c := newCall(t, nil)
	mix := c.track(TrackInfo{ID: "mix"})
	c.begin(mix)
	full := true
	for n := range 100 {
		mix.out.pos = time.Duration(n) * 20 * ms
		c.toWAV(mix, func(w wavFile) error {
			if n == 60 && full {
				full = false
				return wav.ErrFull
			}
			return w.Write(pcm(n + 1))
		})
	}
	mix.out.pos = 2 * time.Second
	var got []File
	for _, o := range mix.out.outputs {
		c.end(o)
		o.entry.DurationMs = o.duration(mix).Milliseconds()
		got = append(got, o.entry)
	}
	if diff := cmp.Diff([]File{
		{File: "call.mix.wav", Track: "mix", Kind: KindAudio, Codec: "pcm", DurationMs: 1200},
		{File: "call.mix.2.wav", Track: "mix", Kind: KindAudio, Codec: "pcm", StartMs: 1200, DurationMs: 800},
	}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if first, second := c.heard("call.mix.wav"), c.heard("call.mix.2.wav"); len(first) != 60 || len(second) != 40 || second[0] != 61 {
		t.Errorf("%d and %d frames", len(first), len(second))
	}
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	good := Config{Dir: "d", Name: "n", Format: FormatOgg}
	for name, change := range map[string]func(*Config){
		"no directory":    func(c *Config) { c.Dir = "" },
		"a path for name": func(c *Config) { c.Name = "../n" },
		"no name":         func(c *Config) { c.Name = "" },
		"another format":  func(c *Config) { c.Format = "mp3" },
		"negative limit":  func(c *Config) { c.MaxBytes = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	other := newCall(t, nil).track(TrackInfo{ID: "mix"})
	for name, info := range map[string]TrackInfo{
		"a path for ID":                   {ID: "a/b", Kind: KindAudio},
		"no kind":                         {ID: "a"},
		"video without codec":             {ID: "a", Kind: KindVideo},
		"with another's audio":            {ID: "a", Kind: KindVideo, Codec: VP8, With: other},
		"audio with audio":                {ID: "a", Kind: KindAudio, With: other},
		"the same ID, in capital letters": {ID: "MIX", Kind: KindAudio},
	} {
		if name == "the same ID, in capital letters" {
			if _, err := r.Track(TrackInfo{ID: "mix", Kind: KindAudio}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Track(info); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for i := 1; i < maxTracks; i++ {
		if _, err := r.Track(TrackInfo{ID: fmt.Sprint(i), Kind: KindAudio}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Track(TrackInfo{ID: "one-more", Kind: KindAudio}); err == nil {
		t.Error("tracks without end")
	}
}
