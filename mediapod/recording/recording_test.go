// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/google/go-cmp/cmp"
)

// filesHold fails when a file of the directory has some bytes in it.
func filesHold(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	held := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		held = held || bytes.Contains(b, what)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestNoByteIsKeptWhileTheGateIsClosed(t *testing.T) {
	for _, format := range []Format{FormatWAV, FormatOgg, FormatWebM} {
		t.Run(string(format), func(t *testing.T) {
			c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = format, counters })
			mix := c.track(TrackInfo{ID: "mix"})
			say := func(n int) {
				for at := -40 * ms; at < 200*ms; at += 20 * ms {
					mix.WritePCM(c.Elapsed()+at, pcm(n))
					mix.WriteOpus(c.Elapsed()+at, opus(n))
				}
			}
			secret := func(n int) []byte { return []byte{byte(n), byte(n >> 8)} }
			const before, during, paused, after = 0x5A01, 0x5A02, 0x5A03, 0x5A04
			for range 20 {
				say(before)
				c.clock.advance(20 * ms)
			}
			if _, err := os.Stat(c.dir); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("before Open there is %s (%v)", c.dir, err)
			}
			c.open()
			c.during(time.Second, func(time.Duration) { say(during) })
			if err := c.Pause(); err != nil {
				t.Fatal(err)
			}
			c.during(time.Second, func(time.Duration) { say(paused) })
			if err := c.Resume(); err != nil {
				t.Fatal(err)
			}
			// What comes late is of the pause all the same.
			mix.WritePCM(c.Elapsed()-20*ms, pcm(paused))
			mix.WriteOpus(c.Elapsed()-20*ms, opus(paused))
			c.during(time.Second, func(at time.Duration) { mix.WritePCM(at, pcm(during)); mix.WriteOpus(at, opus(during)) })
			c.Shut()
			say(after)
			for range 10 {
				say(after)
				c.tick()
			}
			m := c.close()
			say(after)
			if !filesHold(t, c.dir, secret(during)) {
				t.Error("what was said while the gate was open is not there")
			}
			for what, n := range map[string]int{"before Open": before, "during the pause": paused, "after Shut": after} {
				if filesHold(t, c.dir, secret(n)) {
					t.Errorf("what was said %s is in a file", what)
				}
			}
			if got := m.Files[0].DurationMs; got != 3000 || m.Ended.Sub(m.Started) != 3*time.Second {
				t.Errorf("the file has %d ms, the recording %v", got, m.Ended.Sub(m.Started))
			}
			if diff := cmp.Diff([]Span{{1000, 2000}}, m.Pauses); diff != "" {
				t.Errorf("pauses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARecordingThatIsNeverOpenedLeavesNothing(t *testing.T) {
	c := newCall(t, nil)
	mix := c.track(TrackInfo{ID: "mix"})
	mix.WritePCM(0, pcm(1))
	for range 2 {
		m, err := c.Close(context.Background())
		if err != nil || len(m.Files) != 0 || m.CallID != "c-1" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is %s (%v)", c.dir, err)
	}
	for name, do := range map[string]func() error{
		"Open": c.Open, "Pause": c.Pause, "Resume": c.Resume,
		"Track": func() error { _, err := c.Track(TrackInfo{ID: "b", Kind: KindAudio}); return err },
	} {
		if do() == nil {
			t.Errorf("%s works after Close", name)
		}
	}
}

// What an Opus packet repeats of the one before must not be from where the gate was closed.
func TestTheFirstPacketThatMayRepeatIsLeftOut(t *testing.T) {
	silk := func(n int) []byte { return append([]byte{9 << 3}, opus(n)[1:]...) }
	c := newCall(t, func(cfg *Config) { cfg.Format = FormatOgg })
	speech, music, late := c.track(TrackInfo{ID: "silk"}), c.track(TrackInfo{ID: "celt"}), c.track(TrackInfo{ID: "late"})
	c.open()
	n := 0
	offer := func(at time.Duration) {
		n++
		speech.WriteOpus(at, silk(n))
		music.WriteOpus(at, opus(n))
		if at >= repeats {
			late.WriteOpus(at, silk(n))
		}
	}
	c.during(1200*ms, offer)
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	c.during(100*ms, nil) // nothing is offered, and so nothing seen
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	c.during(100*ms, offer)
	c.close()
	at := func(file string, i ...int) (got []int) {
		for _, i := range i {
			got = append(got, c.heard(file)[i])
		}
		return got
	}
	// Packets 50 to 59, then a pause of 5, then the rest.
	if diff := cmp.Diff([]int{0, 2, 60, 0, 0, 62}, at("call.silk.opus", 0, 1, 59, 60, 65, 66)); diff != "" {
		t.Errorf("packets that may repeat (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2, 60, 0, 61, 62}, at("call.celt.opus", 0, 1, 59, 60, 65, 66)); diff != "" {
		t.Errorf("packets that cannot (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{51, 52}, at("call.late.opus", 50, 51)); diff != "" {
		t.Errorf("the first packet long after the gate was opened (-want +got):\n%s", diff)
	}
}

// A moment of the call is at the same place in all files, whatever was offered.
func TestTracksStayAligned(t *testing.T) {
	for _, format := range []Format{FormatWAV, FormatOgg} {
		t.Run(string(format), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = format, counters })
			tracks := map[string]struct {
				track   *Track
				offered func(i int) bool
				jitter  time.Duration
				skew    float64
			}{
				"steady":   {c.track(TrackInfo{ID: "steady"}), func(int) bool { return true }, 0, 0},
				"gaps":     {c.track(TrackInfo{ID: "gaps"}), func(i int) bool { return i/37%3 != 1 }, 0, 0},
				"lossy":    {c.track(TrackInfo{ID: "lossy"}), func(int) bool { return rng.IntN(10) > 0 }, 0, 0},
				"jittery":  {c.track(TrackInfo{ID: "jittery"}), func(int) bool { return true }, 9 * ms, 0},
				"skewed":   {c.track(TrackInfo{ID: "skewed"}), func(int) bool { return true }, 0, 0.002},
				"backward": {c.track(TrackInfo{ID: "backward"}), func(int) bool { return true }, 0, -0.002},
			}
			c.open()
			i := 0
			offer := func(at time.Duration) {
				i++
				for _, x := range tracks {
					if x.offered(i) {
						off := time.Duration(x.skew * float64(at))
						if x.jitter > 0 {
							off += time.Duration(rng.Int64N(int64(2*x.jitter))) - x.jitter
						}
						x.track.WritePCM(at+off, pcm(i))
					}
				}
			}
			c.during(10*time.Second, offer)
			// One joins now.
			joined := tracks["steady"]
			joined.track = c.track(TrackInfo{ID: "joined"})
			tracks["joined"] = joined
			c.during(10*time.Second, offer)
			m := c.close()
			if err := c.told(); err != nil {
				t.Error(err)
			}
			for _, f := range m.Files {
				if f.DurationMs < 20_000 || f.DurationMs > 20_020 {
					t.Errorf("%s has %d ms, the call 20000", f.File, f.DurationMs)
				}
				x, kept := tracks[f.Track], 0
				for place, n := range c.heard(f.File) {
					if n == 0 {
						continue
					}
					kept++
					// Where it is against when it was said.
					said := time.Duration(float64(n-1) * float64(20*ms) * (1 + x.skew))
					if off := time.Duration(place)*20*ms - said; off.Abs() > 20*ms+x.jitter {
						t.Errorf("%s: frame %d is %v off", f.Track, n, off)
						break
					}
				}
				if want := 1000 - 500*btoi(f.Track == "joined"); f.Track == "steady" && kept != want || kept < want*6/10 {
					t.Errorf("%s: %d frames of %d", f.Track, kept, want)
				}
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAStalledDiskLosesFramesAndStallsNobody(t *testing.T) {
	disk := &stallingDisk{}
	c := newCall(t, func(cfg *Config) { cfg.create = disk.create })
	mix := c.track(TrackInfo{ID: "mix"})
	c.open()
	n := 0
	offer := func(at time.Duration) { n++; mix.WritePCM(at, pcm(n)) }
	c.during(time.Second, offer)
	disk.gate.Lock()
	// The goroutine gets stuck in a step; then nobody takes ticks.
	c.clock.ticks <- c.clock.Now()
	for range flushSteps {
		select {
		case c.clock.ticks <- c.clock.Now():
		case <-time.After(20 * ms): // stuck, or at work: it makes no difference to the sum below
		}
	}
	for range 250 { // 5 s, of which 2 fit
		offer(c.Elapsed())
		c.clock.advance(20 * ms)
	}
	if _, err := c.Close(canceled()); !errors.Is(err, context.Canceled) {
		t.Errorf("closing with a stalled disk: %v", err)
	}
	disk.gate.Unlock()
	m := c.close()
	dropped := m.Files[0].Dropped
	if dropped.Overflow < 100 || dropped.Overflow > 155 || dropped.Late+dropped.Early+dropped.Failed != 0 {
		t.Errorf("dropped %+v of 250 frames", dropped)
	}
	heard := c.heard("call.mix.wav")
	if len(heard) != 300 {
		t.Fatalf("%d frames of 300 are in the file", len(heard))
	}
	silent := 0
	for place, n := range heard {
		if n == 0 {
			silent++
		} else if n != place+1 {
			t.Fatalf("frame %d is in the place of %d", n, place+1)
		}
	}
	if uint64(silent) != dropped.Overflow {
		t.Errorf("%d frames are silent, %d were dropped", silent, dropped.Overflow)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestFramesThatAreOutOfTimeAreCounted(t *testing.T) {
	c := newCall(t, nil)
	mix := c.track(TrackInfo{ID: "mix"})
	c.open()
	c.during(time.Second, nil)
	mix.WritePCM(100*ms, pcm(1))            // filled since
	mix.WritePCM(24*time.Hour, pcm(2))      // a mistake
	mix.WritePCM(-time.Second, pcm(3))      // of before
	mix.WritePCM(time.Second, pcm(4)[:100]) // no frame
	mix.WriteFrame(time.Second, []byte{1}, true)
	mix.WriteOpus(time.Second, opus(5)) // not in a WAV file
	c.during(time.Second, nil)
	m := c.close()
	if diff := cmp.Diff(Dropped{Late: 1, Early: 1, Unsupported: 3}, m.Files[0].Dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	if m.Files[0].DurationMs != 2000 {
		t.Errorf("%d ms", m.Files[0].DurationMs)
	}
	if err := c.told(); err == nil || !strings.Contains(err.Error(), "cannot hold") {
		t.Errorf("told %v", err)
	}
}

func TestTheManifestSaysWhatIsThere(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = FormatOgg, counters })
	mix := c.track(TrackInfo{ID: "mix"})
	alice := c.track(TrackInfo{ID: "p1", Participant: "8:orgid:alice"})
	c.open()
	c.Joined("8:orgid:alice", "Alice")
	c.during(time.Second, func(at time.Duration) { mix.WritePCM(at, pcm(1)); alice.WriteOpus(at, opus(2)) })
	c.Joined("8:orgid:bob", "Bob")
	c.Left("8:orgid:alice")
	c.Left("nobody")
	c.during(time.Second, nil)
	want := c.close()

	f, err := os.Open(filepath.Join(c.dir, "call.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := ReadManifest(f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on disk (-returned +read):\n%s", diff)
	}
	left, start := int64(1000), c.started
	for i := range got.Files {
		if got.Files[i].Bytes == 0 || got.Files[i].SHA256 == "" {
			t.Errorf("%s is not measured", got.Files[i].File)
		}
		got.Files[i].Bytes, got.Files[i].SHA256 = 0, ""
	}
	if diff := cmp.Diff(Manifest{
		Schema: 1, Name: "call", RecordingID: "r-1", CallID: "c-1", Complete: true, Started: start, Ended: start.Add(2 * time.Second),
		Participants: []Participant{{ID: "8:orgid:alice", Name: "Alice", LeftMs: &left}, {ID: "8:orgid:bob", Name: "Bob", JoinedMs: 1000}},
		Files: []File{
			{File: "call.mix.opus", Track: "mix", Kind: KindAudio, Codec: "opus", DurationMs: 2000},
			{File: "call.p1.opus", Track: "p1", Participant: "8:orgid:alice", Kind: KindAudio, Codec: "opus", DurationMs: 2000},
		},
	}, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the directory has %v, %v", entries, err)
	}

	path := filepath.Join(c.dir, "call.mix.opus")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := want.Verify(context.Background(), c.dir); err == nil || !strings.Contains(err.Error(), "changed after the recording") {
		t.Errorf("a changed file: %v", err)
	}
}

// The encoder's delay, and the silence before it that decoders begin with, are skipped.
func TestOggIsHeardWhenItWasSaid(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = FormatOgg, counters })
	mix := c.track(TrackInfo{ID: "mix"})
	c.open()
	c.during(400*ms, func(at time.Duration) { mix.WritePCM(at, pcm(int(at/(20*ms))+1)) })
	c.close()
	b, err := os.ReadFile(filepath.Join(c.dir, "call.mix.opus"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ogg.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if skip := r.Head().PreSkip; skip != 3840+312 {
		t.Errorf("%d samples are skipped", skip)
	}
	for {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Data, ogg.Silence) {
			if p.At != -6500*time.Microsecond || p.Data[1] != 1 {
				t.Errorf("packet %d is at %v", p.Data[1], p.At)
			}
			return
		}
	}
}

func TestOfferingAllocatesNothing(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = FormatOgg, counters })
	mix, camera := c.track(TrackInfo{ID: "mix"}), c.track(TrackInfo{ID: "camera", Kind: KindVideo, Codec: VP8})
	c.started = c.clock.Now() // no goroutine but this one
	c.state.Store(stateOpen)
	frame, packet, picture := pcm(1), opus(1), make([]byte, 5000)
	offer := func() {
		at := c.Elapsed()
		mix.WritePCM(at, frame)
		mix.WriteOpus(at, packet)
		camera.WriteFrame(at, picture, false)
		c.clock.advance(20 * ms)
	}
	for range 10 {
		offer()
	}
	if n := testing.AllocsPerRun(200, offer); n != 0 {
		t.Errorf("%v allocations for three frames offered", n)
	}
	// Nor does writing, but for what a buffer grows by.
	c.observe()
	c.w.changed = false
	work := func() {
		offer()
		c.drain(c.observe())
		for _, o := range mix.out.outputs {
			c.flush(o)
		}
	}
	for range 100 {
		work()
	}
	if n := testing.AllocsPerRun(200, work); n != 0 {
		t.Errorf("%v allocations for three frames written", n)
	}
}

func BenchmarkWritePCM(b *testing.B) {
	c := newCall(b, nil)
	mix := c.track(TrackInfo{ID: "mix"})
	c.state.Store(stateOpen)
	frame := pcm(1)
	b.ReportAllocs()
	for b.Loop() {
		mix.WritePCM(0, frame)
		mix.q.head.Store(mix.q.tail.Load())
	}
}

func BenchmarkWriteOpus(b *testing.B) {
	c := newCall(b, nil)
	mix := c.track(TrackInfo{ID: "mix"})
	c.state.Store(stateOpen)
	packet := make([]byte, 80)
	b.ReportAllocs()
	for b.Loop() {
		mix.WriteOpus(0, packet)
		mix.q.head.Store(mix.q.tail.Load())
	}
}
