// SPDX-License-Identifier: Apache-2.0

//go:build race

package media

import "time"

// raceDetector is set where sync.Pool, which calls to libopus take their argument
// blocks from, drops some of them on purpose.
const raceDetector = true

// longCall is how long the calls of simulated time last: the race detector takes ten times as long, and sees nothing in the
// last minutes of them that it does not see in the first.
const longCall = time.Minute
