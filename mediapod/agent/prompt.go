// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media"
)

// maxPromptBytes is about eight minutes of 16 kHz 16-bit mono.
const maxPromptBytes = 16 << 20

// configMapReader reads a ConfigMap of the pod's namespace.
type configMapReader interface {
	getConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error)
}

// promptLoader turns the behaviour of the API into that of the media engine, fetching the sound it names.
type promptLoader struct {
	configMaps configMapReader
	http       *http.Client
}

func (p promptLoader) load(ctx context.Context, b *callfleetv1.Behavior) (media.Behavior, error) {
	switch {
	case b == nil:
		return media.Behavior{}, nil
	case b.Echo != nil:
		return media.Behavior{Echo: true}, nil
	case b.Play != nil:
		clip, err := p.clip(ctx, b.Play)
		if err != nil {
			return media.Behavior{}, err
		}
		return media.Behavior{Play: &media.Play{Clip: clip, Loop: b.Play.Loop}}, nil
	default:
		return media.Behavior{}, fmt.Errorf("spec.behavior names nothing this version can do; set echo or play")
	}
}

func (p promptLoader) clip(ctx context.Context, play *callfleetv1.Play) (wav.Clip, error) {
	raw, from, err := p.fetch(ctx, play)
	if err != nil {
		return wav.Clip{}, err
	}
	clip, err := wav.Decode(bytes.NewReader(raw), maxPromptBytes)
	if err != nil {
		return wav.Clip{}, fmt.Errorf("%s is not a WAV file that can be played: %w", from, err)
	}
	return clip, nil
}

func (p promptLoader) fetch(ctx context.Context, play *callfleetv1.Play) (raw []byte, from string, err error) {
	if ref := play.ConfigMap; ref != nil {
		from = fmt.Sprintf("key %q of ConfigMap %q", ref.Key, ref.Name)
		cm, err := p.configMaps.getConfigMap(ctx, ref.Name)
		if apierrors.IsNotFound(err) {
			return nil, from, fmt.Errorf("ConfigMap %q does not exist in the session's namespace; create it, then make the session again", ref.Name)
		}
		if err != nil {
			err = fmt.Errorf("reading ConfigMap %q: %w", ref.Name, err)
			if !apierrors.IsForbidden(err) {
				err = passing{err}
			}
			return nil, from, err
		}
		raw, ok := cm.BinaryData[ref.Key]
		if !ok {
			return nil, from, fmt.Errorf("ConfigMap %q has no binaryData key %q", ref.Name, ref.Key)
		}
		return raw, from, nil
	}
	from = "the file at spec.behavior.play.url"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(play.URL), nil)
	if err != nil {
		return nil, from, fmt.Errorf("spec.behavior.play.url cannot be used: it is not a valid address")
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, from, passing{fmt.Errorf("fetching %s: %w", from, withoutURL(err))}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err := fmt.Errorf("fetching %s: the server answered %s", from, resp.Status)
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
			err = passing{err}
		}
		return nil, from, err
	}
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxPromptBytes+1))
	if err != nil {
		return nil, from, passing{fmt.Errorf("fetching %s: %w", from, withoutURL(err))}
	}
	if len(raw) > maxPromptBytes {
		return nil, from, fmt.Errorf("%s is larger than %d MiB", from, maxPromptBytes>>20)
	}
	return raw, from, nil
}

// passing is a failure that the next attempt may not meet: a server that is away.
type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// endOfBehavior is how an attempt ends whose behaviour could not be loaded.
func endOfBehavior(err error) *callfleetv1.CallEnd {
	_, again := errors.AsType[passing](err)
	return &callfleetv1.CallEnd{Reason: callfleetv1.EndInvalidBehavior, Failed: true, Retryable: again, Message: clip(err.Error(), maxMessage)}
}

// withoutURL keeps addresses, which may carry a signature in the query, out of messages.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
