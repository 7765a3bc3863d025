// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"slices"
	"sync"

	"github.com/callfleet/callfleet/graph"
)

// maxEndedKept bounds the operations whose end is remembered although nobody waits for it: an end may overtake the answer that names
// the operation.
const maxEndedKept = 32

// operations is where those who began an operation wait for its end. The call's machine hands in what the service says of operations
// (notified) and the failure of a transfer (transferFailed), on the call's own goroutine; it never waits here.
type operations struct {
	mu        sync.Mutex
	waiting   []*awaited
	ended     []graph.Operation // nobody's yet, oldest first
	transfers []chan graph.ResultInfo

	recordings []graph.Operation // that can be fetched, oldest first
}

// awaited is an operation somebody waits for. It is known by the context it was given, and by its id once that is known.
type awaited struct {
	context string
	id      string
	end     chan graph.Operation // of length one
}

func (a *awaited) is(op *graph.Operation) bool {
	return a.id != "" && graph.SameID(a.id, op.ID) || a.context != "" && a.context == op.ClientContext
}

// notified takes a graph.KindOperation.
func (o *operations) notified(n graph.Notification) {
	op := n.Operation
	if op == nil {
		if n.ChangeType != graph.Deleted || n.Resource.ID == "" {
			return
		}
		op = &graph.Operation{ID: n.Resource.ID} // it ended, and that is all that is said
	}
	if n.ChangeType != graph.Deleted && !op.Ended() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, a := range o.waiting {
		if a.is(op) {
			o.waiting = slices.Delete(o.waiting, i, i+1)
			a.end <- *op
			return
		}
	}
	if slices.ContainsFunc(o.ended, func(e graph.Operation) bool { return graph.SameID(e.ID, op.ID) }) {
		return // told twice
	}
	if len(o.ended) == maxEndedKept {
		o.ended = slices.Delete(o.ended, 0, 1)
	}
	o.ended = append(o.ended, *op)
}

// expect begins to wait for the operation that is about to be asked for with this context.
func (o *operations) expect(context string) *awaited {
	a := &awaited{context: context, end: make(chan graph.Operation, 1)}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, a)
	return a
}

// identify adds the id, for services that do not give the context back.
func (o *operations) identify(a *awaited, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a.id = id
	for i := range o.ended {
		if e := o.ended[i]; a.is(&e) {
			o.ended = slices.Delete(o.ended, i, i+1)
			o.forgetLocked(a)
			a.end <- e
			return
		}
	}
}

// forget ends the waiting.
func (o *operations) forget(a *awaited) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgetLocked(a)
}

func (o *operations) forgetLocked(a *awaited) {
	o.waiting = slices.DeleteFunc(o.waiting, func(b *awaited) bool { return a == b })
}

// awaitTransfer gives a channel on which a failure of the transfer about to be asked for comes. Its success is the end of the call.
func (o *operations) awaitTransfer() (failed <-chan graph.ResultInfo, stop func()) {
	c := make(chan graph.ResultInfo, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.transfers = append(o.transfers, c)
	return c, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.transfers = slices.DeleteFunc(o.transfers, func(d chan graph.ResultInfo) bool { return c == d })
	}
}

// transferFailed says that the call is established again after a transfer. A call is in one transfer at a time.
func (o *operations) transferFailed(r graph.ResultInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.transfers {
		c <- r
	}
	o.transfers = nil
}

// keepRecording remembers where a recording is: place and token stay in the process.
func (o *operations) keepRecording(op graph.Operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.recordings) == maxEndedKept {
		o.recordings = slices.Delete(o.recordings, 0, 1)
	}
	o.recordings = append(o.recordings, op)
}

func (o *operations) recording(id string) (graph.Operation, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.recordings {
		if graph.SameID(op.ID, id) {
			return op, true
		}
	}
	return graph.Operation{}, false
}
