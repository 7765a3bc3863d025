// SPDX-License-Identifier: Apache-2.0

package session

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// agents plays the processes in the pods: each step one of them does one thing it may do.
type agents struct {
	store *store
	now   func() time.Time
}

// answeredBy is where the simulation notes which process answered a call that came in.
const answeredBy = "simulation/answered-by"

// hostingOf is the service's for every second call.
func hostingOf(s *subject) v1alpha1.Hosting {
	h := fnv.New32()
	_, _ = h.Write([]byte(s.object.GetName()))
	if h.Sum32()%2 == 0 {
		return v1alpha1.HostingService
	}
	return v1alpha1.HostingApplication
}

func (a agents) pod(name string) *v1alpha1.MediaPod {
	pod, _ := a.store.objects[objectKey{"MediaPod", types.NamespacedName{Namespace: simNamespace, Name: name}}].(*v1alpha1.MediaPod)
	return pod
}

// seatsTaken are those that a session takes in a pod.
func seatsTaken(s *subject, pod *v1alpha1.MediaPod) int32 {
	if s.status.Seats > 0 {
		return s.status.Seats
	}
	return v1alpha1.SeatsOf(&pod.Spec.Media, s.spec)
}

// held counts the seats of the calls that the process in a pod holds.
func (a agents) held(pod *v1alpha1.MediaPod) (n int32) {
	for _, s := range a.store.sessions() {
		call := s.status.Call
		switch {
		case s.finished():
		case call != nil && call.End == nil && s.status.MediaPod == pod.Name && call.ClaimedBy == pod.Status.Agent.Instance,
			call == nil && s.object.GetAnnotations()[answeredBy] == pod.Status.Agent.Instance:
			n += seatsTaken(s, pod)
		}
	}
	return n
}

// full: the pod has not the seats that the session takes; an audio call for nil.
func (a agents) full(pod *v1alpha1.MediaPod, s *subject) bool {
	seats := int32(1)
	if s != nil {
		seats = seatsTaken(s, pod)
	}
	return a.held(pod)+seats > pod.Spec.Capacity.Seats
}

// answer a call that comes in, if the process has a seat.
func (a agents) answer(pod *v1alpha1.MediaPod, name string) {
	if pod == nil || pod.Status.Agent == nil || a.full(pod, nil) {
		return
	}
	c := controllertest.IncomingCall(simNamespace, name, simBot).Created(a.now()).Object()
	c.Annotations = map[string]string{answeredBy: pod.Status.Agent.Instance}
	a.store.create(c)
}

// callback reaches another pod than the one that held the call, which takes the call over.
func (a agents) callback(s *subject, pod *v1alpha1.MediaPod) {
	if !s.adoptable() || pod == nil || pod.Status.Agent == nil || a.full(pod, s) {
		return
	}
	if holder := a.pod(s.status.MediaPod); holder != nil && holder.Status.Agent != nil && holder.Status.Agent.Instance == s.status.Call.ClaimedBy {
		return
	}
	a.adopt(s, pod)
}

func (a agents) adopt(s *subject, pod *v1alpha1.MediaPod) {
	a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
		status.MediaPod, status.Call.ClaimedBy = pod.Name, pod.Status.Agent.Instance
		status.Timeline = record(status.Timeline, a.now(), eventAdopted, pod.Name)
	})
}

func (a agents) end(s *subject, reason v1alpha1.EndReason, failed bool) {
	a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
		status.Call.End = &v1alpha1.CallEnd{Reason: reason, Failed: failed, Retryable: failed}
	})
}

// act on a session that is bound, or was answered; willing agents claim and never refuse.
func (a agents) act(rng *rand.Rand, s *subject, willing bool) {
	if s.incoming && s.status.Call == nil {
		a.tell(s)
		return
	}
	pod := a.pod(s.status.MediaPod)
	if pod == nil || pod.Status.Agent == nil || s.finished() {
		return
	}
	instance, call := pod.Status.Agent.Instance, s.status.Call
	assigned := s.condition(v1alpha1.ConditionAssigned)
	told := assigned != nil && assigned.Status == metav1.ConditionFalse
	leaving := s.deleted() || s.spec.DesiredState == v1alpha1.DesiredEnded
	switch {
	case call == nil || s.orphaned():
		switch {
		case told, leaving && call == nil:
		case a.full(pod, s), !willing && rng.IntN(3) == 0:
			a.refuse(s)
		case call != nil:
			a.adopt(s, pod)
		default:
			a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
				status.Phase, status.Call = v1alpha1.PhaseJoining, &v1alpha1.CallRecord{ClaimedBy: instance, Hosting: hostingOf(s)}
			})
		}
	case call.End != nil:
	case s.adoptable() && call.ClaimedBy != instance:
		if !a.full(pod, s) {
			a.adopt(s, pod)
		}
	case call.ClaimedBy != instance:
		a.end(s, v1alpha1.EndPodLost, true)
	case leaving:
		a.end(s, v1alpha1.EndedByBot, false)
	case call.ID == "" && (willing || rng.IntN(2) == 0):
		a.store.changeStatus(s, func(status *v1alpha1.CallStatus) { status.Call.ID = "call" })
	case call.ID != "" && call.EstablishedTime == nil && (willing || rng.IntN(2) == 0):
		a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
			at := metav1.NewMicroTime(a.now())
			status.Phase, status.Call.EstablishedTime = v1alpha1.PhaseEstablished, &at
		})
	case willing:
	case s.adoptable() && rng.IntN(3) == 0:
		a.store.changeStatus(s, func(status *v1alpha1.CallStatus) { status.Call.ClaimedBy = "" }) // it stops, and lets go
	case rng.IntN(6) == 0:
		a.end(s, v1alpha1.EndMeetingEnded, false)
	case rng.IntN(6) == 0:
		a.end(s, v1alpha1.EndMediaLost, true)
	}
}

// tell of a call that came in, unless the process that answered it is gone.
func (a agents) tell(s *subject) {
	for _, pod := range a.store.pods() {
		if pod.Status.Agent != nil && pod.Status.Agent.Instance == s.object.GetAnnotations()[answeredBy] && !s.finished() {
			a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
				at := metav1.NewMicroTime(a.now())
				status.Phase, status.MediaPod, status.Seats = v1alpha1.PhaseEstablished, pod.Name, 1
				status.Call = &v1alpha1.CallRecord{ClaimedBy: pod.Status.Agent.Instance, Hosting: hostingOf(s), ID: "call", EstablishedTime: &at}
			})
		}
	}
}

func (a agents) refuse(s *subject) {
	a.store.changeStatus(s, func(status *v1alpha1.CallStatus) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPodRefused,
			Message: "no seat", LastTransitionTime: metav1.NewTime(a.now()),
		})
	})
}
