// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/graph"
)

// answeringGraph tells when calls are answered.
type answeringGraph struct {
	forgetfulGraph
	answered chan time.Time
}

func (g answeringGraph) AnswerCall(context.Context, string, string, graph.Answer) error {
	g.answered <- time.Now()
	return nil
}

// BenchmarkAnswer is an incoming call from the request to the answer on its way to Graph, its token known.
func BenchmarkAnswer(b *testing.B) {
	verifier, _, _ := newTestVerifier(b, newIssuer(b), logr.Discard())
	g := answeringGraph{answered: make(chan time.Time, 1)}
	s := newTestServer(b, g, func(c *Config) {
		c.Verifier = verifier
		c.Incoming = func(in Incoming) Decision { return Decision{Answer: &AnswerRequest{UID: in.CallID, Blob: testBlob}} }
	})
	token := goodToken(b, start)
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		id := fmt.Sprint("call-", n)
		body := ring(b, id)
		began := time.Now()
		if w := post(s, newCallPath, body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }); w.Code != http.StatusAccepted {
			b.Fatalf("answered %d", w.Code)
		}
		took = append(took, (<-g.answered).Sub(began))
		s.deliver(id, []graph.Notification{deleted(id, 200, 0)})
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.StopTimer()
	if err := s.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}
