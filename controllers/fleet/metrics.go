// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

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
	calls     = gauge("callfleet_bot_calls", "Live calls, those of draining media pods included.")
)

var botLabels = []string{"namespace", "bot"}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(botLabels[:2:2], labels...))
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append(botLabels[:2:2], labels...))
}

// register adds the metrics to a registry, which may have them already.
func register(registry prometheus.Registerer) error {
	for _, collector := range []prometheus.Collector{created, drained, undrained, deleted, pods, seats, calls} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// measure sets a bot's gauges from its status.
func measure(bot *v1alpha1.CallingBot, status *v1alpha1.CallingBotStatus) {
	pods.WithLabelValues(bot.Namespace, bot.Name, "ready").Set(float64(status.ReadyReplicas))
	pods.WithLabelValues(bot.Namespace, bot.Name, "starting").Set(float64(status.Replicas - status.ReadyReplicas))
	pods.WithLabelValues(bot.Namespace, bot.Name, "draining").Set(float64(status.DrainingReplicas))
	seats.WithLabelValues(bot.Namespace, bot.Name, "used").Set(float64(status.Seats.Used))
	seats.WithLabelValues(bot.Namespace, bot.Name, "reserved").Set(float64(status.Seats.Reserved))
	seats.WithLabelValues(bot.Namespace, bot.Name, "free").Set(float64(status.Seats.Free))
	calls.WithLabelValues(bot.Namespace, bot.Name).Set(float64(status.Calls))
}

// forget ends a bot's series.
func forget(bot types.NamespacedName) {
	labels := prometheus.Labels{"namespace": bot.Namespace, "bot": bot.Name}
	for _, vec := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{created, drained, undrained, deleted, pods, seats, calls} {
		vec.DeletePartialMatch(labels)
	}
}
