// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// maxMessage bounds what a refusal says.
const maxMessage = 1024

// refusal is an answer to what is not done.
type refusal struct {
	code  int
	say   wire.Refusal
	cause error // for the log
}

func (r *refusal) Error() string { return r.say.Message }
func (r *refusal) Unwrap() error { return r.cause }

func refuse(code int, reason wire.Reason, message string) *refusal {
	return &refusal{code: code, say: wire.Refusal{Reason: reason, Message: clip(message, maxMessage)}}
}

func (r *refusal) because(err error) *refusal {
	r.cause = err
	return r
}

// refusalOf is how an error is told.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if a, ok := errors.AsType[*signaling.ActionError](err); ok {
		switch a.Failure {
		case signaling.ActionInvalid:
			return refuse(http.StatusBadRequest, wire.ReasonInvalid, a.Message)
		case signaling.ActionNotPossible:
			return refuse(http.StatusConflict, wire.ReasonNotPossible, a.Message)
		case signaling.ActionNotEstablished:
			return refuse(http.StatusConflict, wire.ReasonNotEstablished, a.Message)
		case signaling.ActionNotFound:
			return refuse(http.StatusNotFound, wire.ReasonNotFound, a.Message)
		case signaling.ActionUncertain:
			return refuse(http.StatusGatewayTimeout, wire.ReasonUncertain, a.Message).because(err)
		default:
			return refuse(http.StatusUnprocessableEntity, wire.ReasonRefused, a.Message).because(err)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return refuse(http.StatusGatewayTimeout, wire.ReasonUncertain, "It took too long, and how it went is not known. The call's timeline tells.").because(err)
	}
	// It comes from within the pod, and may hold anything.
	return refuse(http.StatusInternalServerError, wire.ReasonUnavailable, "Something went wrong in the media pod. Its log says what.").because(err)
}

// clip shortens to at most n bytes, at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
