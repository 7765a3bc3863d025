// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

// level is the flag that says how much is logged.
type level struct{ slog.Level }

func (l *level) String() string {
	switch l.Level {
	case slog.LevelError:
		return "error"
	case slog.LevelDebug:
		return "debug"
	default:
		return "info"
	}
}

func (l *level) Set(text string) error {
	switch text {
	case "error":
		l.Level = slog.LevelError
	case "info":
		l.Level = slog.LevelInfo
	case "debug":
		l.Level = slog.LevelDebug // V(1) to V(4)
	default:
		return fmt.Errorf("%q is none of error, info, debug", text)
	}
	return nil
}

// newLog writes a JSON object a line.
func newLog(w io.Writer, l level) logr.Logger {
	return logr.FromSlogHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l.Level}))
}
