// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"golang.org/x/sys/windows"
)

// processorTime is what the process has used of the processors so far.
func processorTime() (time.Duration, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0, err
	}
	ticks := func(f windows.Filetime) time.Duration { // of 100 ns
		return 100 * time.Duration(int64(f.HighDateTime)<<32|int64(f.LowDateTime))
	}
	return ticks(kernel) + ticks(user), nil
}
