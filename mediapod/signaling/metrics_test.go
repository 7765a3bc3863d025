// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/callfleet/callfleet/graph"
)

// gathered is the only series of a metric.
func gathered(t *testing.T, reg *prometheus.Registry, name string) *dto.Metric {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0]
		}
	}
	t.Fatalf("no metric %s, or more than one series of it", name)
	return nil
}

func TestJoiningIsTimedOnceUntilTheBotIsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := newTestServer(t, &fakeGraph{}, func(c *Config) { c.Registerer = reg })
		defer stop(t, s)
		join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished), rosterOf(testCallID, waiting(bot())))
		pass(7 * time.Second) // in the lobby
		establish(t, s)
		establish(t, s)
		m := gathered(t, reg, "callfleet_signaling_join_seconds")
		if n, sum := m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum(); n != 1 || sum != 7 || m.GetLabel()[0].GetValue() != "joined" {
			t.Errorf("%d observations of %g s in all, of %v; want one of 7 s of a call that was joined", n, sum, m.GetLabel())
		}
	})
}
