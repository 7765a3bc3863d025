// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/callfleet/callfleet/audio"
)

// there counts the pages of a state that are resident.
func there(t *testing.T, memory []byte) (n int) {
	t.Helper()
	pages := make([]byte, len(memory)/page)
	if _, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), uintptr(unsafe.Pointer(&pages[0]))); e != 0 {
		t.Fatal(e)
	}
	for _, p := range pages {
		n += int(p & 1)
	}
	return n
}

func needsPages(t *testing.T) {
	t.Helper()
	if os.Getpagesize() != page {
		t.Skipf("pages have %d bytes here: states are in Go's heap", os.Getpagesize())
	}
}

func TestWhatAnEncoderDoesNotUseIsNotThere(t *testing.T) {
	needsPages(t)
	spoken := speech(t, "standup.wav")[:2*audio.SampleRate]
	e := newEncoder(t, LowDelay())
	all := len(e.state.memory) / page
	for _, c := range []Config{LowDelay(), Lossy(), LowDelay()} {
		if err := e.Configure(c); err != nil {
			t.Fatal(err)
		}
		packets(t, e, spoken)
		if n := there(t, e.state.memory); n > all-2 {
			t.Errorf("%d of %d pages are there with %+v", n, all, c)
		}
	}
}

func TestAStateIsGivenBackWhenNobodyHasIt(t *testing.T) {
	needsPages(t)
	l := newStates(3*page + 1)
	taken := map[*byte]bool{}
	for range 3 * atATime {
		s := l.take()
		if len(s.memory) != 4*page || taken[&s.memory[0]] || there(t, s.memory) != 0 {
			t.Fatalf("%d bytes, of which %d pages are there; taken %v", len(s.memory), there(t, s.memory), taken[&s.memory[0]])
		}
		taken[&s.memory[0]] = true
		for i := range s.memory {
			s.memory[i] = 0xA5
		}
	}
	// Cleanups run some time after a collection; never, and this test does not end.
	for free := 0; free < 3*atATime; {
		runtime.GC()
		l.mu.Lock()
		free = len(l.free)
		l.mu.Unlock()
	}
	for range 3 * atATime {
		s := l.take()
		if !taken[&s.memory[0]] {
			t.Error("a new one was made, although one was free")
		}
		if n := there(t, s.memory); n != 0 {
			t.Errorf("%d pages of it are there still", n)
		}
		for i, b := range s.memory {
			if b != 0 {
				t.Fatalf("byte %d is %x", i, b)
			}
		}
		runtime.KeepAlive(s)
	}
}
