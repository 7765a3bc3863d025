// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// checkWrite is asked before every write of a session or call.
func (sim *simulation) checkWrite(before, after *subject, outside bool) {
	from, to, name := before.status, after.status, before.object.GetName()
	moved := to.MediaPod != from.MediaPod
	if outside {
		if moved {
			sim.byAgents[before.uid()] = true
		}
		return
	}
	if moved {
		delete(sim.byAgents, before.uid())
	}
	live := from.Call != nil && from.Call.End == nil && !from.Phase.Finished()
	holder := sim.pod(from.MediaPod)
	switch {
	case from.Phase.Finished() && to.Phase != from.Phase:
		sim.fail("%s left phase %s for %s", name, from.Phase, to.Phase)
	case live && moved && from.MediaPod != "" && holder != nil && before.adoptable():
		if holder.Status.Agent != nil && holder.Status.Agent.Instance == from.Call.ClaimedBy {
			sim.fail("%s was taken from the process in pod %s that holds the call", name, from.MediaPod)
		}
	case live && moved && from.MediaPod != "" && holder != nil && holder.UID == sim.homes[from.Call.ClaimedBy]:
		if c := before.condition(v1alpha1.ConditionNeedsAttention); c == nil || c.Reason != v1alpha1.ReasonAgentSilent {
			sim.fail("%s was taken from pod %s in the middle of a call", name, from.MediaPod)
		}
	case to.MediaPod != "" && moved && to.Call != nil && !after.orphaned():
		sim.fail("%s was given to pod %s with the call of another", name, to.MediaPod)
	case before.adoptable() && (to.Call == nil || to.Call.ID != from.Call.ID || to.Phase.Finished()):
		sim.fail("the call of %s goes on, and was forgotten", name)
	case before.rings && from.Call != nil && from.Call.EstablishedTime != nil && to.Call == nil:
		sim.fail("call %s had been answered, and would be made again", name)
	case before.incoming && moved && !before.adoptable():
		sim.fail("call %s came in, and was moved from %q to %q", name, from.MediaPod, to.MediaPod)
	case to.MediaPod != "" && !to.Phase.Finished() && !before.incoming && !after.finalized():
		sim.fail("%s was bound without finalizer", name)
	}
	if moved && to.MediaPod != "" {
		sim.bound++
		if after.orphaned() {
			sim.adopted++
		}
	}
	if from.MediaPod != "" && from.Call == nil && moved {
		sim.refused++
	}
}

// check the invariants against what is stored.
func (sim *simulation) check() {
	given, meetings := map[string]int32{}, map[string]string{}
	for _, s := range sim.store.sessions() {
		if !s.bound() || s.finished() {
			continue
		}
		if !sim.byAgents[s.uid()] {
			given[s.status.MediaPod] += max(1, s.status.Seats)
		}
		if s.meeting == "" {
			continue
		}
		if other := meetings[s.meeting]; other != "" {
			sim.fail("sessions %s and %s are in one meeting", other, s.object.GetName())
		}
		meetings[s.meeting] = s.object.GetName()
	}
	for slot := range int32(3) {
		name, capacity := fmt.Sprintf("%s-%d", simBot, slot), 2+slot
		if given[name] > capacity {
			sim.fail("pod %s was given sessions that take %d seats, and has %d", name, given[name], capacity)
		}
		if pod := sim.pod(name); pod != nil && pod.Status.Agent != nil && sim.held(pod) > capacity {
			sim.fail("pod %s holds calls that take %d seats, and has %d", name, sim.held(pod), capacity)
		}
	}
}

// checkRest: nobody waits in vain, no seat is lost, nothing is left to write.
func (sim *simulation) checkRest() {
	sim.check()
	taken, most := map[string]int32{}, int32(0)
	all := sim.store.sessions()
	for _, s := range all {
		if b := s.binding(); b.Pod.Name != "" {
			taken[b.Pod.Name] += max(1, b.Seats)
		}
		switch {
		case s.finished() && s.finalized():
			sim.fail("%s is finished and has its finalizer", s.object.GetName())
		case s.unowned():
			sim.fail("%s came in, is over, and nobody's", s.object.GetName())
		case s.incoming && s.status.Call == nil && !s.finished():
			sim.fail("nobody told of %s", s.object.GetName())
		}
	}
	for _, p := range sim.store.pods() {
		load := sim.leader.ledger.Loads([]placement.Pod{{Name: client.ObjectKeyFromObject(p), Capacity: p.Spec.Capacity.Seats}})[0]
		if load.Taken != taken[p.Name] {
			sim.fail("the ledger counts %d seats taken on %s, there are %d", load.Taken, p.Name, taken[p.Name])
		}
		if load.Taken > p.Spec.Capacity.Seats {
			sim.fail("%d seats of %d are taken on %s", load.Taken, p.Spec.Capacity.Seats, p.Name)
		}
		most = max(most, load.Free())
	}
	meetings := slices.DeleteFunc(slices.Clone(all), func(s *subject) bool { return s.meeting == "" })
	for _, s := range all {
		if s.finished() || s.bound() {
			continue
		}
		same := slices.DeleteFunc(slices.Clone(meetings), func(o *subject) bool { return o.meeting != s.meeting })
		if rival := rivalOf(s, same, sim.clock.Now()); rival == "" && most >= v1alpha1.SeatsOf(&v1alpha1.Media{}, s.spec) {
			sim.fail("%s waits (%v) while a pod has %d seats free", s.object.GetName(), s.status.Conditions, most)
		}
	}
	writes := sim.cache.writes
	for _, s := range all {
		if _, err := sim.leader.Reconcile(context.Background(), s.request()); err != nil {
			sim.fail("a pass at rest: %v", err)
		}
	}
	if sim.cache.writes != writes {
		sim.fail("%d writes at rest", sim.cache.writes-writes)
	}
}
