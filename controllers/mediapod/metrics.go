// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// processesLost is for every process of a media pod that went without having been emptied first, or was not seen to be.
var processesLost = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "callfleet_mediapod_processes_lost_total",
	Help: "Processes of media pods that are gone without having been deleted: they crashed, were killed, or their node went.",
}, []string{"namespace", "bot"})

// RegisterMetrics adds the metrics of the controller to a registry, which may have them already.
func RegisterMetrics(registry prometheus.Registerer) error {
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(processesLost); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}
