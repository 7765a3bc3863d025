// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
)

// What runs in the cluster besides the two controllers: nodes, the mediapod controller, and an agent with its calls in every
// pod. Agents see what is written some time later, and report at most once a second, as the real ones do.

// process is a media pod's.
type process struct {
	pod      string
	uid      types.UID // of the MediaPod
	instance string
	// saw is the version of the MediaPod that the agent has looked at.
	saw *v1alpha1.MediaPod
	// accepted: the API server has its first report; from then on it may admit.
	accepted bool
	// calls by the name of their object; whether the call was made yet, or the seat is only held.
	calls map[string]*liveCall
	// reporting: a report is on its way, and due: another is wanted.
	reporting, due bool
	// cut off: its node is not heard of, and it hears nothing.
	cutOff bool
}

type liveCall struct {
	// object of the call; "" while that of one that came in is not made yet.
	object types.UID
	seats  int32
	made   bool
	// end of one that came in and was over before its object was made.
	end *v1alpha1.CallEnd
}

func (p *process) seats() (used, reserved int32) {
	for _, c := range p.calls {
		if c.made {
			used += c.seats
		} else {
			reserved += c.seats
		}
	}
	return used, reserved
}

func (w *world) podKey(name string) key {
	return key{"MediaPod", types.NamespacedName{Namespace: namespace, Name: name}}
}

func callKey(name string) key {
	kind := "MeetingSession"
	if strings.HasPrefix(name, "c") {
		kind = "Call"
	}
	return key{kind, types.NamespacedName{Namespace: namespace, Name: name}}
}

// tellCall has an agent write the status of a call.
func (w *world) tellCall(name string, change func(*v1alpha1.CallStatus)) {
	w.server.change(callKey(name), true, func(o client.Object) {
		_, status := o.(v1alpha1.AnyCall).CallParts()
		change(status)
	})
}

// podMade: the mediapod controller finds a node and starts the process, which takes as long as it takes.
func (w *world) podMade(name string, uid types.UID) {
	w.after(w.between(time.Second, 5*time.Second), func() {
		pod := w.server.pod(name)
		if pod == nil || pod.UID != uid {
			return
		}
		node := w.freeNode()
		if node == "" {
			w.podMade(name, uid) // Pending
			return
		}
		w.server.change(w.podKey(name), true, func(o client.Object) {
			p := o.(*v1alpha1.MediaPod)
			p.Status.NodeName, p.Status.PodUID = node, fmt.Sprint("pod-", w.count())
			w.shows[uid] = w.certificate
			w.ready(p, false, v1alpha1.ReasonPodStarting)
		})
		w.after(w.between(w.startMin, w.startMax), func() { w.start(name, uid) })
	})
}

// freeNode is the node with the fewest pods that takes any.
func (w *world) freeNode() string {
	pods := map[string]int{}
	for _, o := range w.server.pods() {
		pods[o.(*v1alpha1.MediaPod).Status.NodeName]++
	}
	best := ""
	for _, name := range w.nodes {
		if n := w.server.node(name); n.Spec.Unschedulable || w.silent[name] {
			continue
		}
		if best == "" || pods[name] < pods[best] {
			best = name
		}
	}
	return best
}

// start a process in the pod, the first or the next.
func (w *world) start(name string, uid types.UID) {
	pod := w.server.pod(name)
	if pod == nil || pod.UID != uid || w.processes[name] != nil {
		return
	}
	p := &process{pod: name, uid: uid, instance: fmt.Sprint("i-", w.count()), saw: pod, calls: map[string]*liveCall{}}
	w.processes[name] = p
	w.report(p)
}

// report what is so now, a second after the last report at the earliest.
func (w *world) report(p *process) {
	if p.reporting {
		p.due = true
		return
	}
	p.reporting = true
	w.after(w.between(time.Millisecond, 20*time.Millisecond), func() {
		if w.processes[p.pod] == p && !p.cutOff {
			w.write(p)
		}
		w.after(time.Second, func() {
			p.reporting = false
			if p.due {
				p.due = false
				w.report(p)
			}
		})
	})
}

func (w *world) write(p *process) {
	pod := w.server.pod(p.pod)
	if pod == nil || pod.UID != p.uid {
		return
	}
	used, reserved := p.seats()
	if used+reserved > pod.Spec.Capacity.Seats {
		w.fail("%s has calls that take %d seats, and has %d", p.pod, used+reserved, pod.Spec.Capacity.Seats)
	}
	w.server.change(w.podKey(p.pod), true, func(o client.Object) {
		s := &o.(*v1alpha1.MediaPod).Status
		capacity := pod.Spec.Capacity.Seats
		s.Seats = v1alpha1.Seats{Capacity: capacity, Used: used, Reserved: reserved, Free: max(0, capacity-used-reserved)}
		s.Calls = int32(len(p.calls))
		s.Agent = &v1alpha1.AgentReport{Instance: p.instance, PodUID: s.PodUID, ObservedGeneration: p.saw.Generation, Ready: true, Load: v1alpha1.LoadNormal}
	})
	if !p.accepted {
		p.accepted = true
		w.lookForWork(p)
	}
}

// podChanged: the agent and the mediapod controller will see it.
func (w *world) podChanged(pod *v1alpha1.MediaPod) {
	name := pod.Name
	if p := w.processes[name]; p != nil && p.uid == pod.UID && pod.Generation != p.saw.Generation {
		w.after(w.between(5*time.Millisecond, 500*time.Millisecond), func() { w.see(p) })
	}
	w.lookAt(name)
}

// lookAt has the mediapod controller look at a pod.
func (w *world) lookAt(name string) {
	if w.looking[name] {
		return
	}
	w.looking[name] = true
	w.after(w.between(10*time.Millisecond, 300*time.Millisecond), func() {
		w.looking[name] = false
		w.mediapodPass(name)
	})
}

// see the newest version of the pod's MediaPod.
func (w *world) see(p *process) {
	pod := w.server.pod(p.pod)
	if w.processes[p.pod] != p || p.cutOff || pod == nil || pod.UID != p.uid {
		return
	}
	p.saw = pod
	w.report(p)
	if d := pod.Spec.Drain; d != nil && d.HangUpAt != nil {
		w.at(d.HangUpAt.Time, func() { w.hangUp(p) })
	}
}

// hangUp the calls that are left when draining has to end, if that still holds.
func (w *world) hangUp(p *process) {
	d := p.saw.Spec.Drain
	if w.processes[p.pod] != p || d == nil || d.HangUpAt == nil || w.now().Before(d.HangUpAt.Time) {
		return
	}
	for _, call := range keysOf(p.calls) {
		w.endCall(p, call, v1alpha1.CallEnd{Reason: v1alpha1.EndDrainDeadlineReached, Failed: true, Retryable: true})
	}
}

// mediapodPass is what the mediapod controller does, with a cache that is no matter here: its writes carry their version.
func (w *world) mediapodPass(name string) {
	pod := w.server.pod(name)
	if pod == nil {
		return
	}
	p := w.processes[name]
	agent := pod.Status.Agent
	w.server.change(w.podKey(name), true, func(o client.Object) {
		m := o.(*v1alpha1.MediaPod)
		w.tellRenewed(m)
		before := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case w.silent[m.Status.NodeName]:
			w.ready(m, false, v1alpha1.ReasonPodNotReady)
		case agent != nil && (p == nil || p.instance != agent.Instance && !p.accepted):
			m.Status.Agent = nil // that process is gone
			w.ready(m, false, v1alpha1.ReasonPodCrashed)
		case drain.Marked(m):
			w.ready(m, false, v1alpha1.ReasonDraining)
		case m.Status.Agent == nil:
			w.ready(m, false, v1alpha1.ReasonPodStarting)
		case before != nil && before.Reason == v1alpha1.ReasonDraining && m.Status.Agent.ObservedGeneration < m.Generation:
		default:
			w.ready(m, true, v1alpha1.ReasonReady)
			if m.Status.ReadyTime == nil {
				m.Status.ReadyTime = &metav1.Time{Time: w.now()}
			}
		}
	})
	w.release(name)
}

// tellRenewed says of a pod whose platform shows an older certificate that it does.
func (w *world) tellRenewed(m *v1alpha1.MediaPod) {
	shown, runs := w.shows[m.UID]
	if m.Spec.Media.Platform != v1alpha1.PlatformMicrosoft || !runs || shown == w.certificate {
		return
	}
	meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionCertificateRenewed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRenewed, LastTransitionTime: metav1.NewTime(w.now()),
	})
}

func (w *world) ready(m *v1alpha1.MediaPod, ready bool, reason string) {
	status := metav1.ConditionFalse
	if ready {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(w.now()), ObservedGeneration: m.Generation,
	})
}

// release the finalizer of a deleted MediaPod that is empty, by the same chain of checks as the real one.
func (w *world) release(name string) {
	pod := w.server.pod(name)
	if pod == nil || pod.DeletionTimestamp == nil {
		return
	}
	var bound []string
	for _, o := range w.server.calls() {
		if drain.BoundTo(o.(v1alpha1.AnyCall)) == name {
			bound = append(bound, o.GetName())
		}
	}
	if drain.MayDelete(drain.Facts{MediaPod: pod, Sessions: bound}).Allowed {
		w.server.change(w.podKey(name), false, func(o client.Object) { o.SetFinalizers(nil) })
	}
}

// crash a process: its calls are gone with it, and another starts.
func (w *world) crash(p *process) {
	w.say("the process of %s dies with %d calls", p.pod, len(p.calls))
	w.cutByCrash += len(p.calls)
	for _, c := range p.calls {
		delete(w.live, c.object)
	}
	delete(w.processes, p.pod)
	w.after(w.between(time.Second, 20*time.Second), func() {
		w.mediapodPass(p.pod)
		longest := 10 * time.Second
		if w.odds(0.2) {
			longest = 30 * time.Minute // it crashes again and again
		}
		w.after(w.between(time.Second, longest), func() { w.start(p.pod, p.uid) })
	})
}

func keysOf[T any](m map[string]T) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
