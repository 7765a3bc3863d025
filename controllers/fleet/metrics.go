// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Series carry namespace and bot, never calls or sessions, and end with the bot.
var (
	created   = counter("callfleet_mediapods_created_total", "Media pods created.")
	drained   = counter("callfleet_mediapods_drained_total", "Media pods marked draining, by reason.", "reason")
	undrained = counter("callfleet_mediapods_undrained_total", "Media pods whose drain mark was taken back.")
	deleted   = counter("callfleet_mediapods_deleted_total", "Media pods deleted after they were drained.")
	pods      = gauge("callfleet_bot_mediapods", "Media pods by state: ready, starting (serving but not ready) or draining.", "state")
	seats     = gauge("callfleet_bot_seats", "Seats of the serving media pods by use: used, reserved or free.", "use")
	capacity  = gauge("callfleet_bot_seat_capacity", "Seats that the serving media pods have, whoever is on them.")
	calls     = gauge("callfleet_bot_calls", "Live calls, those of draining media pods included.")

	drainSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "callfleet_mediapod_drain_seconds",
		Help: "Time from when a media pod was marked draining until it was deleted, empty.",
		// From an idle pod's to a day of calls.
		Buckets: []float64{5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400},
	}, botLabels)
)

// series are all of them; each can drop the series of a bot.
var series = []interface {
	prometheus.Collector
	DeletePartialMatch(prometheus.Labels) int
}{created, drained, undrained, deleted, pods, seats, capacity, calls, drainSeconds}

var botLabels = []string{"namespace", "bot"}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(botLabels[:2:2], labels...))
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append(botLabels[:2:2], labels...))
}

// RegisterMetrics adds the metrics of the fleet to a registry, which may have them already. cache is what bots and pods are
// read from when the registry is gathered, once elected is closed.
func RegisterMetrics(registry prometheus.Registerer, cache client.Reader, elected <-chan struct{}) error {
	for _, collector := range series {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	bots := &standing{cache: cache, clock: clock.RealClock{}, elected: elected}
	registry.Unregister(bots) // that of a manager of this process that is gone
	return registry.Register(bots)
}

// measure sets a bot's gauges from its status.
func measure(bot *v1alpha1.CallingBot, status *v1alpha1.CallingBotStatus) {
	pods.WithLabelValues(bot.Namespace, bot.Name, "ready").Set(float64(status.ReadyReplicas))
	pods.WithLabelValues(bot.Namespace, bot.Name, "starting").Set(float64(status.Replicas - status.ReadyReplicas))
	pods.WithLabelValues(bot.Namespace, bot.Name, "draining").Set(float64(status.DrainingReplicas))
	seats.WithLabelValues(bot.Namespace, bot.Name, "used").Set(float64(status.Seats.Used))
	seats.WithLabelValues(bot.Namespace, bot.Name, "reserved").Set(float64(status.Seats.Reserved))
	seats.WithLabelValues(bot.Namespace, bot.Name, "free").Set(float64(status.Seats.Free))
	capacity.WithLabelValues(bot.Namespace, bot.Name).Set(float64(status.Seats.Capacity))
	calls.WithLabelValues(bot.Namespace, bot.Name).Set(float64(status.Calls))
}

// forget ends a bot's series.
func forget(bot types.NamespacedName) {
	labels := prometheus.Labels{"namespace": bot.Namespace, "bot": bot.Name}
	for _, vec := range series {
		vec.DeletePartialMatch(labels)
	}
}
