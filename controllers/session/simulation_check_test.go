// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// checkWrite is asked before every write of a session.
func (sim *simulation) checkWrite(before, after *v1alpha1.MeetingSession) error {
	from, to := before.Status, after.Status
	switch {
	case from.Phase.Finished() && to.Phase != from.Phase:
		sim.fail("session %s left phase %s for %s", before.Name, from.Phase, to.Phase)
	case from.MediaPod != "" && to.MediaPod != from.MediaPod && from.Call != nil && from.Call.End == nil && sim.podExists(from.MediaPod):
		if c := sim.leader.kind.subject(before).condition(v1alpha1.ConditionNeedsAttention); c == nil || c.Reason != v1alpha1.ReasonAgentSilent {
			sim.fail("session %s was taken from pod %s in the middle of a call", before.Name, from.MediaPod)
		}
	case to.MediaPod != "" && to.MediaPod != from.MediaPod && to.Call != nil:
		sim.fail("session %s was given to pod %s with the call of another", before.Name, to.MediaPod)
	case to.MediaPod != "" && !to.Phase.Finished() && !slices.Contains(after.Finalizers, v1alpha1.FinalizerHangUp):
		sim.fail("session %s was bound without finalizer", before.Name)
	}
	if to.MediaPod != "" && to.MediaPod != from.MediaPod {
		sim.bound++
	}
	if from.MediaPod != "" && from.Call == nil && to.MediaPod != from.MediaPod {
		sim.refused++
	}
	return nil
}

func (sim *simulation) podExists(name string) bool {
	return sim.store.objects[objectKey{"MediaPod", types.NamespacedName{Namespace: simNamespace, Name: name}}] != nil
}

// check the invariants against what is stored.
func (sim *simulation) check() {
	taken, meetings := map[string]int32{}, map[string]string{}
	for _, s := range sim.store.sessions() {
		if s.Status.MediaPod == "" || s.Status.Phase.Finished() {
			continue
		}
		taken[s.Status.MediaPod]++
		meeting := meetingKey(simNamespace, simBot, s.Spec.Meeting)
		if other := meetings[meeting]; other != "" {
			sim.fail("sessions %s and %s are in one meeting", other, s.Name)
		}
		meetings[meeting] = s.Name
	}
	for slot := range int32(3) {
		name := fmt.Sprintf("%s-%d", simBot, slot)
		if capacity := 2 + slot; taken[name] > capacity {
			sim.fail("pod %s has %d sessions on %d seats", name, taken[name], capacity)
		}
	}
}

// checkRest: nobody waits in vain, no seat is lost, nothing is left to write.
func (sim *simulation) checkRest() {
	sim.check()
	taken, free := map[string]int32{}, int32(0)
	for _, s := range sim.store.sessions() {
		if b := meetingSessions.subject(s).binding(); b.Pod.Name != "" {
			taken[b.Pod.Name]++
		}
		if s.Status.Phase.Finished() && slices.Contains(s.Finalizers, v1alpha1.FinalizerHangUp) {
			sim.fail("finished session %s has its finalizer", s.Name)
		}
	}
	for _, p := range sim.store.pods() {
		load := sim.leader.ledger.Loads([]placement.Pod{{Name: client.ObjectKeyFromObject(p), Capacity: p.Spec.Capacity.Seats}})[0]
		if load.Taken != taken[p.Name] {
			sim.fail("the ledger counts %d seats taken on %s, there are %d", load.Taken, p.Name, taken[p.Name])
		}
		free += load.Free()
	}
	var all []*subject
	for _, s := range sim.store.sessions() {
		all = append(all, meetingSessions.subject(s))
	}
	for _, s := range all {
		if s.finished() || s.bound() {
			continue
		}
		if rival := rivalOf(s, all, sim.clock.Now()); rival == "" && free > 0 {
			sim.fail("session %s waits (%v) while %d seats are free", s.object.GetName(), s.status.Conditions, free)
		}
	}
	writes := sim.cache.writes
	for _, s := range all {
		if _, err := sim.leader.Reconcile(context.Background(), reconcile.Request{NamespacedName: s.key()}); err != nil {
			sim.fail("a pass at rest: %v", err)
		}
	}
	if sim.cache.writes != writes {
		sim.fail("%d writes at rest", sim.cache.writes-writes)
	}
}
