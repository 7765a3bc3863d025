// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestOnlyCountsOfCallsAreGathered: whatever else a serving pod tells, and all that a draining one does, is looked at at once.
func TestOnlyCountsOfCallsAreGathered(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*v1alpha1.MediaPod)
		drains   bool
		gathered bool
	}{
		"nothing": {func(*v1alpha1.MediaPod) {}, false, true},
		"one more call": {func(mp *v1alpha1.MediaPod) {
			mp.Status.Calls, mp.Status.Seats.Used, mp.Status.Agent.Calls = 1, 1, []string{"MeetingSession/standup"}
		}, false, true},
		"the last call of a pod that drains": {func(mp *v1alpha1.MediaPod) { mp.Status.Calls = 0 }, true, false},
		"a drain mark":                       {func(mp *v1alpha1.MediaPod) { mp.Spec.Drain = &v1alpha1.Drain{} }, false, false},
		"a deletion":                         {func(mp *v1alpha1.MediaPod) { mp.DeletionTimestamp = &metav1.Time{} }, false, false},
		"a finalizer":                        {func(mp *v1alpha1.MediaPod) { mp.Finalizers = nil }, false, false},
		"another process":                    {func(mp *v1alpha1.MediaPod) { mp.Status.Agent.Instance = "next" }, false, false},
		"no process":                         {func(mp *v1alpha1.MediaPod) { mp.Status.Agent = nil }, false, false},
		"a load":                             {func(mp *v1alpha1.MediaPod) { mp.Status.Agent.Load = v1alpha1.LoadHeavy }, false, false},
		"what the process has seen":          {func(mp *v1alpha1.MediaPod) { mp.Status.Agent.ObservedGeneration++ }, false, false},
		"not ready":                          {func(mp *v1alpha1.MediaPod) { mp.Status.Conditions[0].Status = metav1.ConditionFalse }, false, false},
		"another node":                       {func(mp *v1alpha1.MediaPod) { mp.Status.NodeName = "next" }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := controllertest.MediaPod("voice", "reception", 0).Agent("i", 1).Ready().Object()
			before.Finalizers = []string{v1alpha1.FinalizerDrain}
			if c.drains {
				before.Spec.Drain = &v1alpha1.Drain{}
				before.Status.Calls = 1
			}
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			c.change(after)
			if got := onlyCounted().Update(ctrlevent.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.gathered {
				t.Errorf("gathered: %v, want %v", got, c.gathered)
			}
		})
	}
	pod := controllertest.MediaPod("voice", "reception", 0).Object()
	if onlyCounted().Create(ctrlevent.CreateEvent{Object: pod}) || onlyCounted().Delete(ctrlevent.DeleteEvent{Object: pod}) {
		t.Error("a pod that comes or goes is gathered")
	}
}
