// SPDX-License-Identifier: Apache-2.0

//go:build !race

package media

import "time"

// raceDetector is set where sync.Pool, which calls to libopus take their argument
// blocks from, drops some of them on purpose.
const raceDetector = false

// longCall is how long the calls of simulated time last.
const longCall = 10 * time.Minute
