// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/callfleet/callfleet/graph"
)

// notificationsPerSecond is what one core has to handle.
const notificationsPerSecond = 5000

// BenchmarkNotification is a notification from the request to the call's
// snapshot, its token known: call updates and rosters of ten in turn. All of it
// happens on one core, and nothing counts that was turned away.
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
	// The target is for one core, and the call takes from its queue in a goroutine of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	handled := func() (n int) {
		for _, counter := range s.metrics.notifications {
			n += int(testutil.ToFloat64(counter))
		}
		return n
	}
	before, n, began := handled(), 0, time.Now()
	for b.Loop() {
		for {
			w := post(s, callbackPath+testUID, bodies[n%2], func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
			if w.Code == http.StatusAccepted {
				break
			}
			if w.Code != http.StatusServiceUnavailable {
				b.Fatalf("answered %d", w.Code)
			}
			for len(c.queue) > queueLength/2 { // full: the call is the slower half
				runtime.Gosched()
			}
		}
		n++
	}
	for len(c.queue) > 0 {
		runtime.Gosched()
	}
	took := time.Since(began)
	eventually(b, "all that was accepted is handled", func() bool { return handled()-before >= n })
	if got := handled() - before; got != n {
		b.Fatalf("%d notifications were handled, of %d accepted", got, n)
	}
	b.ReportMetric(float64(n)/took.Seconds(), "notifications/s")
	b.ReportMetric(notificationsPerSecond, "target/s")
	b.StopTimer()
	eventually(b, "the call is over", func() bool {
		s.takeCallback(context.Background(), testUID, testTenant, []graph.Notification{deleted(testCallID, 200, 0)})
		return c.Snapshot().Phase == PhaseEnded
	})
}
