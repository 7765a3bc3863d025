// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package opus

// states are those of a size, in Go's heap.
type states struct{ size int }

func newStates(size int) *states { return &states{size} }

// take gives a state of zeros.
func (l *states) take() *state { return onHeap(l.size) }

// trim does nothing: the collector knows of no parts.
func (*state) trim() {}
