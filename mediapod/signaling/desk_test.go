// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/callfleet/callfleet/graph"
)

// ring is the notification of an incoming call, as it comes over the wire.
func ring(t testing.TB, ids ...string) string {
	t.Helper()
	var value []any
	for _, id := range ids {
		value = append(value, map[string]any{
			"@odata.type": "#microsoft.graph.commsNotification", "changeType": "Created", "resourceUrl": "/communications/calls/" + id,
			"resourceData": map[string]any{
				"@odata.type": "#microsoft.graph.call", "id": id, "state": "incoming", "direction": "incoming", "callChainId": "chain-" + id,
				"myParticipantId": testSelf, "tenantId": testTenant,
				"source": map[string]any{
					"countryCode": "US", "region": "amer",
					"identity": map[string]any{"user": map[string]any{"id": "ada", "tenantId": testTenant}},
				},
				"targets": []any{map[string]any{"identity": map[string]any{"application": map[string]any{"id": testAppID}}}},
			},
		})
	}
	body, err := json.Marshal(map[string]any{"@odata.type": "#microsoft.graph.commsNotifications", "value": value})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// recordedRing is the same for a call under a recording policy.
func recordedRing(id string) graph.Notification {
	return graph.Notification{
		ChangeType: graph.Created, Resource: graph.Resource{Kind: graph.KindCall, CallID: id},
		Call: &graph.Call{
			ID: id, State: graph.StateIncoming, CallChainID: "chain", MyParticipantID: testSelf,
			MeetingInfo:     &graph.MeetingInfo{Token: "token"},
			IncomingContext: &graph.IncomingContext{SourceParticipantID: "p-1", ObservedParticipantID: "p-1"},
		},
	}
}

// desk decides about incoming calls as it is told, and holds what was begun.
type desk struct {
	decide func(Incoming) Decision

	mu      sync.Mutex
	seen    []Incoming
	started []*Call
	refused int
}

func (d *desk) incoming(in Incoming) Decision {
	d.mu.Lock()
	d.seen = append(d.seen, in)
	d.mu.Unlock()
	decision := d.decide(in)
	if decision.Answer != nil && decision.Answer.Started == nil {
		decision.Answer.Started = d.start
	}
	return decision
}

func (d *desk) start(c *Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c == nil {
		d.refused++
		return
	}
	d.started = append(d.started, c)
}

func (d *desk) call(t *testing.T) *Call {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.started) != 1 {
		t.Fatalf("%d calls were begun, want one", len(d.started))
	}
	return d.started[0]
}

func answerIt(in Incoming) Decision {
	return Decision{Answer: &AnswerRequest{UID: testUID, Blob: testBlob}}
}

func withDesk(d *desk) func(*Config) { return func(c *Config) { c.Incoming = d.incoming } }
