// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/story"
)

// maxMessage and maxNamed are the bounds of a message, and of the calls that a report names, in the API's schema.
const (
	maxMessage = 1024
	maxNamed   = 8
)

// mediaPodClient is what is needed of the API server about media pods.
type mediaPodClient interface {
	getMediaPod(ctx context.Context, name string) (*callfleetv1.MediaPod, error)
	patchMediaPod(ctx context.Context, before, after *callfleetv1.MediaPod) (*callfleetv1.MediaPod, error)
}

// report asks for a report; it never blocks.
func (a *Agent) report() {
	select {
	case a.reportWake <- struct{}{}:
	default:
	}
}

// runReports keeps the agent's part of the MediaPod's status true, at most one write a second, until ctx is done.
// reported is called after the first one was accepted: from then on the fleet knows this process, and it may admit.
func (a *Agent) runReports(ctx context.Context, reported func()) {
	retry := 250 * time.Millisecond
	wait := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-a.clock.After(d):
			return true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.reportWake:
		}
		before, after := a.reportNow()
		if before == nil || apiequality.Semantic.DeepEqual(before.Status, after.Status) {
			continue
		}
		got, err := a.pods.patchMediaPod(ctx, before, after)
		if err != nil {
			a.log.V(1).Info("report not accepted yet", "retryIn", retry.String(), "cause", err.Error())
			a.report()
			if !wait(retry) {
				return
			}
			retry = min(2*retry, 5*time.Second)
			continue
		}
		retry = 250 * time.Millisecond
		a.mu.Lock()
		if newer(got.ResourceVersion, a.pod.ResourceVersion) {
			a.pod = got
		}
		a.mu.Unlock()
		if reported != nil {
			reported()
			reported = nil
		}
		if !wait(time.Second) {
			return
		}
	}
}

// reportNow is the MediaPod as known and as it should read.
func (a *Agent) reportNow() (before, after *callfleetv1.MediaPod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pod == nil {
		return nil, nil
	}
	after = a.pod.DeepCopy()
	capacity, used, reserved := after.Spec.Capacity.Seats, a.used(), a.reserved()
	after.Status.Calls = int32(len(a.runners)) // the pod stays until their last word is written
	after.Status.Seats = callfleetv1.Seats{Capacity: capacity, Used: used, Reserved: reserved, Free: max(0, capacity-used-reserved)}
	after.Status.PendingUploads = a.uploads.pending()
	if a.strained() {
		after.Status.Seats.Free = 0 // they are there, and nobody gets them now
	}
	h := a.health
	load, strain := loadOf(a.load)
	if a.sound == nil {
		load = ""
	}
	if h.ready && strain != "" {
		h.message = strain
	}
	if a.stopped {
		h = health{reason: "Stopping", message: "the process was told to stop; it finishes its calls"}
	}
	after.Status.Agent = &callfleetv1.AgentReport{
		Instance: a.instance, PodUID: a.podUID, StartTime: metav1.NewTime(a.started.Truncate(time.Second)),
		ObservedGeneration: a.pod.Generation, Ready: h.ready, Load: load, Media: a.media, Calls: a.someCalls(),
		Reason: story.Clip(h.reason, 64), Message: story.Clip(h.message, maxMessage),
	}
	return a.pod, after
}

// someCalls are the names of calls for who wants the pod gone: the first few of them, so that most comings and goings leave the
// list as it is. The caller holds a.mu.
func (a *Agent) someCalls() []string {
	var names []string
	for _, r := range a.runners {
		names = append(names, r.object.kind.name+"/"+r.object.name())
	}
	slices.Sort(names)
	return names[:min(len(names), maxNamed)]
}
