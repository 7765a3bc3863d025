// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/graph"
)

// BenchmarkNotification is a notification from the request to the call's
// snapshot, its token known: call updates and rosters of ten in turn.
func BenchmarkNotification(b *testing.B) {
	i := newIssuer(b)
	verifier, _, _ := newTestVerifier(b, i, logr.Discard())
	s := newTestServer(b, &fakeGraph{}, func(c *Config) { c.Verifier = verifier })
	c, err := s.Join(JoinRequest{UID: testUID, Meeting: testMeeting(), Blob: testBlob})
	if err != nil {
		b.Fatal(err)
	}
	token := goodToken(b, start)
	bodies := make([]string, 2)
	for i := range bodies {
		var people []map[string]any
		for p := range 10 {
			people = append(people, map[string]any{
				"id": fmt.Sprint("participant-", p), "isMuted": i == 0,
				"info": map[string]any{"identity": map[string]any{"user": map[string]any{"id": fmt.Sprint("user-", p), "displayName": "Somebody", "tenantId": testTenant}}},
			})
		}
		if i == 0 {
			bodies[i] = wire(b, testCallID+"/participants", people)
		} else {
			bodies[i] = wire(b, testCallID, map[string]any{"state": "established", "mediaState": map[string]any{"audio": "active"}})
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w := post(s, callbackPath+testUID, bodies[n%2], func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		switch w.Code {
		case http.StatusAccepted:
		case http.StatusServiceUnavailable: // the queue is full: the call is the slower half
			for len(c.queue) > queueLength/2 {
				runtime.Gosched()
			}
		default:
			b.Fatalf("answered %d", w.Code)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "notifications/s")
	b.StopTimer()
	eventually(b, "the call is over", func() bool {
		s.takeCallback(context.Background(), testUID, testTenant, []graph.Notification{deleted(testCallID, 200, 0)})
		return c.Snapshot().Phase == PhaseEnded
	})
}
