// SPDX-License-Identifier: Apache-2.0

// Package soonest picks when a controller has to look again.
package soonest

import "time"

// Of the times that are set; zero if none is.
func Of(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
