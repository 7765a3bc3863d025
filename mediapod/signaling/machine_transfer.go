// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// transfers is what is known of those that were asked for here.
type transfers struct {
	asked int       // not settled yet
	since time.Time // when the service took the last one on; zero while none is under way
}

func transferring(s graph.CallState) bool {
	return s == graph.StateTransferring || s == graph.StateTransferAccepted
}

// transferAsked: a transfer is about to be asked for.
func (m *machine) transferAsked() { m.transfers.asked++ }

// transferRefused: the service did not take it on.
func (m *machine) transferRefused() { m.transfers.asked = max(0, m.transfers.asked-1) }

// transferTaken: the service took it on. The notifications that tell how it goes get lost, so that the call is looked at.
func (m *machine) transferTaken(now time.Time) {
	if m.transfers.asked == 0 || m.ended() || m.leaving.reason != "" {
		return // it has failed already
	}
	m.transfers.since = now
	m.reconcileLater(now)
}

// transferOver: a call that is established long after it was transferred has failed to be, and the notification
// that said so is lost.
func (m *machine) transferOver(now time.Time, call *graph.Call, current bool) {
	if !current || call.State != graph.StateEstablished {
		return
	}
	switch {
	case transferring(m.snap.State) && !now.Before(m.movedAt.Add(reconcileEvery)):
		m.enterState(now, graph.StateEstablished, call)
	case m.transferUnseen() && !now.Before(m.transfers.since.Add(reconcileEvery)):
		m.transferFailed(now, call)
	}
}

// transferUnseen: a transfer is under way, and no notification has told that it began.
func (m *machine) transferUnseen() bool {
	return !m.transfers.since.IsZero() && m.snap.State == graph.StateEstablished
}

// tellTransfer adds to the timeline how a transfer goes. One that fails leaves the call as it was.
func (m *machine) tellTransfer(now time.Time, before graph.CallState, call *graph.Call) {
	switch {
	case m.snap.State == graph.StateTransferring && before != graph.StateTransferAccepted:
		m.event(now, EventTransferring, "")
	case m.snap.State == graph.StateTransferAccepted:
		m.event(now, EventTransferAccepted, "")
	case transferring(before):
		m.transferFailed(now, call)
	}
}

func (m *machine) transferFailed(now time.Time, call *graph.Call) {
	m.transfers = transfers{}
	if r := call.ResultInfo; r != nil {
		m.world.transferFailed(*r)
		m.event(now, EventTransferFailed, graph.Explain(*r).Sentence+" ("+codes(*r)+")")
		return
	}
	m.world.transferFailed(graph.ResultInfo{})
	m.event(now, EventTransferFailed, "the call goes on")
}
