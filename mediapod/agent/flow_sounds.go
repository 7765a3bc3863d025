// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// fileSounds are the prompts of flows that are files.
type fileSounds struct{ library promptLibrary }

var errNoSpeech = errors.New("the prompt is text, which this version does not speak; use a file")

func asPlay(p flow.Prompt) (*callfleetv1.Play, error) {
	if p.Text != "" {
		return nil, errNoSpeech
	}
	return &callfleetv1.Play{ConfigMap: p.ConfigMap, URL: p.URL}, nil
}

func (f fileSounds) MediaInfo(ctx context.Context, p flow.Prompt) (graph.MediaInfo, error) {
	play, err := asPlay(p)
	if err != nil {
		return graph.MediaInfo{}, err
	}
	return f.library.MediaInfo(ctx, play)
}

func (f fileSounds) Prompt(ctx context.Context, p flow.Prompt) ([]byte, error) {
	play, err := asPlay(p)
	if err != nil {
		return nil, err
	}
	file, err := f.library.Fetch(ctx, play)
	return file.Raw, err
}

// unasked answers webhooks where nobody can be asked.
type unasked struct{}

func (unasked) Ask(_ context.Context, a flow.Ask, _ flow.Call) flow.Answered {
	return flow.Answered{ID: a.ID, Failure: flow.FailedRefused}
}
