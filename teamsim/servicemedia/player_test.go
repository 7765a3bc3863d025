// SPDX-License-Identifier: Apache-2.0

package servicemedia

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
)

// run draws frames until the job has ended, or n frames; what the others say is loud in the frames of speech.
func run(p *Player, ended <-chan Ending, n int, speech map[int]bool) (frames int, e Ending) {
	var out, heard Frame
	for i := range n {
		p.ReadFrame(&out)
		clear(heard[:])
		if speech[i] {
			for k := range heard {
				heard[k] = 8000
			}
		}
		p.WriteFrame(&heard)
		select {
		case e := <-ended:
			return i + 1, e
		case <-time.After(2 * time.Millisecond):
		}
	}
	return n, Ending{}
}

func TestWhenARecordingEnds(t *testing.T) {
	o := RecordOptions{InitialSilence: 100 * time.Millisecond, MaxSilence: 60 * time.Millisecond, MaxDuration: 400 * time.Millisecond, StopTones: []string{"pound"}}
	for name, c := range map[string]struct {
		speech map[int]bool
		prompt int // frames
		want   Reason
		frames int // recorded
	}{
		"nobody speaks":           {nil, 0, InitialSilence, 5},
		"nobody speaks, prompted": {nil, 3, InitialSilence, 5},
		"somebody speaks":         {map[int]bool{2: true, 3: true}, 0, MaxSilence, 7},
		"a pause between words":   {map[int]bool{2: true, 4: true}, 0, MaxSilence, 8},
		"somebody speaks on": {map[int]bool{0: true, 2: true, 4: true, 6: true, 8: true, 10: true, 12: true, 14: true, 16: true, 18: true}, 0,
			MaxDuration, 20},
		"speech during the prompt does not count": {map[int]bool{0: true, 1: true}, 3, InitialSilence, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ended := New(), make(chan Ending, 1)
			p.Load(p.Record(o, false, func(e Ending) { ended <- e }), make([]int16, c.prompt*audio.FrameSamples), nil)
			_, e := run(p, ended, 100, c.speech)
			got := len(e.Recording) / audio.FrameSamples
			if e.Reason != c.want || got != c.frames {
				t.Errorf("%s after %d frames, want %s after %d", e.Reason, got, c.want, c.frames)
			}
		})
	}
}

func TestJobsWaitForTheirPromptsInOrder(t *testing.T) {
	p, order := New(), make(chan string, 4)
	tell := func(name string) func(Ending) { return func(e Ending) { order <- name + " " + string(e.Reason) } }
	first, second, third := p.Play(tell("first")), p.Play(tell("second")), p.Play(tell("third"))
	p.Load(second, make([]int16, audio.FrameSamples), nil)
	var f Frame
	if p.ReadFrame(&f) {
		t.Error("the second is heard before the first")
	}
	p.Load(third, nil, errors.New("not to be had"))
	p.Load(first, []int16{7}, nil)
	if !p.ReadFrame(&f) || f[0] != 7 || f[1] != 0 {
		t.Error("the first is not heard")
	}
	p.ReadFrame(&f)
	got := []string{<-order, <-order, <-order}
	want := []string{"third playPromptFailed", "first completedSuccessfully", "second completedSuccessfully"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	p.Close()
	p.Play(tell("late"))
	if got := <-order; got != "late mediaOperationCanceled" {
		t.Errorf("after the end of the call: %s", got)
	}
}

func FuzzPrompt(f *testing.F) {
	f.Add([]byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x02\x00\x00\x00\x01\x00"))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, file []byte) {
		clip, err := decode(file)
		if err == nil && (len(clip) == 0 || len(clip) > len(file)) {
			t.Errorf("%d samples of %d bytes", len(clip), len(file))
		}
	})
}
