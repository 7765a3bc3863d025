// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/story"
)

// promptLibrary finds the sound files that behaviours name.
type promptLibrary interface {
	Fetch(ctx context.Context, play *callfleetv1.Play) (prompts.File, error)
	MediaInfo(ctx context.Context, play *callfleetv1.Play) (graph.MediaInfo, error)
}

// behavior is what the bot does in a call, with everything fetched that it needs.
type behavior struct {
	// media is for calls whose media is here.
	media media.Behavior
	// prompt is for calls whose media the service hosts; nil if nothing is to be played.
	prompt *graph.MediaInfo
	loop   bool
	// flow is what runs in the call; nil: none does.
	flow *flowVersion
	// recording is what is kept, beside the rest; nil: nothing.
	recording *callfleetv1.RecordingBehavior
}

// prepare turns the behaviour of the API into what is to be done, for one kind of hosting.
func prepare(ctx context.Context, library promptLibrary, hosting callfleetv1.Hosting, b *callfleetv1.Behavior) (behavior, error) {
	if b == nil {
		return behavior{}, nil
	}
	if err := recordable(b.Recording, hosting); err != nil {
		return behavior{}, err
	}
	does, err := prepareSound(ctx, library, hosting, b)
	does.recording = b.Recording
	return does, err
}

// prepareSound is what the bot is to be heard with.
func prepareSound(ctx context.Context, library promptLibrary, hosting callfleetv1.Hosting, b *callfleetv1.Behavior) (behavior, error) {
	service := hosting == callfleetv1.HostingService
	switch {
	case b.Echo != nil && service:
		return behavior{}, errors.New("spec.behavior.echo needs the call's media in the pod, and the bot has media.hosting: Service; use play, or a bot with hosting: Application")
	case b.Echo != nil:
		return behavior{media: media.Behavior{Echo: true}}, nil
	case b.Play != nil && service:
		info, err := library.MediaInfo(ctx, b.Play)
		return behavior{prompt: &info, loop: b.Play.Loop}, err
	case b.Play != nil:
		clip, err := clipOf(ctx, library, b.Play)
		return behavior{media: media.Behavior{Play: &media.Play{Clip: clip, Loop: b.Play.Loop}}}, err
	case b.FlowRef != nil, b.Recording != nil:
		return behavior{}, nil
	default:
		return behavior{}, errors.New("spec.behavior names nothing this version can do; set echo, play, flowRef or recording")
	}
}

func clipOf(ctx context.Context, library promptLibrary, play *callfleetv1.Play) (wav.Clip, error) {
	file, err := library.Fetch(ctx, play)
	if err != nil {
		return wav.Clip{}, err
	}
	clip, err := wav.Decode(bytes.NewReader(file.Raw), prompts.MaxBytes)
	if err != nil {
		return wav.Clip{}, fmt.Errorf("%s is not a WAV file that can be played: %w", file.From, err)
	}
	return clip, nil
}

// endOfBehavior is how an attempt ends whose behaviour could not be prepared.
func endOfBehavior(err error) *callfleetv1.CallEnd {
	return story.Failure(callfleetv1.EndInvalidBehavior, temporary(err), err.Error())
}
