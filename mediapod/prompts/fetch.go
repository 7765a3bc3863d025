// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

const (
	// MaxBytes is about eight minutes of 16 kHz 16-bit mono.
	MaxBytes = 16 << 20

	// fetchTimeout is what a web server gets for a whole file; a slow one must not hold up a call for longer.
	fetchTimeout = 20 * time.Second

	// maxRedirects is enough for a link shortener before a storage service.
	maxRedirects = 5
)

// File is a sound file as it was found.
type File struct {
	Raw []byte
	// From names the place for messages. It never holds an address: those may carry a signature.
	From string
}

// Fetch loads the file that a play behaviour names, whatever its format.
func (l *Library) Fetch(ctx context.Context, play *callfleetv1.Play) (File, error) {
	if ref := play.ConfigMap; ref != nil {
		return l.fromConfigMap(ctx, ref.Name, ref.Key)
	}
	return l.fromWeb(ctx, string(play.URL))
}

func (l *Library) fromConfigMap(ctx context.Context, name, key string) (File, error) {
	file := File{From: fmt.Sprintf("key %q of ConfigMap %q", key, name)}
	cm, err := l.cfg.ConfigMaps.ConfigMap(ctx, name)
	switch {
	case apierrors.IsNotFound(err):
		return file, fmt.Errorf("ConfigMap %q does not exist in the bot's namespace; create it and try again", name)
	case apierrors.IsForbidden(err):
		return file, fmt.Errorf("reading ConfigMap %q: %w", name, err)
	case err != nil:
		return file, temporary{fmt.Errorf("reading ConfigMap %q: %w", name, err)}
	}
	raw, ok := cm.BinaryData[key]
	if _, text := cm.Data[key]; !ok && text {
		return file, fmt.Errorf("%s is text; a sound file goes under binaryData: make it with kubectl create configmap --from-file", file.From)
	}
	if !ok {
		return file, fmt.Errorf("ConfigMap %q has no binaryData key %q; put the file there and try again", name, key)
	}
	file.Raw = raw
	return file, nil
}

func (l *Library) fromWeb(ctx context.Context, address string) (File, error) {
	file := File{From: "the file at the play behaviour's url"}
	u, err := webhook.Address(address)
	if err != nil {
		return file, fmt.Errorf("the play behaviour's url cannot be used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return file, fmt.Errorf("the play behaviour's url cannot be used: %w", webhook.WithoutURL(err))
	}
	resp, err := l.web.Do(req)
	if err != nil {
		return file, unless(fmt.Errorf("fetching %s: %w", file.From, webhook.WithoutURL(err)), webhook.ErrRedirect, webhook.ErrInside)
	}
	defer resp.Body.Close()
	file.Raw, err = contentOf(resp, file.From)
	return file, err
}

// contentOf reads what a server answered.
func contentOf(resp *http.Response, from string) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		err := fmt.Errorf("fetching %s: the server answered %d %s", from, resp.StatusCode, http.StatusText(resp.StatusCode))
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
			err = temporary{err}
		}
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxBytes+1))
	switch {
	case err != nil:
		return nil, temporary{fmt.Errorf("fetching %s: %w", from, webhook.WithoutURL(err))}
	case len(raw) > MaxBytes:
		return nil, fmt.Errorf("%s is larger than %d MiB; make it shorter", from, MaxBytes>>20)
	}
	return raw, nil
}

// unless says that an error is temporary, unless it is one of those that last.
func unless(err error, lasting ...error) error {
	for _, l := range lasting {
		if errors.Is(err, l) {
			return err
		}
	}
	return temporary{err}
}

// guarded is a client that follows few redirects, and none out of TLS.
func guarded(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case next.URL.Scheme != "https":
			return fmt.Errorf("%w: to an address without https", webhook.ErrRedirect)
		case len(via) > maxRedirects:
			return fmt.Errorf("%w: more than %d times on", webhook.ErrRedirect, maxRedirects)
		}
		return nil
	}
	return &c
}

// temporary is a failure that the next attempt may not meet: a server that is away.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

// Temporary reports whether another attempt may do better than the one that ended with err.
func Temporary(err error) bool {
	_, ok := errors.AsType[temporary](err)
	return ok
}
