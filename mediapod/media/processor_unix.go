// SPDX-License-Identifier: Apache-2.0

//go:build unix

package media

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what the process has used of the processors so far.
func processorTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
