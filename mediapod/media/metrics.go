// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics adds the calls' own counters up when it is asked, so that counting costs
// the packet path nothing. Calls are never told apart: their ids would make a new
// time series each.
type metrics struct {
	engine     *Engine
	registerer prometheus.Registerer
	refused    *prometheus.CounterVec
	quality    quality
	gone       traffic // of calls that have ended; guarded by the engine's mutex
}

// traffic is what went through calls.
type traffic struct {
	packetsIn, packetsOut, bytesIn, bytesOut, lost uint64
	video                                          videoTraffic
}

func (t *traffic) add(c *Call) {
	t.video.add(&c.vision)
	t.packetsOut += c.out.packets.Load()
	t.bytesOut += c.out.bytes.Load()
	for i := range c.ears {
		in := &c.ears[i].in
		t.packetsIn += in.packets.Load()
		t.bytesIn += in.bytes.Load()
		t.lost += in.lost.Load()
	}
}

var (
	callsDesc = prometheus.NewDesc("callfleet_media_calls",
		"Calls whose media this process holds, by state.", []string{"state"}, nil)
	packetsDesc = prometheus.NewDesc("callfleet_media_packets_total",
		"RTP packets of audio, by direction as the bot sees it.", []string{"direction"}, nil)
	bytesDesc = prometheus.NewDesc("callfleet_media_bytes_total",
		"Bytes of RTP packets of audio after decryption, by direction as the bot sees it.", []string{"direction"}, nil)
	listenersDesc = prometheus.NewDesc("callfleet_media_listeners",
		"Who listens in to calls.", nil, nil)
	healthDesc = prometheus.NewDesc("callfleet_media_health",
		"1 for the state of health that the process is in.", []string{"state"}, nil)
	processorsDesc = prometheus.NewDesc("callfleet_media_processor_ratio",
		"Share of the processors it may use that the process used in the last second.", nil, nil)
	shedDesc = prometheus.NewDesc("callfleet_media_video_shed",
		"1 for a kind of video that the process does without because it is overloaded.", []string{"kind"}, nil)
	lagDesc = prometheus.NewDesc("callfleet_media_scheduling_lag_seconds",
		"How long work waited for a processor in the last second, at the 99th percentile.", nil, nil)
	lostDesc = prometheus.NewDesc("callfleet_media_packets_lost_total",
		"RTP packets of audio that were expected from far sides and did not come.", nil, nil)
)

func newMetrics(e *Engine, r prometheus.Registerer) (*metrics, error) {
	m := &metrics{engine: e, registerer: r, quality: newQuality(), refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callfleet_media_whip_refused_total",
		Help: "WHIP requests that were refused, by reason.",
	}, []string{"reason"})}
	if r == nil {
		return m, nil
	}
	for _, c := range m.collectors() {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering the media metrics: %w", err)
		}
	}
	return m, nil
}

// collectors are all there is to register.
func (m *metrics) collectors() []prometheus.Collector {
	list := []prometheus.Collector{m, m.refused}
	for _, h := range m.quality.all() {
		list = append(list, h)
	}
	return list
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		for _, c := range m.collectors() {
			m.registerer.Unregister(c)
		}
	}
}

// RegisterMetrics adds the metrics of an engine without calls to a registry: for who lists them.
func RegisterMetrics(r prometheus.Registerer) error {
	_, err := newMetrics(&Engine{}, r)
	return err
}

// retire keeps what a call counted. It is called under the engine's mutex.
func (m *metrics) retire(c *Call) {
	m.gone.add(c)
	m.quality.observe(c.Stats().Audio)
}

// quality is how calls were, once they are over.
type quality struct{ mos, loss, jitter, roundTrip, concealed prometheus.Histogram }

func newQuality() quality {
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help + ", of calls that ended.", Buckets: buckets})
	}
	return quality{
		mos:       histogram("callfleet_media_call_mos", "Mean opinion score that the E-model estimates", 1.5, 2, 2.5, 3, 3.3, 3.6, 3.8, 4, 4.1, 4.2, 4.3, 4.4),
		loss:      histogram("callfleet_media_call_loss_ratio", "Share of the far side's packets that were lost", 0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
		jitter:    histogram("callfleet_media_call_jitter_seconds", "Interarrival jitter at the end (RFC 3550)", 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
		roundTrip: histogram("callfleet_media_call_round_trip_seconds", "Last round trip that RTCP measured", 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1),
		concealed: histogram("callfleet_media_call_concealed_ratio", "Share of what was played out that had to be made up", 0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
	}
}

func (q quality) all() []prometheus.Histogram {
	return []prometheus.Histogram{q.mos, q.loss, q.jitter, q.roundTrip, q.concealed}
}

// observe leaves out what was not measured: calls in which nothing was heard.
func (q quality) observe(a AudioStats) {
	if a.PacketsReceived == 0 {
		return
	}
	q.mos.Observe(a.MOS)
	q.loss.Observe(a.LossPercent / 100)
	q.jitter.Observe(a.JitterMs / 1000)
	if a.RoundTripMs > 0 {
		q.roundTrip.Observe(a.RoundTripMs / 1000)
	}
	if a.PlayedOut > 0 {
		q.concealed.Observe(a.ConcealedPercent / 100)
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- callsDesc
	ch <- packetsDesc
	ch <- bytesDesc
	ch <- lostDesc
	ch <- healthDesc
	ch <- processorsDesc
	ch <- lagDesc
	ch <- shedDesc
	ch <- listenersDesc
	describeVideo(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	states := map[State]int{StateNew: 0, StateConnected: 0, StateInterrupted: 0, StateLost: 0}
	m.engine.mu.Lock()
	total, listeners := m.gone, 0
	for _, c := range m.engine.calls {
		total.add(c)
		states[c.State()]++
		listeners += c.Listeners()
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
	total.video.collect(counter)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(d *prometheus.Desc, is bool, label string) {
		v := 0.0
		if is {
			v = 1
		}
		gauge(d, v, label)
	}
	for h := Normal; h <= Overloaded; h++ {
		flag(healthDesc, h == m.engine.Health(), h.String())
	}
	flag(shedDesc, m.engine.Shedding().sheds(false), "cameras")
	flag(shedDesc, m.engine.Shedding().sheds(true), "screens")
	gauge(processorsDesc, m.engine.doctor.cpu.Load())
	gauge(lagDesc, time.Duration(m.engine.doctor.lag.Load()).Seconds())
	gauge(listenersDesc, float64(listeners))
}
