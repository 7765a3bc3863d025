// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
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
	// calls by session; whether the call was made yet, or the seat is only held.
	calls map[string]*liveCall
	// reporting: a report is on its way, and due: another is wanted.
	reporting, due bool
	// cut off: its node is not heard of, and it hears nothing.
	cutOff bool
}

type liveCall struct {
	session types.UID
	seats   int32
	made    bool
	left    bool // the bot was made to leave by a deadline, or by the user
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

func sessionKey(name string) key {
	return key{"MeetingSession", types.NamespacedName{Namespace: namespace, Name: name}}
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
	for _, session := range keysOf(p.calls) {
		p.calls[session].left = true
		w.endCall(p, session, v1alpha1.CallEnd{Reason: v1alpha1.EndDrainDeadlineReached, Failed: true, Retryable: true})
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
	for _, o := range w.server.sessions() {
		if s := o.(*v1alpha1.MeetingSession); drain.BoundTo(s) == name {
			bound = append(bound, s.Name)
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
	for session := range p.calls {
		delete(w.live, p.calls[session].session)
	}
	delete(w.processes, p.pod)
	w.after(w.between(time.Second, 20*time.Second), func() {
		w.mediapodPass(p.pod)
		w.after(w.between(time.Second, 10*time.Second), func() { w.start(p.pod, p.uid) })
	})
}

// lookForWork: the agent lists what is bound to its pod.
func (w *world) lookForWork(p *process) {
	for _, o := range w.server.sessions() {
		if s := o.(*v1alpha1.MeetingSession); s.Status.MediaPod == p.pod {
			w.bound(p, s.Name)
		}
	}
}

// bound: the agent sees a session that is bound to its pod, or that changed.
func (w *world) bound(p *process, name string) {
	s, _ := w.server.byKey[sessionKey(name)].(*v1alpha1.MeetingSession)
	if w.processes[p.pod] != p || !p.accepted || p.cutOff || s == nil || s.Status.MediaPod != p.pod || s.Status.Phase.Finished() {
		return
	}
	call := s.Status.Call
	switch {
	case call != nil && call.End != nil:
	case call != nil && call.ClaimedBy == p.instance:
		if c := p.calls[name]; c != nil && (s.DeletionTimestamp != nil || s.Spec.DesiredState == v1alpha1.DesiredEnded) {
			c.left = true
			w.endCall(p, name, v1alpha1.CallEnd{Reason: v1alpha1.EndedByBot})
		}
	case call != nil:
		// A call of the process before this one.
		w.server.change(sessionKey(name), true, func(o client.Object) {
			o.(*v1alpha1.MeetingSession).Status.Call.End = &v1alpha1.CallEnd{Reason: v1alpha1.EndPodLost, Failed: true, Retryable: true}
		})
	case p.calls[name] == nil:
		w.admit(p, s)
	}
}

// admit a call, or refuse it.
func (w *world) admit(p *process, s *v1alpha1.MeetingSession) {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionAssigned); c != nil && c.Status == metav1.ConditionFalse {
		return // refused, and not taken back yet
	}
	used, reserved := p.seats()
	seats := max(1, s.Status.Seats)
	if drain.Marked(p.saw) || used+reserved+seats > p.saw.Spec.Capacity.Seats || w.odds(w.refusals) {
		w.refused++
		w.server.change(sessionKey(s.Name), true, func(o client.Object) {
			meta.SetStatusCondition(&o.(*v1alpha1.MeetingSession).Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPodRefused, Message: "no", LastTransitionTime: metav1.NewTime(w.now()),
			})
		})
		return
	}
	p.calls[s.Name] = &liveCall{session: s.UID, seats: seats}
	w.report(p)
	uid := s.UID
	w.after(w.between(5*time.Millisecond, 200*time.Millisecond), func() {
		now, _ := w.server.byKey[sessionKey(s.Name)].(*v1alpha1.MeetingSession)
		if w.processes[p.pod] != p || p.calls[s.Name] == nil {
			return
		}
		if now == nil || now.UID != uid || now.Status.MediaPod != p.pod || now.Status.Call != nil || p.cutOff {
			delete(p.calls, s.Name) // the claim met another writer
			w.report(p)
			return
		}
		w.server.change(sessionKey(s.Name), true, func(o client.Object) {
			st := &o.(*v1alpha1.MeetingSession).Status
			st.Phase, st.Call = v1alpha1.PhaseJoining, &v1alpha1.CallRecord{ClaimedBy: p.instance, Hosting: v1alpha1.HostingApplication}
		})
		if other := w.live[uid]; other != "" {
			w.fail("session %s has a call in %s and another in %s", s.Name, other, p.pod)
		}
		w.live[uid] = p.pod
		p.calls[s.Name].made = true
		w.made++
		w.report(p)
		w.after(w.callLength(), func() {
			if c := p.calls[s.Name]; c != nil && c.session == uid {
				c.left = true
				w.endCall(p, s.Name, v1alpha1.CallEnd{Reason: v1alpha1.EndMeetingEnded})
			}
		})
	})
}

// endCall tells how a call ended, once the API server can be reached.
func (w *world) endCall(p *process, session string, end v1alpha1.CallEnd) {
	c := p.calls[session]
	if w.processes[p.pod] != p || c == nil {
		return
	}
	if p.cutOff {
		w.after(10*time.Second, func() { w.endCall(p, session, end) })
		return
	}
	if !c.made {
		return
	}
	delete(p.calls, session)
	delete(w.live, c.session)
	if s, _ := w.server.byKey[sessionKey(session)].(*v1alpha1.MeetingSession); s != nil && s.UID == c.session &&
		s.Status.Call != nil && s.Status.Call.ClaimedBy == p.instance && !s.Status.Phase.Finished() {
		w.server.change(sessionKey(session), true, func(o client.Object) { o.(*v1alpha1.MeetingSession).Status.Call.End = &end })
	}
	w.report(p)
}

func keysOf[T any](m map[string]T) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
