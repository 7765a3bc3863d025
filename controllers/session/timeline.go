// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// Timeline events of the controller.
const (
	eventPending   = "Pending"
	eventScheduled = "Scheduled"
	eventAssigned  = "Assigned"
	eventRefused   = "Refused"
	eventRejoining = "Rejoining"
	eventAdopting  = "Adopting"
	eventCompleted = "Completed"
	eventFailed    = "Failed"
)

// eventAdopted is the agent's: it has taken over a call that went on without a process.
const eventAdopted = "Adopted"

// The schema's bounds on status.timeline.
const (
	timelineMax       = 50
	timelineHead      = 10
	timelineDetailMax = 512
)

// record appends to the timeline. A full one loses what is oldest after its first entries: how a session began and how
// it went lately are what people look for.
func record(timeline []v1alpha1.TimelineEvent, at time.Time, event, detail string) []v1alpha1.TimelineEvent {
	out := make([]v1alpha1.TimelineEvent, 0, len(timeline)+1)
	out = append(out, timeline...)
	out = append(out, v1alpha1.TimelineEvent{
		Time: metav1.NewMicroTime(at.Truncate(time.Microsecond)), Event: event, Detail: shorten.Characters(detail, timelineDetailMax),
	})
	if surplus := len(out) - timelineMax; surplus > 0 {
		out = append(out[:timelineHead], out[timelineHead+surplus:]...)
	}
	return out
}

// lastOf gives the time of the last such event.
func lastOf(timeline []v1alpha1.TimelineEvent, event string) (time.Time, bool) {
	for i := len(timeline) - 1; i >= 0; i-- {
		if timeline[i].Event == event {
			return timeline[i].Time.Time, true
		}
	}
	return time.Time{}, false
}
