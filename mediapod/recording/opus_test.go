// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio/ogg"
)

// run is how many packets of a kind follow each other.
type run struct {
	what  string
	count int
}

// runs are the packets of a file, 20 ms each.
func (c *call) runs(file string) (all []run) {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := ogg.NewReader(bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err != nil {
			return all
		}
		if p.At < -10*ms { // to be skipped
			continue
		}
		what := "sound"
		switch {
		case len(p.Data) == 1:
			what = "missing"
		case bytes.Equal(p.Data, ogg.Silence):
			what = "silence"
		}
		if n := len(all); n == 0 || all[n-1].what != what {
			all = append(all, run{what: what})
		}
		all[len(all)-1].count++
	}
}

// Where packets are missing, a player's decoder is to go on for as long as a sender that has nothing to say may send none.
// What is longer is silent, and so is a pause of the recording.
func TestMissingPacketsAreConcealedByWhoeverPlays(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Format, cfg.NewEncoder = FormatOgg, counters })
	mix := c.track(TrackInfo{ID: "mix"})
	c.open()
	came := func(d time.Duration) { c.during(d, func(at time.Duration) { mix.WriteOpus(at, opus(1)) }) }
	came(200 * ms)
	c.during(60*ms, nil)
	came(200 * ms)
	c.during(340*ms, nil)
	came(200 * ms)
	c.during(time.Second, nil)
	came(200 * ms)
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	c.during(100*ms, nil)
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	came(200 * ms)
	c.during(100*ms, func(at time.Duration) { mix.WritePCM(at, pcm(1)) })
	c.during(100*ms, nil)
	c.close()
	if err := c.told(); err != nil {
		t.Error(err)
	}
	want := []run{{"sound", 10}, {"missing", 3}, {"sound", 10}, {"missing", 17}, {"sound", 10}, {"missing", 20}, {"silence", 30},
		{"sound", 10}, {"silence", 5}, {"sound", 15}, {"silence", 5}}
	if diff := cmp.Diff(want, c.runs("call.mix.opus"), cmp.AllowUnexported(run{})); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

// Packets of any length follow each other, and keep their time.
func TestPacketsOfAnyLengthKeepTheirTime(t *testing.T) {
	for name, toc := range map[string]byte{"10 ms": 8 << 3, "20 ms": 9 << 3, "60 ms": 11 << 3} {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, func(cfg *Config) { cfg.Format = FormatOgg })
			mix := c.track(TrackInfo{ID: "mix"})
			packet := []byte{toc, 1, 2, 3}
			n, err := ogg.Samples(packet)
			if err != nil {
				t.Fatal(err)
			}
			length := time.Duration(n) * time.Second / ogg.SampleRate
			c.open()
			next := 120 * ms
			c.during(3*time.Second, func(at time.Duration) {
				for ; next <= at; next += length {
					if next < time.Second || next >= 1300*ms {
						mix.WriteOpus(next, packet)
					}
				}
			})
			m := c.close()
			if d := m.Files[0].DurationMs; d < 2980 || d > 3060 || m.Files[0].Dropped != (Dropped{}) {
				t.Errorf("%+v", m.Files[0])
			}
			b, err := os.ReadFile(filepath.Join(c.dir, "call.mix.opus"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := ogg.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			var begins []time.Duration
			gap := true
			for {
				p, err := r.Next()
				if err != nil {
					break
				}
				sound := bytes.Equal(p.Data, packet)
				if sound && gap {
					begins = append(begins, p.At)
				}
				gap = !sound
			}
			want := []time.Duration{140 * ms, 1300 * ms} // the first may hold a copy of what was before
			if len(begins) != 2 || (begins[0]-want[0]).Abs() > 60*ms || (begins[1]-want[1]).Abs() > 20*ms+length/2 {
				t.Errorf("sound begins at %v, want %v", begins, want)
			}
		})
	}
}
