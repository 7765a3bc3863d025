// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !windows

package opus

import (
	"errors"
	"runtime"
)

const (
	systemName = "libopus"
	remedy     = "use Linux or Windows for Opus"
)

// open knows no other systems. In particular, Apple's calling convention passes
// the arguments of opus_encoder_ctl in another way.
func open(string) (func(string) (uintptr, error), error) {
	return nil, errors.New("libraries are not loaded at run time on " + runtime.GOOS)
}

func invoke(uintptr, *[6]uintptr) uintptr { panic("opus: no library was loaded") }
