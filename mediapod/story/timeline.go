// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Event is something that happened.
func Event(now time.Time, name, format string, args ...any) v1alpha1.TimelineEvent {
	return v1alpha1.TimelineEvent{
		Time: metav1.NewMicroTime(now.Truncate(time.Microsecond)), Event: name, Detail: Clip(fmt.Sprintf(format, args...), maxDetail),
	}
}

// Events are those of the story, the pod's own and signalling's, in no order.
func (s Story) Events() []v1alpha1.TimelineEvent {
	out := slices.Clone(s.own)
	for _, e := range s.Signal.Events {
		out = append(out, v1alpha1.TimelineEvent{
			Time: metav1.NewMicroTime(e.Time.Truncate(time.Microsecond)), Event: Clip(e.Event, 64), Detail: Clip(e.Detail, maxDetail),
		})
	}
	return out
}

// Merge adds what is new, keeps the order of time and drops from the middle when there is too much: the beginning and
// the end of a call are what people ask about.
func Merge(have, more []v1alpha1.TimelineEvent) []v1alpha1.TimelineEvent {
	out := slices.Clone(have)
	for _, e := range more {
		known := slices.ContainsFunc(have, func(h v1alpha1.TimelineEvent) bool {
			return h.Event == e.Event && h.Time.Time.Equal(e.Time.Time)
		})
		if !known {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.TimelineEvent) int { return a.Time.Time.Compare(b.Time.Time) })
	return bounded(out)
}

// bounded drops from the middle.
func bounded(events []v1alpha1.TimelineEvent) []v1alpha1.TimelineEvent {
	if extra := len(events) - maxTimeline; extra > 0 {
		mid := maxTimeline / 2
		events = slices.Delete(events, mid, mid+extra)
	}
	return events
}
