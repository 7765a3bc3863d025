// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics adds the calls' own counters up when it is asked, so that counting costs
// the packet path nothing. Calls are never told apart: their ids would make a new
// time series each.
type metrics struct {
	engine     *Engine
	registerer prometheus.Registerer
	refused    *prometheus.CounterVec
	gone       traffic // of calls that have ended; guarded by the engine's mutex
}

// traffic is what went through calls.
type traffic struct{ packetsIn, packetsOut, bytesIn, bytesOut, lost uint64 }

func (t *traffic) add(c *Call) {
	t.packetsIn += c.in.packets.Load()
	t.packetsOut += c.out.packets.Load()
	t.bytesIn += c.in.bytes.Load()
	t.bytesOut += c.out.bytes.Load()
	t.lost += c.in.lost.Load()
}

var (
	callsDesc = prometheus.NewDesc("callfleet_media_calls",
		"Calls whose media this process holds, by state.", []string{"state"}, nil)
	packetsDesc = prometheus.NewDesc("callfleet_media_packets_total",
		"RTP packets, by direction as the bot sees it.", []string{"direction"}, nil)
	bytesDesc = prometheus.NewDesc("callfleet_media_bytes_total",
		"Bytes of RTP packets after decryption, by direction as the bot sees it.", []string{"direction"}, nil)
	lostDesc = prometheus.NewDesc("callfleet_media_packets_lost_total",
		"RTP packets that were expected from far sides and did not come.", nil, nil)
)

func newMetrics(e *Engine, r prometheus.Registerer) (*metrics, error) {
	m := &metrics{engine: e, registerer: r, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callfleet_media_whip_refused_total",
		Help: "WHIP requests that were refused, by reason.",
	}, []string{"reason"})}
	if r == nil {
		return m, nil
	}
	if err := r.Register(m); err != nil {
		return nil, fmt.Errorf("registering the media metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		m.registerer.Unregister(m)
	}
}

// retire keeps what a call counted. It is called under the engine's mutex.
func (m *metrics) retire(c *Call) { m.gone.add(c) }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- callsDesc
	ch <- packetsDesc
	ch <- bytesDesc
	ch <- lostDesc
	m.refused.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	states := map[State]int{StateNew: 0, StateConnected: 0, StateLost: 0}
	m.engine.mu.Lock()
	total := m.gone
	for _, c := range m.engine.calls {
		total.add(c)
		states[c.State()]++
	}
	m.engine.mu.Unlock()
	delete(states, StateClosed) // about to be removed

	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(callsDesc, prometheus.GaugeValue, float64(n), string(state))
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(packetsDesc, total.packetsIn, "in")
	counter(packetsDesc, total.packetsOut, "out")
	counter(bytesDesc, total.bytesIn, "in")
	counter(bytesDesc, total.bytesOut, "out")
	counter(lostDesc, total.lost)
	m.refused.Collect(ch)
}
