// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"bytes"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// states are those of a size. They are pages of their own, not of Go's heap: there they would be half as much again, for what
// the collector leaves to grow. And not all of them need be there: libopus asks for room for a second channel of SILK, and for
// telling music from speech, of which an encoder that is asked for little effort uses nothing (libopus 1.3.1: 2 or 3 pages of
// 11). They are made some at a time, and used again.
type states struct {
	size, pages int // bytes, of one; what is mapped for one

	mu   sync.Mutex // guards
	free [][]byte   // zeros, of which nothing is resident
}

const (
	// page is the size for which this pays. Where pages are larger, as on some ARM systems, there would be more of a state
	// that is not used than that is left out.
	page = 4096
	// atATime keeps the number of mappings small, of which a process may have 65,530 (vm.max_map_count).
	atATime = 32
)

func newStates(size int) *states { return &states{size: size, pages: (size + page - 1) / page * page} }

// take gives a state of zeros.
func (l *states) take() *state {
	if os.Getpagesize() != page {
		return onHeap(l.size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == 0 {
		all, err := unix.Mmap(-1, 0, atATime*l.pages, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil { // such as by a limit on the address space
			return onHeap(l.size)
		}
		// A huge page would be there as a whole. A kernel that has none refuses.
		_ = unix.Madvise(all, unix.MADV_NOHUGEPAGE)
		for ; len(all) > 0; all = all[l.pages:] {
			l.free = append(l.free, all[:l.pages:l.pages])
		}
	}
	last := len(l.free) - 1
	s := &state{memory: l.free[last], mapped: true}
	l.free = l.free[:last]
	runtime.AddCleanup(s, l.give, s.memory)
	return s
}

// give takes back the memory of a state that nobody has any more.
func (l *states) give(memory []byte) {
	if unix.Madvise(memory, unix.MADV_DONTNEED) != nil {
		clear(memory)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, memory)
}

// trim has pages not be there that are zero: they are until they are written to. It is for when a state was begun, which
// libopus does by clearing all of it.
func (s *state) trim() {
	if !s.mapped {
		return
	}
	var zero [page]byte
	for rest := s.memory; len(rest) > 0; rest = rest[page:] {
		if bytes.Equal(rest[:page], zero[:]) {
			_ = unix.Madvise(rest[:page], unix.MADV_DONTNEED) // else it is there, and as good
		}
	}
}
