// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// TestTransfersOfWhichNotificationsAreLost: whoever asked for one is told how it went all the same.
func TestTransfersOfWhichNotificationsAreLost(t *testing.T) {
	target := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}
	established := func(string) (*graph.Call, error) { return updated(testCallID, graph.StateEstablished).Call, nil }
	tests := map[string]struct {
		then    []graph.Notification
		get     func(string) (*graph.Call, error)
		within  time.Duration
		failure ActionFailure
		says    string
		goesOn  bool
	}{
		"that it began": {
			then: []graph.Notification{updated(testCallID, graph.StateEstablished, withResult(500, 7700))}, get: established,
			within: time.Second, failure: ActionRefused, says: "call goes on", goesOn: true,
		},
		"that it began and that it failed": {get: established, within: 2 * reconcileEvery, failure: ActionRefused, says: "does not say why", goesOn: true},
		"that it failed": {
			then: []graph.Notification{updated(testCallID, graph.StateTransferring)}, get: established,
			within: 2 * reconcileEvery, failure: ActionRefused, says: "does not say why", goesOn: true,
		},
		"all, and the call is gone": {
			get:    func(string) (*graph.Call, error) { return nil, errGone },
			within: 2 * reconcileEvery, failure: ActionUncertain, says: "most likely",
		},
		"that it began, while it rings": {
			get:    func(string) (*graph.Call, error) { return updated(testCallID, graph.StateTransferring).Call, nil },
			within: 4 * reconcileEvery, failure: ActionUncertain, says: "has not said in time", goesOn: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, toOne)
				a.graph.get = tt.get
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				done := a.begin(ctx, "jane", Transfer{Target: target})
				tell(t, a.server, tt.then...)
				if got := <-done; failureOf(got.err) != tt.failure || !strings.Contains(got.err.Error(), tt.says) {
					t.Errorf("got %v", got.err)
				}
				if goesOn := a.call.Snapshot().End == nil; goesOn != tt.goesOn {
					t.Errorf("the call goes on: %t, want %t", goesOn, tt.goesOn)
				}
				stop(t, a.server)
			})
		})
	}
}

func TestATransferThatIsRefusedIsNotWaitedFor(t *testing.T) {
	m := machine{world: newFakeWorld()}
	m.transferAsked()
	m.transferRefused()
	m.transferTaken(time.Now())
	if m.transfers != (transfers{}) {
		t.Errorf("left over: %+v", m.transfers)
	}
}

// TestAFailedTransferSaysWhyInAWord, for those who go on by it.
func TestAFailedTransferSaysWhyInAWord(t *testing.T) {
	target := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}
	for reason, result := range map[string]graph.ResultInfo{
		graph.ReasonDeclined: {Code: 603}, graph.ReasonBusy: {Code: 486}, graph.ReasonNoAnswer: {Code: 408, Subcode: 10057},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := act(t, toOne)
			done := a.begin(t.Context(), "jane", Transfer{Target: target})
			tell(t, a.server, updated(testCallID, graph.StateTransferring), updated(testCallID, graph.StateEstablished, withResult(result.Code, result.Subcode)))
			refusal, ok := asActionError((<-done).err)
			if !ok || refusal.Reason != reason || refusal.Temporary != graph.Explain(result).Class.Retryable() {
				t.Errorf("%s: got %+v", reason, refusal)
			}
			stop(t, a.server)
		})
	}
}
