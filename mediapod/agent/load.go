// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/media"
)

// loadEvery is how often the media engine looks at itself.
const loadEvery = time.Second

// watchLoad follows how well the process copes with its calls, until ctx is done. While it does not, no calls are added;
// those that it has go on.
func (a *Agent) watchLoad(ctx context.Context) {
	if a.sound == nil {
		return // the service has the media, and signalling alone is no load
	}
	ticker := a.clock.NewTicker(loadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			a.setLoad(a.sound.Health())
		}
	}
}

func (a *Agent) setLoad(load media.Health) {
	a.mu.Lock()
	was := a.load
	a.load = load
	a.mu.Unlock()
	if was == load {
		return
	}
	a.log.Info("the load of the process has changed", "before", was.String(), "now", load.String())
	a.report()
}

// strained: calls are not added for the load of those that are there. The caller holds a.mu.
func (a *Agent) strained() bool { return a.load >= media.HeavilyLoaded }

// loadOf is the load as the API has it, and what to say about it.
func loadOf(load media.Health) (callfleetv1.PodLoad, string) {
	switch load {
	case media.HeavilyLoaded:
		return callfleetv1.LoadHeavy, "the calls that the pod has leave too little of its processors for more; " +
			"if that stays, give the container more CPU (spec.template) or lower capacity.seats of the bot"
	case media.Overloaded:
		return callfleetv1.LoadOver, "the pod has more calls than it can serve in time: it takes no more, does without their video, and if that is not enough their sound breaks up. " +
			"Give the container more CPU (spec.template) or lower capacity.seats of the bot"
	}
	return callfleetv1.LoadNormal, ""
}
