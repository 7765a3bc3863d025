// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// judge looks at all versions of all objects in the order in which they were stored.
type judge struct {
	weather weather
	calls   map[types.UID]version
	pods    map[string]version
	adopted map[types.UID]bool // bound by a pod and not by the controller
	wrong   []string
}

func (j *judge) fail(v version, format string, a ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf("%s at version %d: ", v.name, v.rv)+fmt.Sprintf(format, a...))
}

// replay says what was wrong at any time.
func replay(w weather, versions []version) []string {
	slices.SortStableFunc(versions, func(a, b version) int { return cmp.Compare(a.rv, b.rv) })
	j := &judge{weather: w, calls: map[types.UID]version{}, pods: map[string]version{}, adopted: map[types.UID]bool{}}
	for _, v := range versions {
		if v.pod != nil {
			j.lookAtPod(v)
		} else {
			j.lookAtCall(v)
		}
	}
	return j.wrong
}

func status(v version) *callfleetv1.CallStatus {
	_, st := v.call.CallParts()
	return st
}

// held: a process has the call, as far as the object tells.
func held(st *callfleetv1.CallStatus) bool {
	return !st.Phase.Finished() && st.Call != nil && st.Call.ClaimedBy != "" && st.Call.End == nil
}

func (j *judge) lookAtCall(v version) {
	before, known := j.calls[v.uid]
	j.calls[v.uid] = v
	if v.gone {
		delete(j.calls, v.uid)
	}
	now := status(v)
	if now.Phase.Finished() && (now.EndReason == "" || now.Call != nil && now.Call.End == nil) {
		j.fail(v, "it is %s with end reason %q, call %s", now.Phase, now.EndReason, inJSON(now.Call))
	}
	if now.EndReason == callfleetv1.EndPodStopped {
		j.fail(v, "a media pod was stopped under it")
	}
	if now.EndReason == callfleetv1.EndPodLost && !untold(v.call) && !j.weather.brings(killOwn, killTheirs) {
		j.fail(v, "its media pod was lost, though none was killed: %s", story(v.call))
	}
	if known {
		j.compare(before, v)
	}
	if known && status(before).MediaPod == now.MediaPod || now.MediaPod == "" {
		return
	}
	// Bound anew. Pods that take a call by themselves count their own seats.
	if one, ok := v.call.(*callfleetv1.Call); ok && one.Spec.Incoming != nil || now.Call != nil && now.Call.ClaimedBy != "" {
		j.adopted[v.uid] = true
		return
	}
	delete(j.adopted, v.uid)
	bound := int32(0)
	for uid, c := range j.calls {
		if st := status(c); st.MediaPod == now.MediaPod && !st.Phase.Finished() && !j.adopted[uid] {
			bound++
		}
	}
	if pod, ok := j.pods[now.MediaPod]; ok && bound > pod.pod.Spec.Capacity.Seats {
		j.fail(v, "it is the call number %d that is bound to %s with %d seats", bound, now.MediaPod, pod.pod.Spec.Capacity.Seats)
	}
}

// compare looks at one step of one object.
func (j *judge) compare(before, after version) {
	was, now := status(before), status(after)
	switch {
	case was.Phase.Finished() && (now.Phase != was.Phase || now.EndReason != was.EndReason):
		j.fail(after, "it was %s (%s) and became %s (%s)", was.Phase, was.EndReason, now.Phase, now.EndReason)
	case held(was) && now.Call != nil && was.Call.ID != "" && now.Call.ID != was.Call.ID:
		j.fail(after, "call %s became call %q without having ended", was.Call.ID, now.Call.ID)
	case held(was) && now.Call == nil && was.Call.ID != "" && !j.weather.brings(killOwn, killTheirs):
		j.fail(after, "call %s was forgotten without having ended", was.Call.ID)
	}
}

func (j *judge) lookAtPod(v version) {
	if !v.gone {
		j.pods[v.name] = v
		// A seat counts as reserved until it is written, too, that there is none.
		if s := v.pod.Status.Seats; s.Used > v.pod.Spec.Capacity.Seats {
			j.fail(v, "%d seats are used of %d", s.Used, v.pod.Spec.Capacity.Seats)
		}
		return
	}
	delete(j.pods, v.name)
	if !v.at {
		return
	}
	if v.pod.Spec.Drain == nil && v.pod.DeletionTimestamp == nil {
		j.fail(v, "it was deleted without having been drained")
	}
	for _, c := range j.calls {
		if st := status(c); st.MediaPod == v.name && held(st) {
			j.fail(v, "it was deleted under %s, phase %s", c.name, st.Phase)
		}
	}
}
