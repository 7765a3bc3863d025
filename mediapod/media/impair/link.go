// SPDX-License-Identifier: Apache-2.0

package impair

import (
	"container/heap"
	"time"
)

// Link carries packets of any type over a bad network in whatever time its user
// counts. It is not safe for concurrent use.
type Link[T any] struct {
	fate     *Fate
	arrivals []time.Duration
	flying   flight[T]
	sent     uint64
}

// NewLink is a link with nothing on it.
func NewLink[T any](c Config) *Link[T] {
	return &Link[T]{fate: NewFate(c)}
}

// Send puts a packet on the link.
func (l *Link[T]) Send(packet T, at time.Duration) {
	l.arrivals = l.fate.Next(l.arrivals[:0], at)
	for _, arrival := range l.arrivals {
		heap.Push(&l.flying, flyer[T]{packet: packet, arrival: arrival, order: l.sent})
		l.sent++
	}
}

// Receive takes the next packet off the link that has arrived by now, and when it
// did.
func (l *Link[T]) Receive(now time.Duration) (packet T, arrival time.Duration, ok bool) {
	if arrival, ok = l.Next(); !ok || arrival > now {
		return packet, 0, false
	}
	f := heap.Pop(&l.flying).(flyer[T])
	return f.packet, f.arrival, true
}

// Next is when the next packet arrives, if one is on the link.
func (l *Link[T]) Next() (arrival time.Duration, ok bool) {
	if len(l.flying) == 0 {
		return 0, false
	}
	return l.flying[0].arrival, true
}

// flyer is a packet on its way. Those that arrive at the same time do so in the
// order in which they were sent.
type flyer[T any] struct {
	packet  T
	arrival time.Duration
	order   uint64
}

// flight is a heap with the earliest arrival first.
type flight[T any] []flyer[T]

func (f flight[T]) Len() int      { return len(f) }
func (f flight[T]) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flight[T]) Less(i, j int) bool {
	if f[i].arrival != f[j].arrival {
		return f[i].arrival < f[j].arrival
	}
	return f[i].order < f[j].order
}
func (f *flight[T]) Push(x any) { *f = append(*f, x.(flyer[T])) }
func (f *flight[T]) Pop() any {
	old := *f
	last := old[len(old)-1]
	old[len(old)-1] = flyer[T]{}
	*f = old[:len(old)-1]
	return last
}
