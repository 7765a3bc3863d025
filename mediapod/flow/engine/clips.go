// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

const (
	// fresh is how long a clip is taken to be what its prompt is. A clip that is older is played all the same, and looked for again
	// beside that: a caller who has pressed a key waits for no server.
	fresh = time.Minute
	// stale is how long that goes on. What nobody asked for since is looked for before it is played, and is played all the same if it
	// cannot be had.
	stale = time.Hour
	// maxPromptBytes is about eight minutes, as for all prompts.
	maxPromptBytes = 16 << 20
	// findTimeout is what a server gets for a prompt that is not known.
	findTimeout = 20 * time.Second
)

// Prompts finds the files of prompts, and has those made that are text.
type Prompts interface {
	// Prompt is a WAV file.
	Prompt(context.Context, flow.Prompt) ([]byte, error)
}

// Clips are the prompts that were played last, decoded once, up to a number of bytes. All calls of a process share them.
type Clips struct {
	prompts Prompts
	clock   clock.PassiveClock
	most    time.Duration // of sound

	finding singleflight.Group

	mu     sync.Mutex
	held   time.Duration
	recent *list.List // of *clip, the last one played in front
	places map[string]*list.Element
}

type clip struct {
	place string
	clip  *media.Clip
	found time.Time
	tried time.Time // when it was looked for last
}

// NewClips keeps so much sound: an hour is 115 MB.
func NewClips(p Prompts, c clock.PassiveClock, most time.Duration) *Clips {
	return &Clips{prompts: p, clock: c, most: most, recent: list.New(), places: map[string]*list.Element{}}
}

// placeOf tells prompts apart.
func placeOf(p flow.Prompt) string {
	switch {
	case p.ConfigMap != nil:
		return fmt.Sprintf("configmap %q %q", p.ConfigMap.Name, p.ConfigMap.Key)
	case p.URL != "":
		return "url " + string(p.URL)
	case p.Speech != nil:
		return fmt.Sprintf("speech %q %q %q %q", p.Speech.URL, p.Speech.Voice, p.Speech.Language, p.Text)
	}
	return "text " + p.Text
}

// known are the clips of prompts, if none of them has to be waited for.
func (c *Clips) known(prompts []flow.Prompt) (clips []*media.Clip, ok bool) {
	clips = make([]*media.Clip, 0, len(prompts))
	for _, p := range prompts {
		found, age := c.get(p)
		if found == nil || age > stale {
			return nil, false
		}
		clips = append(clips, found)
	}
	return clips, true
}

// find waits for those that are not known. It gives those there are, in their order, whatever is wrong with others.
func (c *Clips) find(ctx context.Context, prompts []flow.Prompt) (clips []*media.Clip, err error) {
	found, errs := make([]*media.Clip, len(prompts)), make([]error, len(prompts))
	var finding sync.WaitGroup
	for i, p := range prompts {
		old, age := c.get(p)
		if found[i] = old; old != nil && age <= stale {
			continue
		}
		finding.Go(func() {
			if clip, err := c.one(ctx, p); err == nil {
				found[i] = clip
			} else if old == nil {
				errs[i] = err
			}
		})
	}
	finding.Wait()
	for _, clip := range found {
		if clip != nil {
			clips = append(clips, clip)
		}
	}
	return clips, errors.Join(errs...)
}

// one looks for a prompt, once for all who wait for it, and not for longer than its own wait for those who go.
func (c *Clips) one(ctx context.Context, p flow.Prompt) (*media.Clip, error) {
	place := placeOf(p)
	result := c.finding.DoChan(place, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTimeout)
		defer cancel()
		raw, err := c.prompts.Prompt(ctx, p)
		if err != nil {
			return nil, err
		}
		decoded, err := wav.Decode(bytes.NewReader(raw), maxPromptBytes)
		if err != nil {
			return nil, fmt.Errorf("the prompt is not a WAV file that can be played: %w", err)
		}
		made, err := media.NewClip(decoded)
		if err != nil {
			return nil, err
		}
		c.put(place, made)
		return made, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*media.Clip), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get is the clip that is there; nil if none is. One that is not fresh is looked for again, once in a while.
func (c *Clips) get(p flow.Prompt) (found *media.Clip, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.places[placeOf(p)]
	if !ok {
		return nil, 0
	}
	c.recent.MoveToFront(e)
	have, now := e.Value.(*clip), c.clock.Now()
	if now.Sub(have.tried) > fresh {
		have.tried = now
		go func() { _, _ = c.one(context.Background(), p) }() // what goes wrong is told when there is nothing to play
	}
	return have.clip, now.Sub(have.found)
}

func (c *Clips) put(place string, made *media.Clip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.places[place]; ok {
		c.forget(e)
	}
	if made.Duration() > c.most {
		return
	}
	now := c.clock.Now()
	c.places[place] = c.recent.PushFront(&clip{place, made, now, now})
	for c.held += made.Duration(); c.held > c.most; {
		c.forget(c.recent.Back())
	}
}

func (c *Clips) forget(e *list.Element) {
	old := c.recent.Remove(e).(*clip)
	delete(c.places, old.place)
	c.held -= old.clip.Duration()
}
