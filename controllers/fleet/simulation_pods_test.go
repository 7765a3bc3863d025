// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/drain"
)

// What goes on in the simulation besides the fleet controller: sessions, processes, agents.

// bind is the session controller: it takes any pod that looks ready and not draining in its cache.
func (w *world) bind() {
	for i := range w.cache {
		name := w.cache[i].Name
		if pod := w.pods[name]; pod != nil && isReady(&w.cache[i]) && !drain.Marked(&w.cache[i]) && w.random.IntN(2) == 0 {
			w.sessions++
			session := fmt.Sprint("session-", w.sessions)
			pod.bound[session] = true
			w.say("session: %s bound to %s", session, name)
			return
		}
	}
}

// crash ends a process with its calls. The mediapod controller clears its report some time later, perhaps so late that it
// clears the first report of the next process.
func (w *world) crash() {
	pod := w.anyPod()
	switch {
	case pod == nil:
	case pod.died:
		pod.died = false
		pod.stored.Status.Agent, pod.stored.Status.Conditions = nil, nil
		w.store(pod)
		w.say("the report of %s is cleared", pod.stored.Name)
	case pod.process != nil:
		pod.process, pod.died = nil, true
		w.say("process of %s dies", pod.stored.Name)
	}
}

// live is one thing a pod does.
func (w *world) live() {
	pod := w.anyPod()
	if pod == nil {
		return
	}
	name := pod.stored.Name
	if pod.process == nil {
		pod.process = &process{instance: fmt.Sprint("i-", w.resourceVersion), calls: map[string]bool{}, reserved: map[string]bool{}}
		pod.stored.Status.PodUID = "pod-" + name
		w.store(pod)
		w.say("process of %s starts", name)
		return
	}
	p := pod.process
	switch w.random.IntN(7) {
	case 0:
		p.seen, p.sawMark = pod.stored.Generation, drain.Marked(&pod.stored)
	case 1, 2:
		w.report(pod)
	case 3:
		// Admission: after the first report was accepted, and not once the mark was seen.
		for _, session := range ordered(pod.bound) {
			if p.calls[session] || p.reserved[session] {
				continue
			}
			if p.accepted && !p.sawMark {
				p.reserved[session] = true
				w.say("%s admits %s", name, session)
			} else {
				delete(pod.bound, session)
				w.say("%s refuses %s", name, session)
			}
			break
		}
	case 4:
		for _, session := range ordered(p.reserved) {
			delete(p.reserved, session)
			p.calls[session] = true
			w.say("%s: %s is live", name, session)
			break
		}
	case 5:
		w.endCall(pod)
	case 6:
		// A call that came in, of which no session speaks.
		if p.accepted && !p.sawMark {
			w.sessions++
			p.reserved[fmt.Sprint("incoming-", w.sessions)] = true
			w.say("%s takes incoming-%d", name, w.sessions)
		}
	}
	// What a dead process held ends when its successor looks.
	for _, session := range ordered(pod.bound) {
		if !p.calls[session] && !p.reserved[session] && p.sawMark {
			delete(pod.bound, session)
		}
	}
	if drain.Marked(&pod.stored) && !pod.stored.DeletionTimestamp.IsZero() {
		if drain.MayDelete(drain.Facts{MediaPod: &pod.stored, Sessions: ordered(pod.bound)}).Allowed {
			w.remove(pod, "finalizer")
		}
	}
}

func (w *world) report(pod *truth) {
	p := pod.process
	calls, reserved := int32(len(p.calls)), int32(len(p.reserved))
	builder := controllertest.MediaPod("voice", "b", pod.stored.Spec.Slot).Pod(pod.stored.Status.PodUID).
		Agent(p.instance, p.seen).Seats(20, calls, reserved).Calls(calls)
	if p.seen > 0 && w.random.IntN(8) > 0 {
		builder.Ready()
	} else {
		builder.NotReady(v1alpha1.ReasonAgentNotReady, "")
	}
	pod.stored.Status = builder.Object().Status
	p.accepted = true
	w.store(pod)
	w.say("%s reports: generation %d, %d calls, %d reserved", pod.stored.Name, p.seen, calls, reserved)
}

func (w *world) endCall(pod *truth) {
	for _, session := range ordered(pod.process.calls) {
		delete(pod.process.calls, session)
		delete(pod.bound, session)
		w.say("%s: %s ends", pod.stored.Name, session)
		return
	}
}

func ordered(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for key := range set {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}
