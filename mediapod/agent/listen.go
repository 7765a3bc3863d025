// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/story"
)

// The events of people who listen in.
const (
	eventListenerJoined = "ListenerJoined"
	eventListenerLeft   = "ListenerLeft"
)

// listenJudge says who may listen in to the call of an object; *control.Listening does.
type listenJudge interface {
	Allow(ctx context.Context, token, kind, namespace, name string) (who string, err error)
}

// mayListen judges a token that somebody shows who wants to listen in to this call.
func (r *runner) mayListen(ctx context.Context, token string) (who string, err error) {
	who, err = r.agent.listening.Allow(ctx, token, r.object.kind.name, r.object.object.GetNamespace(), r.object.name())
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, control.ErrUnknownCaller):
		return "", media.ErrUnauthenticated
	case errors.Is(err, control.ErrMayNot):
		r.log.Info("somebody may not listen in", "cause", err.Error())
		return "", fmt.Errorf("%w: %w", media.ErrForbidden, err)
	}
	r.log.Info("nobody can say who may listen in", "cause", err.Error())
	return "", media.ErrUnavailable
}

// listened is told by the media engine that somebody has begun to listen in, or has stopped. It must not wait.
func (r *runner) listened(who string, on bool) {
	event := eventListenerLeft
	if on {
		event = eventListenerJoined
	}
	r.mu.Lock()
	r.happened = addBounded(r.happened, story.Event(r.agent.clock.Now(), event, "%s", who), maxHappened)
	r.mu.Unlock()
	r.poke()
}

// addBounded leaves out what is too much: somebody who comes and goes faster than the call is looked at.
func addBounded(list []callfleetv1.TimelineEvent, e callfleetv1.TimelineEvent, most int) []callfleetv1.TimelineEvent {
	if len(list) >= most {
		return list
	}
	return append(list, e)
}
