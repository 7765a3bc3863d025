// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// metrics of the controller. Labels are the namespace, the bot and a reason from a closed list; never a session.
type metrics struct {
	bindSeconds prometheus.Histogram
	binds       *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	ended       *prometheus.CounterVec
	queue       *queue
}

var waitingDesc = prometheus.NewDesc("callfleet_sessions_waiting",
	"Sessions without a media pod, by what they wait for.", []string{"namespace", "bot", "reason"}, nil)

func newMetrics(registerer prometheus.Registerer, q *queue) (*metrics, error) {
	byBot := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"namespace", "bot"}, labels...))
	}
	m := &metrics{
		bindSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "callfleet_session_bind_seconds",
			Help:    "Time from when a session was due and seen until it was bound to a media pod.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 5, 30, 120, 600},
		}),
		binds:    byBot("callfleet_session_binds_total", "Bindings of sessions to media pods."),
		refusals: byBot("callfleet_session_refusals_total", "Bindings taken back because the media pod did not take the session."),
		ended:    byBot("callfleet_sessions_ended_total", "Sessions that are over, by end reason.", "reason"),
		queue:    q,
	}
	for _, c := range append(m.collectors(), m) {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering the session metrics: %w", err)
		}
	}
	return m, nil
}

// RegisterMetrics adds the metrics of a controller that does nothing to a registry: for who lists them.
func RegisterMetrics(registry prometheus.Registerer) error {
	_, err := newMetrics(registry, &queue{})
	return err
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- waitingDesc
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for line, n := range m.queue.lines() {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(n), line.bot.Namespace, line.bot.Name, line.reason)
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.bindSeconds, m.binds, m.refusals, m.ended}
}

// count takes note of a decision that was written.
func (m *metrics) count(s *subject, d decision, now time.Time) {
	bot := s.bot()
	if d.refused != nil && d.handOver == "" {
		m.refusals.WithLabelValues(bot.Namespace, bot.Name).Inc()
	}
	switch d.verdict {
	case bind:
		m.binds.WithLabelValues(bot.Namespace, bot.Name).Inc()
		if since, waited := m.queue.leave(s.uid()); waited {
			m.bindSeconds.Observe(now.Sub(since).Seconds())
		}
	case finish:
		m.ended.WithLabelValues(bot.Namespace, bot.Name, string(d.end.Reason)).Inc()
	}
}

// forgetBot drops the series of a bot that is gone.
func (m *metrics) forgetBot(bot types.NamespacedName) {
	labels := prometheus.Labels{"namespace": bot.Namespace, "bot": bot.Name}
	for _, c := range []*prometheus.CounterVec{m.binds, m.refusals, m.ended} {
		c.DeletePartialMatch(labels)
	}
}
