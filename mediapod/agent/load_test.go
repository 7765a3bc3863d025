// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/media"
)

// TestAStrainedPodTakesNoCallUntilItRecovers: neither one that it is bound nor one that comes in, and its report says so.
func TestAStrainedPodTakesNoCallUntilItRecovers(t *testing.T) {
	for load, word := range map[media.Health]callfleetv1.PodLoad{media.HeavilyLoaded: callfleetv1.LoadHeavy, media.Overloaded: callfleetv1.LoadOver} {
		t.Run(load.String(), func(t *testing.T) {
			m := &memory{object: session()}
			a, service := seat(t, m, withRules(callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer}))
			go a.watchLoad(a.life)
			a.sound.(*ears).feels(load)
			report := func() callfleetv1.MediaPodStatus { _, after := a.reportNow(); return after.Status }
			await(t, "the report", func() bool { return report().Agent.Load == word })
			if r := report(); !r.Agent.Ready || !r.Agent.Strained() || r.Agent.Message == "" || r.Seats.Free != 0 || r.Seats.Capacity != 20 || r.Seats.Used != 0 {
				t.Errorf("report %+v, seats %+v", r.Agent, r.Seats)
			}
			if !a.full() || !a.incoming(ring("call-7")).Full {
				t.Error("a call that comes in is taken")
			}
			a.changed(m.newest())
			await(t, "the refusal", func() bool {
				c := meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionAssigned)
				return c != nil && c.Status == metav1.ConditionFalse && c.Reason == callfleetv1.ReasonPodRefused && strings.Contains(c.Message, "capacity.seats")
			})

			a.sound.(*ears).feels(media.Normal)
			await(t, "the recovery", func() bool {
				r := report()
				return r.Agent.Load == callfleetv1.LoadNormal && r.Seats.Free == 20 && r.Agent.Message == ""
			})
			a.changed(m.write(func(st *callfleetv1.CallStatus) {
				meta.RemoveStatusCondition(&st.Conditions, callfleetv1.ConditionAssigned)
			}))
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			if n := service.joined(); n != 1 {
				t.Errorf("%d calls were made", n)
			}
		})
	}
}

// TestAStrainedPodKeepsItsCalls: it says no to more of them, and to nobody who is there.
func TestAStrainedPodKeepsItsCalls(t *testing.T) {
	a, service, m := desk(t)
	a.changed(m.newest())
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	a.setLoad(media.Overloaded)
	if r := func() callfleetv1.MediaPodStatus { _, after := a.reportNow(); return after.Status }(); r.Seats.Used != 1 || r.Calls != 1 || r.Seats.Free != 0 {
		t.Errorf("seats %+v, %d calls", r.Seats, r.Calls)
	}
	if service.call(t, "uid-1").leaving() {
		t.Error("the call is hung up")
	}
}
