// SPDX-License-Identifier: Apache-2.0

package servicemedia

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
)

const (
	maxPrompt      = 32 << 20 // a quarter of an hour; the service's own limit is not documented
	promptPatience = 20 * time.Second
	maxCached      = 200 // prompts; the oldest goes first
)

// Prompt is mediaInfo.
type Prompt struct {
	URI        string `json:"uri"`
	ResourceID string `json:"resourceId"`
}

// Prompts fetches prompts and keeps those that have a resourceId, by which the service takes them for unchanged
// (reference section 5).
type Prompts struct {
	HTTP *http.Client

	fetching singleflight.Group

	mu     sync.Mutex
	cached map[key][]int16
	order  []key
}

type key struct{ appID, resourceID string }

// Get returns the audio of several prompts, one after the other.
func (p *Prompts) Get(ctx context.Context, appID string, prompts []Prompt) ([]int16, error) {
	var all []int16
	for _, one := range prompts {
		clip, err := p.get(ctx, appID, one)
		if err != nil {
			return nil, err
		}
		all = append(all, clip...)
	}
	return all, nil
}

func (p *Prompts) get(ctx context.Context, appID string, one Prompt) ([]int16, error) {
	if one.ResourceID == "" {
		return p.load(ctx, one.URI)
	}
	k := key{appID, one.ResourceID}
	// One that is being fetched is waited for.
	clip, err, _ := p.fetching.Do(k.appID+" "+k.resourceID, func() (any, error) {
		p.mu.Lock()
		clip, ok := p.cached[k]
		p.mu.Unlock()
		if ok {
			return clip, nil
		}
		clip, err := p.load(ctx, one.URI)
		if err == nil {
			p.keep(k, clip)
		}
		return clip, err
	})
	if err != nil {
		return nil, err
	}
	return clip.([]int16), nil
}

func (p *Prompts) load(ctx context.Context, uri string) ([]int16, error) {
	file, err := p.fetch(ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("prompt %s: %w", uri, err)
	}
	clip, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("prompt %s: %w", uri, err)
	}
	return clip, nil
}

func (p *Prompts) keep(k key, clip []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cached == nil {
		p.cached = map[key][]int16{}
	}
	if _, known := p.cached[k]; !known {
		p.order = append(p.order, k)
	}
	p.cached[k] = clip
	if len(p.order) > maxCached {
		delete(p.cached, p.order[0])
		p.order = slices.Delete(p.order, 0, 1)
	}
}

func (p *Prompts) fetch(ctx context.Context, uri string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, promptPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it was answered with %d, want 200", resp.StatusCode)
	}
	file, err := io.ReadAll(io.LimitReader(resp.Body, maxPrompt+1))
	if err == nil && len(file) > maxPrompt {
		err = fmt.Errorf("it is larger than %d MiB", maxPrompt>>20)
	}
	return file, err
}

// decode takes WAV, mono, 16 bit PCM, 16 kHz, and nothing else (reference section 5).
func decode(file []byte) ([]int16, error) {
	h, err := wav.Inspect(file)
	if err != nil {
		return nil, err
	}
	if h.Format != wav.PCM || h.Channels != 1 || h.Bits != 16 || h.SampleRate != audio.SampleRate {
		return nil, fmt.Errorf("it is %s with %d channels, %d bits and %d Hz; prompts must be PCM, mono, 16 bits, 16000 Hz",
			wav.FormatName(h.Format), h.Channels, h.Bits, h.SampleRate)
	}
	clip, err := wav.Decode(bytes.NewReader(file), maxPrompt)
	if err == nil && len(clip.Samples) == 0 {
		err = errors.New("it has no audio in it")
	}
	return clip.Samples, err
}
