// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// verbListen is what somebody must be allowed to do with a session or call to listen in to it. No role of Kubernetes' own
// holds it: who may run bots may not therefore hear what people say to them.
const verbListen = "listen"

// What Allow says of somebody. Any other error means that the API server could not be asked, and that trying again may help.
var (
	ErrUnknownCaller = errors.New("the API server does not know the token that was sent")
	ErrMayNot        = errors.New("the API server does not allow it")
)

// Listening judges who may listen in to calls, by the same questions as Server. It has slots and memory of its own: the
// media port can be dialled from anywhere, and what comes in there must not keep people from acting in calls.
type Listening struct{ reviews *reviewer }

// NewListening asks the API server that kube leads to. Its credentials are not used.
func NewListening(kube *rest.Config, clk clock.Clock) (*Listening, error) {
	reviews, err := newReviewer(kube, clk)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return &Listening{reviews}, nil
}

// Allow names whoever the token belongs to, if they may listen in to the call of an object; kind is MeetingSession or Call.
// The error's text is for them.
func (l *Listening) Allow(ctx context.Context, token, kind, namespace, name string) (who string, err error) {
	if token == "" || !plausible(token) {
		return "", ErrUnknownCaller
	}
	who, err = l.reviews.allow(ctx, caller{token: token}, permit{verbListen, resourceOf(kind), namespace, name})
	if err == nil {
		return who, nil
	}
	refusal := refusalOf(err)
	switch refusal.code {
	case http.StatusUnauthorized:
		return "", ErrUnknownCaller
	case http.StatusForbidden:
		return "", fmt.Errorf("%w: %s", ErrMayNot, refusal.say.Message)
	}
	return "", err
}
