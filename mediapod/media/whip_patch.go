// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// patch takes candidates of the far side and restarts of ICE (RFC 9725 section
// 4.3). If-Match says which ICE session is meant, so that a candidate that was
// under way while ICE restarted is not taken for one of the new session.
func (e *Engine) patch(w http.ResponseWriter, r *http.Request, s *connection) *problem {
	match := r.Header.Get("If-Match")
	if match == "" {
		return &problem{http.StatusPreconditionRequired, "precondition", `Send If-Match: the session's ETag with candidates, "*" for an ICE restart.`}
	}
	body, p := readBody(w, r, typeFragment)
	if p != nil {
		return p
	}
	fragment, err := sdp.ParseFragment(body)
	if err != nil {
		return problemOf(err)
	}
	ctx, cancel := contextFor(r)
	defer cancel()

	// Section 4.3.3: a restart matches any ICE session and ends it.
	if match == "*" {
		if fragment.Ufrag == "" {
			return &problem{http.StatusBadRequest, "malformed", "An ICE restart needs a new ice-ufrag and ice-pwd."}
		}
		answer, err := s.transport.Restart(ctx, fragment)
		if err != nil {
			return problemOf(err)
		}
		s.setTag(newTag())
		w.Header().Set("Content-Type", typeFragment)
		w.Header().Set("ETag", s.tag())
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, answer.String())
		return nil
	}
	// Section 4.3.2: trickled candidates.
	if match != s.tag() {
		return &problem{http.StatusPreconditionFailed, "precondition", "The ETag is not that of the current ICE session."}
	}
	if err := s.transport.Trickle(fragment); err != nil {
		return problemOf(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func contextFor(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), answerWithin)
}

// What Authorize says of a token: that it is nobody's, that whoever has it may not listen in, or that nobody can tell now.
var (
	ErrUnauthenticated = errors.New("the token is not valid")
	ErrForbidden       = errors.New("you may not listen in to this call")
	ErrUnavailable     = errors.New("who you are cannot be checked now; try again in a moment")
)

// problemOf is the answer to an error from below.
func problemOf(err error) *problem {
	switch {
	case errors.Is(err, errBusy):
		return &problem{http.StatusConflict, "busy", "The call has a session already; DELETE it first."}
	case errors.Is(err, errCrowded):
		return &problem{http.StatusServiceUnavailable, "crowded", "Too many listen in already; try again when one has left."}
	case errors.Is(err, ErrUnauthenticated):
		return &problem{http.StatusUnauthorized, "unauthorized", "The bearer token is not one that the cluster knows."}
	case errors.Is(err, ErrUnavailable):
		return &problem{http.StatusServiceUnavailable, "unavailable", sentence(err)}
	case errors.Is(err, ErrForbidden):
		return &problem{http.StatusForbidden, "forbidden", sentence(err)}
	case errors.Is(err, errClosed):
		return &problem{http.StatusNotFound, "unknown_call", "The call has ended."}
	case errors.Is(err, transport.ErrUnacceptable):
		return &problem{http.StatusNotAcceptable, "unacceptable", sentence(err)}
	case errors.Is(err, sdp.ErrMalformed):
		return &problem{http.StatusBadRequest, "malformed", sentence(err)}
	}
	return &problem{http.StatusInternalServerError, "internal", sentence(err)}
}
