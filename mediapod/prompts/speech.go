// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

const (
	// spokenBytes are some hundred sentences of ten seconds.
	spokenBytes = 32 << 20

	// speechTimeout is what a speech service gets in all: somebody is listening to silence.
	speechTimeout = 10 * time.Second

	// speechAttempts: a server that is being replaced fails once.
	speechAttempts = 2
)

// Utterance is what a speech service is sent, as JSON. It answers with a WAV file.
type Utterance struct {
	Text     string `json:"text"`
	Voice    string `json:"voice,omitempty"`
	Language string `json:"language,omitempty"`
}

const fromSpeech = "what the speech service made of the text"

// speak has the speech service make sound of a text. What was made is kept by the digest of what was asked.
func (l *Library) speak(ctx context.Context, text string, by *callfleetv1.SpeechService) ([]byte, error) {
	if text == "" || by == nil {
		return nil, errors.New("there is no text to speak, or no speech service to speak it; set the flow's speech")
	}
	said, err := json.Marshal(Utterance{Text: text, Voice: by.Voice, Language: by.Language})
	if err != nil {
		return nil, fmt.Errorf("telling the speech service what to say: %w", err)
	}
	place := digest(append([]byte(by.URL+"\n"), said...))
	if raw, ok := l.spoken.get(place); ok {
		return raw, nil
	}
	made, err := l.once(ctx, "speech "+place, l.speechTimeout, func(ctx context.Context) (any, error) {
		raw, err := l.synthesize(ctx, by, said)
		if err != nil {
			return nil, err
		}
		if err := playable(File{Raw: raw, From: fromSpeech}); err != nil {
			return nil, err
		}
		l.spoken.put(place, raw)
		return raw, nil
	})
	raw, _ := made.([]byte)
	return raw, err
}

func (l *Library) synthesize(ctx context.Context, to *callfleetv1.SpeechService, said []byte) ([]byte, error) {
	u, err := webhook.Address(string(to.URL))
	if err != nil {
		return nil, fmt.Errorf("the speech service's url cannot be used: %w", err)
	}
	id := string(uuid.NewUUID())
	for attempt := 1; ; attempt++ {
		raw, err := l.ask(ctx, u.String(), id, said)
		if err == nil || !Temporary(err) || attempt == speechAttempts || ctx.Err() != nil {
			return raw, err
		}
	}
}

func (l *Library) ask(ctx context.Context, to, id string, said []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(said))
	if err != nil {
		return nil, fmt.Errorf("the speech service's url cannot be used: %w", webhook.WithoutURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "audio/wav")
	if err := l.cfg.Keys.Sign(req.Header, id, l.cfg.Clock.Now(), said); err != nil {
		return nil, err
	}
	resp, err := l.asking.Do(req)
	if err != nil {
		return nil, unless(fmt.Errorf("asking the speech service: %w", webhook.WithoutURL(err)), webhook.ErrRedirect, webhook.ErrInside)
	}
	defer resp.Body.Close()
	return contentOf(resp, fromSpeech)
}
