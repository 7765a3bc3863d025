// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// What the process ends with. docs/kubectl-callfleet.md lists them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitForbidden   = 4
	exitRefused     = 5
	exitUncertain   = 6
	exitInterrupted = 130 // as a shell has it for SIGINT
)

// failure is an error with what the process ends with.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(code int, format string, args ...any) *failure {
	return &failure{code, fmt.Errorf(format, args...)}
}

// misuse is a command that cannot be understood.
func misuse(format string, args ...any) *failure { return fail(exitUsage, format, args...) }

// failureOf says how an error ends the process. What is none of ours comes from reading the command line.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return fail(exitUsage, "%v", err)
}

// explain makes a failure of what came of a command.
func explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*failure](err); ok || err == nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return fail(exitInterrupted, "interrupted: what was begun in the call may go on")
	case apierrors.IsNotFound(err):
		return fail(exitNotFound, "%v", err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fail(exitForbidden, "%v; the role callfleet-edit has the rights needed here", err)
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return fail(exitFailed, "reaching the API server: %v; check your kubeconfig, the network, and --request-timeout", bare(err))
	}
	return fail(exitFailed, "%v", err)
}

// bare is an error without the address it happened at, which people did not write.
func bare(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// codeOf a reason that the media pod gave.
func codeOf(r wire.Reason) int {
	switch r {
	case wire.ReasonInvalid:
		return exitUsage
	case wire.ReasonNotFound:
		return exitNotFound
	case wire.ReasonUnauthenticated, wire.ReasonForbidden:
		return exitForbidden
	case wire.ReasonNotPossible, wire.ReasonNotEstablished, wire.ReasonRefused:
		return exitRefused
	case wire.ReasonUncertain:
		return exitUncertain
	}
	return exitFailed
}
