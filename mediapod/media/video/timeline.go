// SPDX-License-Identifier: Apache-2.0

package video

import "time"

// Timeline finds when a stream's frames were taken, by the clock here: when they came, without what the network was late by
// more than at its best.
type Timeline struct {
	started   bool
	timestamp uint32
	at        time.Time
}

const (
	// maxLate is how late a frame may be before its timestamp is taken for one that jumped.
	maxLate = 2 * time.Second
	// creep is the share of its lateness by which the timeline follows a frame: it absorbs a sender's clock that is slow.
	creep = 1.0 / 256
)

// At is when a frame was taken that arrived at a time.
func (t *Timeline) At(timestamp uint32, arrived time.Time) time.Time {
	units := int32(timestamp - t.timestamp)
	expected := t.at.Add(time.Duration(units) * time.Second / ClockRate)
	late := arrived.Sub(expected)
	switch {
	case !t.started, late < 0, late > maxLate:
		expected = arrived
	default:
		expected = expected.Add(time.Duration(float64(late) * creep))
	}
	t.started, t.timestamp, t.at = true, timestamp, expected
	return expected
}
