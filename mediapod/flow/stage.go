// SPDX-License-Identifier: Apache-2.0

package flow

// Stage carries commands out in one call. Do returns at once; what comes of it is told as events, by the function that the stage was
// made with, in the order in which it happened. A stage is told of one command at a time, by one goroutine.
type Stage interface {
	Do(Command)
	// Close lets go of what is under way, without events.
	Close()
}
