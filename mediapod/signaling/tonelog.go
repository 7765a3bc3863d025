// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"sync"

	"github.com/callfleet/callfleet/graph"
)

// maxTonesKept bounds the keys remembered of a call. They may be a PIN: they are in no timeline and no log.
const maxTonesKept = 128

// toneLog holds the latest keys pressed, for those who act on them.
type toneLog struct {
	mu      sync.Mutex
	tones   []graph.ToneInfo
	dropped int           // how many were there before the first
	more    chan struct{} // closed with the next key
}

func (l *toneLog) add(t graph.ToneInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tones) == maxTonesKept {
		l.tones = append(l.tones[:0:0], l.tones[1:]...)
		l.dropped++
	}
	l.tones = append(l.tones, t)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// after is the first key whose position is not below from; more is closed once there may be one.
func (l *toneLog) after(from int) (t graph.ToneInfo, position int, ok bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	position = max(from, l.dropped)
	if i := position - l.dropped; i < len(l.tones) {
		return l.tones[i], position, true, nil
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return graph.ToneInfo{}, 0, false, l.more
}

func (l *toneLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped + len(l.tones)
}

// Tones is how many keys were pressed since the call is held here.
func (c *Call) Tones() int { return c.tones.count() }

// NextTone is the key at a position, counted from zero in the order in which keys were pressed, and waits for it. If that
// one is forgotten by now, it is the oldest there is: the position that comes with it tells. When the call ends first, it
// is ErrCallOver.
func (c *Call) NextTone(ctx context.Context, position int) (tone graph.ToneInfo, at int, err error) {
	for {
		t, at, ok, more := c.tones.after(position)
		if ok {
			return t, at, nil
		}
		select {
		case <-more:
		case <-c.done:
			return graph.ToneInfo{}, 0, ErrCallOver
		case <-ctx.Done():
			return graph.ToneInfo{}, 0, ctx.Err()
		}
	}
}
