// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

// metrics of a server. No label holds an id: their values are all known beforehand.
type metrics struct {
	requests      *prometheus.CounterVec
	notifications map[outcome]prometheus.Counter
	calls         map[Phase]prometheus.Gauge
	ends          *prometheus.CounterVec
	create        *prometheus.HistogramVec
	answer        prometheus.Histogram
	join          *prometheus.HistogramVec
	incoming      *prometheus.CounterVec
	undone        map[undone]prometheus.Counter
	keepAlive     prometheus.Counter
}

// undone is what could not be done with an incoming call; a value of a metric's label.
type undone string

const (
	undoneRedirect undone = "redirect" // it was rejected instead
	undoneReject   undone = "reject"   // it rings until the service gives up
)

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	notifications := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callfleet_signaling_notifications_total",
		Help: "Notifications that were accepted, by what became of them.",
	}, []string{"outcome"})
	calls := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callfleet_signaling_calls",
		Help: "Calls this pod holds, by phase.",
	}, []string{"phase"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callfleet_signaling_incoming_failures_total",
		Help: "Incoming calls that could not be redirected, and were rejected instead, or not be rejected, and rang on.",
	}, []string{"decision"})
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_signaling_requests_total",
			Help: "Requests to the signalling port, by the status they were answered with.",
		}, []string{"code"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_signaling_call_ends_total",
			Help: "Calls that ended, by reason.",
		}, []string{"reason"}),
		create: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callfleet_signaling_create_call_seconds",
			Help:    "Time Graph took to create a call, its own retries included, by result.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 4, 8, 16, 32},
		}, []string{"result"}),
		answer: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "callfleet_signaling_answer_seconds",
			Help:    "Time from the notification of an incoming call until the service had taken the answer.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 15},
		}),
		join: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "callfleet_signaling_join_seconds",
			Help: "Time from when the pod took a call until the bot was in it, by how it came about: joined, placed or answered. The lobby and ringing count.",
			// To the minutes that somebody takes to admit the bot.
			Buckets: []float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900},
		}, []string{"way"}),
		incoming: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_signaling_incoming_calls_total",
			Help: "Incoming calls, by what was decided.",
		}, []string{"decision"}),
		keepAlive: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "callfleet_signaling_keepalive_failures_total",
			Help: "keepAlive requests that failed.",
		}),
		notifications: make(map[outcome]prometheus.Counter, len(outcomes)),
		calls:         make(map[Phase]prometheus.Gauge),
		undone:        make(map[undone]prometheus.Counter),
	}
	// Series that begin at zero can be alerted on from the first event.
	for _, o := range outcomes {
		m.notifications[o] = notifications.WithLabelValues(string(o))
	}
	for _, u := range []undone{undoneRedirect, undoneReject} {
		m.undone[u] = failures.WithLabelValues(string(u))
	}
	for _, phase := range []Phase{PhaseJoining, PhaseInLobby, PhaseEstablished, PhaseLeaving} {
		m.calls[phase] = calls.WithLabelValues(string(phase))
	}
	for reason := range endReasons {
		m.ends.WithLabelValues(string(reason))
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, notifications, calls, m.ends, m.create, m.answer, m.join, m.incoming, failures, m.keepAlive} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// RegisterMetrics adds the metrics of a server and a verifier without calls to a registry: for who lists them.
func RegisterMetrics(reg prometheus.Registerer) error {
	if _, err := newRefusals(clock.RealClock{}, logr.Discard(), reg); err != nil {
		return err
	}
	_, err := newMetrics(reg)
	return err
}

// moved keeps the number of calls by phase; an empty phase stands for not being there.
func (m *metrics) moved(from, to Phase) {
	if from == to {
		return
	}
	if gauge, ok := m.calls[from]; ok {
		gauge.Dec()
	}
	if gauge, ok := m.calls[to]; ok {
		gauge.Inc()
	}
}
