// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// shelf has prompts of a second each, and takes a second to find one. Texts that begin with "no" are none.
type shelf struct {
	mu    sync.Mutex
	away  bool
	asked map[string]int
}

func (s *shelf) Prompt(_ context.Context, p flow.Prompt) ([]byte, error) {
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[placeOf(p)]++
	switch {
	case s.away, p.Text == "no prompt":
		return nil, errors.New("there is none")
	case strings.HasPrefix(p.Text, "no"):
		return []byte(p.Text), nil
	}
	var b bytes.Buffer
	err := wav.Encode(&b, wav.Clip{SampleRate: audio.SampleRate, Samples: make([]int16, audio.SampleRate)})
	return b.Bytes(), err
}

func (s *shelf) count(p flow.Prompt) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[placeOf(p)]
}

func (s *shelf) leave(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func said(text string) flow.Prompt { return flow.Prompt{Text: text} }

func TestClips(t *testing.T) {
	for name, does := range map[string]func(t *testing.T, s *shelf, c *Clips){
		"all who wait for a prompt have it looked for once": func(t *testing.T, s *shelf, c *Clips) {
			var waiting sync.WaitGroup
			for range 20 {
				waiting.Go(func() {
					if clips, err := c.find(t.Context(), []flow.Prompt{said("a"), said("a")}); err != nil || len(clips) != 2 {
						t.Errorf("%d clips, %v", len(clips), err)
					}
				})
			}
			waiting.Wait()
			if n := s.count(said("a")); n != 1 {
				t.Errorf("it was looked for %d times", n)
			}
		},
		"who does not wait any more does not keep others from having it": func(t *testing.T, s *shelf, c *Clips) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := c.find(ctx, []flow.Prompt{said("a")}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waited to the end: %v", err)
			}
			time.Sleep(2 * time.Second)
			if _, ok := c.known([]flow.Prompt{said("a")}); !ok || s.count(said("a")) != 1 {
				t.Errorf("known: %v, looked for %d times", ok, s.count(said("a")))
			}
		},
		"those that were played last are kept": func(t *testing.T, s *shelf, c *Clips) {
			for _, text := range []string{"a", "b", "c", "a", "d"} { // there is room for three
				if _, err := c.find(t.Context(), []flow.Prompt{said(text)}); err != nil {
					t.Fatal(err)
				}
			}
			for text, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
				if _, ok := c.known([]flow.Prompt{said(text)}); ok != want {
					t.Errorf("%s is known: %v", text, ok)
				}
			}
			if c.held != 3*time.Second || c.recent.Len() != 3 || len(c.places) != 3 {
				t.Errorf("%v are held, in %d clips", c.held, c.recent.Len())
			}
		},
		"one of a minute ago is played at once, and looked for again beside that, once a minute": func(t *testing.T, s *shelf, c *Clips) {
			all := []flow.Prompt{said("a")}
			if _, err := c.find(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			s.leave(true)
			for range 240 { // four minutes
				if _, ok := c.known(all); !ok {
					t.Fatal("it is not known")
				}
				time.Sleep(time.Second)
			}
			if n := s.count(all[0]); n < 4 || n > 5 {
				t.Errorf("it was looked for %d times in four minutes", n)
			}
		},
		"one of hours ago is looked for first, and played all the same if it cannot be had": func(t *testing.T, s *shelf, c *Clips) {
			all := []flow.Prompt{said("a")}
			if _, err := c.find(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			if _, ok := c.known(all); ok {
				t.Error("it is taken to be what it was")
			}
			s.leave(true)
			if clips, err := c.find(t.Context(), all); err != nil || len(clips) != 1 || s.count(all[0]) != 2 {
				t.Errorf("%d clips, %v; looked for %d times", len(clips), err, s.count(all[0]))
			}
		},
		"those there are come in their order, whatever others are": func(t *testing.T, s *shelf, c *Clips) {
			clips, err := c.find(t.Context(), []flow.Prompt{said("a"), said("no sound"), said("no prompt"), said("b")})
			if len(clips) != 2 || err == nil || !strings.Contains(err.Error(), "WAV") || !strings.Contains(err.Error(), "there is none") {
				t.Errorf("%d clips, %v", len(clips), err)
			}
			a, _ := c.get(said("a"))
			if clips[0] != a {
				t.Error("they come in another order")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				does(t, s, NewClips(s, clock.RealClock{}, 3*time.Second))
				time.Sleep(time.Minute) // what is looked for is found
			})
		})
	}
}

func TestPromptsAreToldApart(t *testing.T) {
	speech := func(voice string) *callfleetv1.SpeechService {
		return &callfleetv1.SpeechService{URL: "https://speech.example", Voice: voice}
	}
	all := []flow.Prompt{
		{ConfigMap: &callfleetv1.KeyReference{Name: "a", Key: "b c"}}, {ConfigMap: &callfleetv1.KeyReference{Name: "a b", Key: "c"}},
		{URL: "https://a.example/b"}, {Text: "a"}, {Text: "a", Speech: speech("x")}, {Text: "a", Speech: speech("y")}, {Text: "b", Speech: speech("x")},
	}
	seen := map[string]bool{}
	for _, p := range all {
		seen[placeOf(p)] = true
	}
	if len(seen) != len(all) {
		t.Errorf("%d prompts are taken for %d", len(all), len(seen))
	}
}
