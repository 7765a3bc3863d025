// SPDX-License-Identifier: Apache-2.0

package opus

import "unsafe"

// state is the memory of one of libopus's encoders or decoders. There is nothing to close and nothing that could be used
// after it was: when the collector finds that nobody has it any more, it is free. libopus keeps no pointer into it, nor
// into Go's memory.
type state struct {
	memory []byte
	mapped bool // pages of its own
}

// address is that of the memory. Who passes it on has to keep the state alive meanwhile.
func (s *state) address() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(s.memory))) }

// onHeap is a state in Go's heap. Words give it the alignment that C expects.
func onHeap(size int) *state {
	words := make([]uint64, (size+7)/8)
	return &state{memory: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))}
}
