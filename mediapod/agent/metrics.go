// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	admissions   *prometheus.CounterVec
	incoming     *prometheus.CounterVec
	statusWrites *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		admissions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_admissions_total", Help: "Bindings the pod claimed, adopted or refused.",
		}, []string{"outcome"}),
		incoming: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_incoming_calls_total", Help: "Calls that came in, by what the rules and the seats made of them.",
		}, []string{"outcome"}),
		statusWrites: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_status_writes_total", Help: "Writes about calls to the API server.",
		}, []string{"outcome"}),
	}
}
