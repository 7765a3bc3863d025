// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestAutoscalingFollowsSessions from an idle fleet to one that a user takes over.
func TestAutoscalingFollowsSessions(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Seats(2).With(func(b *v1alpha1.CallingBot) {
		b.Spec.Replicas, b.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{Min: 1, Max: 3, Stabilization: "2s"}
	}))
	p.awaitPods("reception-0")
	p.report("reception-0", 0)
	p.awaitReady(bot, metav1.ConditionTrue, v1alpha1.ReasonServing)

	soon, far := time.Now().Add(90*time.Second), time.Now().Add(3*time.Hour)
	var sessions []*v1alpha1.MeetingSession
	for i := range 3 {
		sessions = append(sessions, controllertest.Create(t, p.Client, controllertest.Session(p.ns, fmt.Sprint("soon-", i), "reception").Start(soon).Object()))
	}
	later := controllertest.Create(t, p.Client, controllertest.Session(p.ns, "later", "reception").Start(far).End(far.Add(time.Hour)).Object())
	p.awaitPods("reception-0", "reception-1")
	reserved := func(s *v1alpha1.MeetingSession, status metav1.ConditionStatus, reason string) {
		t.Helper()
		controllertest.Await(t, p.Client, s, "say "+reason, func(s *v1alpha1.MeetingSession) error {
			return controllertest.HasCondition(s.Status.Conditions, v1alpha1.ConditionCapacityReserved, status, reason)
		})
	}
	reserved(later, metav1.ConditionTrue, v1alpha1.ReasonPlanned)
	reserved(sessions[0], metav1.ConditionFalse, v1alpha1.ReasonPodsLate) // nobody has seen how long pods take
	p.report("reception-1", 0)
	reserved(sessions[0], metav1.ConditionTrue, v1alpha1.ReasonSeatsReady)

	// They are over, and one pod is enough, for as long as was asked.
	for _, s := range sessions {
		controllertest.UpdateStatus(t, p.Client, s, func(s *v1alpha1.MeetingSession) { s.Status.Phase = v1alpha1.PhaseCompleted })
	}
	controllertest.Eventually(t, "one of the pods drains", func() error {
		for _, pod := range p.mediaPods() {
			if pod.Spec.Drain != nil {
				return nil
			}
		}
		return errors.New("none does")
	})

	// Scaling takes over.
	p.scale(bot, 3)
	controllertest.Await(t, p.Client, bot, "say who decides", func(b *v1alpha1.CallingBot) error {
		c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionAutoscaling)
		if c == nil || c.Reason != v1alpha1.ReasonReplicasSet || b.Status.DesiredReplicas != 3 || b.Status.Autoscaling != nil {
			return fmt.Errorf("%+v, desired %d", c, b.Status.DesiredReplicas)
		}
		return nil
	})
	// At rest nothing is written, though a pass is due every minute.
	before := p.mgr.Writes.AwaitQuiet(t, 800*time.Millisecond)
	controllertest.Update(t, p.Client, p.pod("reception-0"), func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": "yes"} })
	controllertest.Consistently(t, time.Second, "the controller writes nothing", func() error {
		if list := p.mgr.Writes.List(); len(list) != before {
			return fmt.Errorf("it wrote %v", list[before:])
		}
		return nil
	})
}
