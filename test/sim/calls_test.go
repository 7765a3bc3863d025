// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/drain"
)

// What an agent does with calls: those that are bound to its pod, and those that come in.

// lookForWork: the agent lists what is bound to its pod.
func (w *world) lookForWork(p *process) {
	for _, o := range w.server.calls() {
		if drain.BoundTo(o.(v1alpha1.AnyCall)) == p.pod {
			w.bound(p, o.GetName())
		}
	}
}

// bound: the agent sees a call that is bound to its pod, or that changed.
func (w *world) bound(p *process, name string) {
	object := w.server.call(name)
	if w.processes[p.pod] != p || !p.accepted || p.cutOff || object == nil || drain.BoundTo(object) != p.pod {
		return
	}
	spec, status := object.CallParts()
	switch record := status.Call; {
	case record != nil && record.End != nil:
	case record != nil && record.ClaimedBy == p.instance:
		if p.calls[name] != nil && (object.GetDeletionTimestamp() != nil || spec.DesiredState == v1alpha1.DesiredEnded) {
			w.endCall(p, name, v1alpha1.CallEnd{Reason: v1alpha1.EndedByBot})
		}
	case record != nil:
		// A call of the process before this one.
		w.tellCall(name, func(s *v1alpha1.CallStatus) {
			s.Call.End = &v1alpha1.CallEnd{Reason: v1alpha1.EndPodLost, Failed: true, Retryable: true}
		})
	case p.calls[name] == nil:
		w.admit(p, object)
	}
}

// admit a call, or refuse it.
func (w *world) admit(p *process, object v1alpha1.AnyCall) {
	name, uid := object.GetName(), object.GetUID()
	_, status := object.CallParts()
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAssigned); c != nil && c.Status == metav1.ConditionFalse {
		return // refused, and not taken back yet
	}
	seats := max(1, status.Seats)
	if !p.takes(seats) || w.odds(w.refusals) {
		w.refused++
		w.tellCall(name, func(s *v1alpha1.CallStatus) {
			meta.SetStatusCondition(&s.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPodRefused, Message: "no", LastTransitionTime: metav1.NewTime(w.now()),
			})
		})
		return
	}
	p.calls[name] = &liveCall{object: uid, seats: seats}
	w.report(p)
	w.after(w.between(5*time.Millisecond, 200*time.Millisecond), func() {
		if w.processes[p.pod] != p || p.calls[name] == nil {
			return
		}
		now := w.server.call(name)
		if now == nil || now.GetUID() != uid || drain.BoundTo(now) != p.pod || claimed(now) || p.cutOff {
			delete(p.calls, name) // the claim met another writer
			w.report(p)
			return
		}
		w.tellCall(name, func(s *v1alpha1.CallStatus) {
			s.Phase, s.Call = v1alpha1.PhaseJoining, &v1alpha1.CallRecord{ClaimedBy: p.instance, Hosting: v1alpha1.HostingApplication}
		})
		w.alive(uid, name, p)
		p.calls[name].made = true
		w.made++
		w.report(p)
		w.endLater(p, name, p.calls[name])
	})
}

func claimed(call v1alpha1.AnyCall) bool {
	_, status := call.CallParts()
	return status.Call != nil
}

// takes: the agent admits a call of so many seats.
func (p *process) takes(seats int32) bool {
	used, reserved := p.seats()
	return p.accepted && !drain.Marked(p.saw) && used+reserved+seats <= p.saw.Spec.Capacity.Seats
}

// alive: an object has a call, and had none.
func (w *world) alive(uid types.UID, name string, p *process) {
	if other := w.live[uid]; other != "" {
		w.fail("%s has a call in %s and another in %s", name, other, p.pod)
	}
	w.live[uid] = p.pod
}

func (w *world) endLater(p *process, name string, c *liveCall) {
	w.after(w.callLength(), func() {
		if p.calls[name] == c {
			w.endCall(p, name, v1alpha1.CallEnd{Reason: v1alpha1.EndMeetingEnded})
		}
	})
}

// ring has a call come in to one of the pods, which answers it if it may, and tells of it a moment later.
func (w *world) ring() {
	names := keysOf(w.processes)
	if len(names) == 0 {
		return
	}
	p := w.processes[names[w.random.IntN(len(names))]]
	if p.cutOff || !p.takes(1) {
		w.refused++
		return
	}
	name, c := fmt.Sprintf("c%05d", w.count()), &liveCall{seats: 1, made: true}
	p.calls[name] = c
	w.made++
	w.answered++
	w.report(p)
	w.endLater(p, name, c)
	longest := 2 * time.Second
	if w.odds(0.3) {
		longest = 5 * time.Minute // the API server refuses, and is asked again
	}
	w.after(w.between(5*time.Millisecond, longest), func() { w.makeObject(p, name, c) })
}

// makeObject tells the API server of a call that came in: first that there is one, then, in another write, that the pod holds it.
func (w *world) makeObject(p *process, name string, c *liveCall) {
	switch {
	case w.processes[p.pod] != p:
		return // and nobody ever knows
	case p.cutOff:
		w.after(10*time.Second, func() { w.makeObject(p, name, c) })
		return
	}
	object := controllertest.IncomingCall(namespace, name, botName).TTL(30).With(func(o *v1alpha1.Call) {
		o.Spec.Rejoin = v1alpha1.Rejoin{Policy: v1alpha1.RejoinNever, MaxAttempts: 1}
		o.Spec.Incoming.AnsweredBy = &v1alpha1.AnsweringProcess{MediaPod: p.pod, Instance: p.instance}
	}).Object()
	w.must(w.server.create(object))
	c.object = object.UID
	if c.end == nil {
		w.alive(c.object, name, p)
	}
	w.after(w.between(time.Millisecond, 50*time.Millisecond), func() { w.holdObject(p, name, c) })
}

func (w *world) holdObject(p *process, name string, c *liveCall) {
	switch {
	case w.processes[p.pod] != p:
		return
	case p.cutOff:
		w.after(10*time.Second, func() { w.holdObject(p, name, c) })
		return
	}
	if object := w.server.call(name); object == nil || finished(object) {
		// Somebody deleted it, or it was closed for having waited too long: the call is hung up.
		w.endCall(p, name, v1alpha1.CallEnd{Reason: v1alpha1.EndSessionDeleted})
		return
	}
	w.tellCall(name, func(s *v1alpha1.CallStatus) {
		s.MediaPod, s.Seats, s.Phase = p.pod, c.seats, v1alpha1.PhaseEstablished
		s.Call = &v1alpha1.CallRecord{ClaimedBy: p.instance, Hosting: v1alpha1.HostingApplication, End: c.end}
	})
}

// endCall tells how a call ended, once the API server can be reached.
func (w *world) endCall(p *process, name string, end v1alpha1.CallEnd) {
	c := p.calls[name]
	if w.processes[p.pod] != p || c == nil {
		return
	}
	if p.cutOff {
		w.after(10*time.Second, func() {
			if p.calls[name] == c {
				w.endCall(p, name, end)
			}
		})
		return
	}
	if !c.made {
		return
	}
	delete(p.calls, name)
	delete(w.live, c.object)
	c.end = &end
	if object := w.server.call(name); object != nil && object.GetUID() == c.object {
		if _, status := object.CallParts(); status.Call != nil && status.Call.ClaimedBy == p.instance && !status.Phase.Finished() {
			w.tellCall(name, func(s *v1alpha1.CallStatus) { s.Call.End = &end })
		}
	}
	w.report(p)
}
