// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
)

const (
	// trustFlow is how long a flow's prompt in a ConfigMap is taken to be what it was: a hundred callers in a menu are one reader.
	trustFlow = 5 * time.Second

	// spokenBy takes the place of a ConfigMap's name in the address of a spoken prompt, and is none. The key is the pod that has it,
	// which the router asks: no other could make it without the text, which is not for addresses.
	spokenBy = "_spoken"
)

// sound is a prompt of a flow.
type sound struct {
	raw  []byte
	info graph.MediaInfo
}

// Flows finds the prompts of flows: files, and texts that a speech service makes files of. A flow has to be heard alike wherever the
// media of its calls is, so a file has to be one that the service plays, whoever plays it. Errors never hold a text.
type Flows struct{ *Library }

// Flows of the library.
func (l *Library) Flows() Flows { return Flows{l} }

// Prompt is a WAV file. The bytes are shared: do not write to them.
func (f Flows) Prompt(ctx context.Context, p flow.Prompt) ([]byte, error) {
	s, err := f.ofFlow(ctx, p)
	if err == nil && s.raw == nil {
		return nil, temporary{errors.New("the prompt is no longer in memory, and cannot be read now")}
	}
	return s.raw, err
}

// MediaInfo is a prompt as the service is told of it; see Library.MediaInfo.
func (f Flows) MediaInfo(ctx context.Context, p flow.Prompt) (graph.MediaInfo, error) {
	s, err := f.ofFlow(ctx, p)
	return s.info, err
}

func (l *Library) ofFlow(ctx context.Context, p flow.Prompt) (sound, error) {
	switch {
	case p.ConfigMap != nil:
		return l.recalled(ctx, "flow configmap "+p.ConfigMap.Name+"/"+p.ConfigMap.Key, trustFlow, func(ctx context.Context) (sound, error) {
			info, err := l.hosted(ctx, p.ConfigMap.Name, p.ConfigMap.Key)
			raw, _ := l.files.get(l.shelved(info))
			return sound{raw, info}, err
		})
	case p.URL != "":
		return l.recalled(ctx, "flow url "+digest([]byte(p.URL)), trustWeb, func(ctx context.Context) (sound, error) {
			file, err := l.fromWeb(ctx, string(p.URL))
			if err == nil {
				err = playable(file)
			}
			return sound{file.Raw, graph.MediaInfo{URI: string(p.URL), ResourceID: digest(file.Raw)}}, err
		})
	}
	raw, err := l.speak(ctx, p.Text, p.Speech)
	if err != nil {
		return sound{}, err
	}
	sum := digest(raw)
	below := address(sum, spokenBy, l.cfg.MediaPod)
	l.files.put(below, raw)
	return sound{raw, graph.MediaInfo{URI: l.cfg.BaseURL + "/prompts/" + below, ResourceID: sum}}, nil
}

// recalled is what was found at a place not long ago, or what is found there now.
func (l *Library) recalled(ctx context.Context, place string, trust time.Duration, find func(context.Context) (sound, error)) (sound, error) {
	if info, ok := l.known.Get(place); ok {
		if raw, ok := l.files.get(l.shelved(info.(graph.MediaInfo))); ok {
			return sound{raw, info.(graph.MediaInfo)}, nil
		}
	}
	found, err := l.once(ctx, place, l.fetchTimeout, func(ctx context.Context) (any, error) {
		s, err := find(ctx)
		if err == nil && s.raw != nil {
			l.files.put(l.shelved(s.info), s.raw)
			l.known.Add(place, s.info, trust)
		}
		return s, err
	})
	s, _ := found.(sound)
	return s, err
}

// shelved is where the content of a prompt is kept: under the address below path where it is served, which no place on the web is.
func (l *Library) shelved(info graph.MediaInfo) string {
	if below, ok := strings.CutPrefix(info.URI, l.cfg.BaseURL+"/prompts/"); ok {
		return below
	}
	return "web " + info.ResourceID
}

// once does what several ask for at the same time. The first who asks may hang up; the others wait for the same.
func (l *Library) once(ctx context.Context, what string, timeout time.Duration, do func(context.Context) (any, error)) (any, error) {
	done := l.loads.DoChan(what, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		return do(ctx)
	})
	select {
	case r := <-done:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, temporary{fmt.Errorf("waiting for a prompt: %w", ctx.Err())}
	}
}
