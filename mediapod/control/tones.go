// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	// listening bounds the requests that wait for keys, so that they leave places for those that act.
	listening = atOnce / 2
	// maxTones bounds the keys in one answer; signalling remembers as many.
	maxTones = 128
)

// Tones are the keys pressed in a call since this pod holds it; *signaling.Call has them. They may be a PIN, and may
// not be persisted (Graph, "call: subscribeToTone"): they go to who asks, and into no log, status or timeline.
type Tones interface {
	// Tones is how many there were.
	Tones() int
	// NextTone waits for the one at a position, counted from zero. If that is forgotten by now, it is the oldest there is;
	// at tells. When the call ends first, it is signaling.ErrCallOver.
	NextTone(ctx context.Context, position int) (tone graph.ToneInfo, at int, err error)
}

// positionOf reads from which key on somebody asks; absent is for those who want to know where to begin.
func positionOf(r *http.Request) (position int, given bool, err error) {
	text := r.URL.Query().Get(wire.ParamPosition)
	if text == "" {
		return 0, false, nil
	}
	position, err = strconv.Atoi(text)
	if err != nil || position < 0 {
		return 0, true, refuse(http.StatusBadRequest, wire.ReasonInvalid, fmt.Sprintf(
			"%s must be a number from 0 on: the member next of the answer before. Leave it out to learn where to begin.", wire.ParamPosition))
	}
	return position, true, nil
}

// tones tells the keys from a position on, and waits a while for the first.
func (s *Server) tones(w http.ResponseWriter, r *http.Request, who caller) error {
	held, p, user, err := s.permitted(r, who)
	if err != nil {
		return err
	}
	position, given, err := positionOf(r)
	if err != nil {
		return err
	}
	keys, err := held.Tones()
	if err != nil {
		return err
	}
	if !given {
		answer(w, http.StatusOK, wire.Tones{Tones: []wire.Tone{}, Next: keys.Tones()})
		return nil
	}
	select {
	case s.listeners <- struct{}{}:
		defer func() { <-s.listeners }()
	default:
		return refuse(http.StatusServiceUnavailable, wire.ReasonUnavailable, "Too many requests wait for keys at this media pod. Try again in a moment.")
	}
	s.cfg.Log.V(1).Info("somebody waits for keys", "object", p.String(), "by", user)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wire.TonesWait + writeTimeout))
	ctx, stop := s.within(r.Context(), wire.TonesWait)
	defer stop()
	told, err := next(ctx, keys, position)
	switch {
	case r.Context().Err() != nil: // nobody is there to be told
		return nil
	case err != nil:
		return err
	}
	answer(w, http.StatusOK, told)
	return nil
}

// next waits for a key until ctx is done, and takes those along that came after it.
func next(ctx context.Context, keys Tones, position int) (wire.Tones, error) {
	// A position that is still to come is from another pod, which had the call before: nobody waits for that many keys.
	told := wire.Tones{Tones: []wire.Tone{}, Next: min(position, keys.Tones())}
	for len(told.Tones) == 0 || told.Next < keys.Tones() && len(told.Tones) < maxTones {
		tone, at, err := keys.NextTone(ctx, told.Next)
		switch {
		case errors.Is(err, signaling.ErrCallOver):
			told.Over = told.Next >= keys.Tones() // the last key and the end may come together
			return told, nil
		case err != nil && ctx.Err() != nil:
			return told, nil
		case err != nil:
			return wire.Tones{}, err
		}
		told.Tones = append(told.Tones, wire.Tone{Position: at, Key: tone.Tone.Key()})
		told.Next = at + 1
	}
	return told, nil
}

// within is a context that is done after a time by the server's clock.
func (s *Server) within(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	timer := s.cfg.Clock.NewTimer(d)
	go func() {
		defer timer.Stop()
		defer cancel()
		select {
		case <-timer.C():
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
