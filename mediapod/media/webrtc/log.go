// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/pion/logging"
)

// pionLogs passes on pion's warnings and errors as chatter: most are about what a
// far side did, and none needs anybody to act. What is below a warning is left
// out; it may hold descriptions with their passwords.
type pionLogs struct{ log logr.Logger }

// NewLogger implements logging.LoggerFactory.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.WithName(scope).V(1)}
}

type pionLog struct{ log logr.Logger }

func (pionLog) Trace(string)          {}
func (pionLog) Tracef(string, ...any) {}
func (pionLog) Debug(string)          {}
func (pionLog) Debugf(string, ...any) {}
func (pionLog) Info(string)           {}
func (pionLog) Infof(string, ...any)  {}

func (p pionLog) Warn(msg string)  { p.log.Info(msg) }
func (p pionLog) Error(msg string) { p.log.Info(msg) }

func (p pionLog) Warnf(format string, args ...any)  { p.printf(format, args) }
func (p pionLog) Errorf(format string, args ...any) { p.printf(format, args) }

func (p pionLog) printf(format string, args []any) {
	if p.log.Enabled() {
		p.log.Info(fmt.Sprintf(format, args...))
	}
}
