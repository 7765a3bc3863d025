// SPDX-License-Identifier: Apache-2.0

//go:build !race

package media

// raceDetector is set where sync.Pool, which calls to libopus take their argument
// blocks from, drops some of them on purpose.
const raceDetector = false
