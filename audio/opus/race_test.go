// SPDX-License-Identifier: Apache-2.0

//go:build race

package opus

// raceDetector is set where sync.Pool, which purego takes its argument blocks
// from, drops some of them on purpose.
const raceDetector = true
