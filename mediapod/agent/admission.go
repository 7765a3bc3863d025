// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/story"
)

// verdict is what to do with a session that has no runner.
type verdict int

const (
	// verdictIgnore: it is finished, or waits for the controller.
	verdictIgnore verdict = iota
	// verdictClaim: a new binding that can be carried.
	verdictClaim
	// verdictRefuse: a new binding that cannot be carried; the controller finds another pod.
	verdictRefuse
	// verdictDecline: a new binding of a session that is to end anyway; it ends without a call.
	verdictDecline
	// verdictAdopt: a call whose media the service hosts, and which no living process holds; it goes on here.
	verdictAdopt
	// verdictTakeOver: such a call that was bound elsewhere; its notifications come here.
	verdictTakeOver
	// verdictBury: a call left behind by a process that is gone, which nobody can carry on.
	verdictBury
)

// judge looks at one version of an object bound to this pod. The caller holds a.mu.
func (a *Agent) judge(s *subject) verdict {
	call := s.status.Call
	switch {
	case over(s):
		return verdictIgnore
	case call != nil && call.ClaimedBy == a.instance:
		// Ours, without a runner: its last status is written and the watch has not brought it yet.
		return verdictIgnore
	case adoptable(s):
		return a.judgeAdoption(s)
	case call != nil:
		return verdictBury
	case s.incoming():
		// Bound by hand: who called has been talking to nobody.
		return verdictIgnore
	case refused(s):
		return verdictIgnore
	case s.deleted(), s.spec.DesiredState == callfleetv1.DesiredEnded, a.tooLate(s):
		return verdictDecline
	}
	if ok, _ := a.admits(seatsOf(a.pod, s)); !ok {
		return verdictRefuse
	}
	return verdictClaim
}

// judgeAdoption: a call that goes on needs a seat and a process that stays, and nothing else. Its own pod may be draining:
// calls go on there.
func (a *Agent) judgeAdoption(s *subject) verdict {
	switch {
	case refused(s):
		return verdictIgnore
	case !a.seatFree(s):
		return verdictRefuse
	}
	return verdictAdopt
}

// seatFree: the process stays, and has seats for a call that goes on. The caller holds a.mu.
func (a *Agent) seatFree(s *subject) bool {
	return !a.stopped && a.pod != nil && a.taken()+seatsOf(a.pod, s) <= a.capacity()
}

// seatsOf is how many seats a call takes in the pod: as many as whoever bound it counted, or, if nobody did, by what it uses.
func seatsOf(pod *callfleetv1.MediaPod, s *subject) int32 {
	switch {
	case s.status.Seats > 0:
		return s.status.Seats
	case pod == nil:
		return 1
	}
	return callfleetv1.SeatsOf(&pod.Spec.Media, s.spec)
}

// adoptable: the service has the call's media, so that any process can go on with it.
func adoptable(s *subject) bool {
	call := s.status.Call
	return call != nil && call.End == nil && call.Hosting == callfleetv1.HostingService && call.ID != ""
}

// over: the object is finished, or the attempt at the call is and the controller has not said yet what follows.
func over(s *subject) bool {
	st := s.status
	return st.Phase.Finished() || meta.IsStatusConditionTrue(st.Conditions, callfleetv1.ConditionFinished) || st.Call != nil && st.Call.End != nil
}

// holds reports whether a process has claimed the object and the attempt is still its own to tell about.
func holds(instance string, s *subject) bool {
	return s.status.Call != nil && s.status.Call.ClaimedBy == instance && !over(s)
}

func (a *Agent) tooLate(s *subject) bool {
	return s.end != nil && !a.clock.Now().Before(s.end.Time)
}

// refused: this pod said no to the binding, and the controller has not taken it back yet.
func refused(s *subject) bool {
	c := meta.FindStatusCondition(s.status.Conditions, callfleetv1.ConditionAssigned)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == callfleetv1.ReasonPodRefused
}

// admits is the final admission of a call that takes so many seats. The controller counts seats too; this is where a stale
// count is caught. The caller holds a.mu.
func (a *Agent) admits(seats int32) (bool, string) {
	switch {
	case a.stopped:
		return false, "the pod is stopping"
	case a.pod == nil || !a.health.ready:
		return false, "the pod is not ready"
	case draining(a.pod):
		return false, "the pod is draining"
	}
	switch free := a.capacity() - a.taken(); {
	case free >= seats:
	case free <= 0:
		return false, fmt.Sprintf("all %d seats are taken", a.capacity())
	default:
		return false, fmt.Sprintf("the call takes %d seats, and %d of %d are free", seats, free, a.capacity())
	}
	if a.strained() {
		_, why := loadOf(a.load)
		return false, why
	}
	return true, ""
}

// taken counts the seats in use and those held for decisions that are being written. The caller holds a.mu.
func (a *Agent) taken() int32 { return a.used() + a.reserved() }

// reserved counts the seats of calls whose decision is being written. The caller holds a.mu.
func (a *Agent) reserved() (seats int32) {
	for _, p := range a.pending {
		seats += p.seats
	}
	return seats
}

// used counts the seats of calls. One that came in and is over before the API server heard of it has none, as nobody else
// counts one for it: while the API server is away, such calls would fill the pod. The caller holds a.mu.
func (a *Agent) used() (seats int32) {
	for _, r := range a.runners {
		if !r.spent() {
			seats += r.seats
		}
	}
	return seats
}

func (a *Agent) capacity() int32 { return a.pod.Spec.Capacity.Seats }

// act carries a verdict out against the API server. For a claim or an adoption it returns the runner of the call.
func (a *Agent) act(s *subject, what verdict) *runner {
	log := a.log.WithValues("session", s.uid, "kind", s.kind.name, "name", s.name())
	now := a.clock.Now()
	switch what {
	case verdictClaim:
		claimed, err := a.settle(s, what, func(st *callfleetv1.CallStatus) { a.claim(st, now) })
		if err != nil {
			log.V(1).Info("binding not claimed", "cause", err.Error())
			return nil
		}
		a.metrics.admissions.WithLabelValues("claimed").Inc()
		return newRunner(claimed, a)
	case verdictAdopt, verdictTakeOver:
		return a.adopt(s, what, log)
	case verdictRefuse:
		why := a.refusal(s)
		a.metrics.admissions.WithLabelValues("refused").Inc()
		log.Info("binding refused", "why", why)
		_, _ = a.settle(s, what, func(st *callfleetv1.CallStatus) { refuse(st, now, why, s.generation()) })
	case verdictDecline:
		_, _ = a.settle(s, what, func(st *callfleetv1.CallStatus) { a.decline(st, now, s) })
	case verdictBury:
		a.bury(s, log)
	}
	return nil
}

// settle writes a decision on a session that has no runner. It is taken anew on each version, and dropped when a newer
// version asks for another one; a silent API server is waited for as long as the process lives.
func (a *Agent) settle(s *subject, want verdict, change func(*callfleetv1.CallStatus)) (*subject, error) {
	retry := 100 * time.Millisecond
	for {
		after := s.copy()
		change(after.status)
		after.direct()
		got, err := a.objects.patch(a.life, s, after)
		if err == nil {
			a.metrics.statusWrites.WithLabelValues("ok").Inc()
			return got, nil
		}
		if apierrors.IsNotFound(err) {
			return nil, errNotOurs
		}
		if !apierrors.IsConflict(err) {
			a.metrics.statusWrites.WithLabelValues("failed").Inc()
			select {
			case <-a.life.Done():
				return nil, context.Cause(a.life)
			case <-a.clock.After(retry):
				retry = min(2*retry, 5*time.Second)
			}
		}
		fresh, err := a.objects.get(a.life, s.kind, s.name())
		if err != nil {
			if apierrors.IsNotFound(err) {
				return nil, errNotOurs
			}
			continue
		}
		if fresh.object.GetUID() != s.object.GetUID() {
			return nil, errNotOurs
		}
		if want != verdictBury && holds(a.instance, fresh) {
			return fresh, nil // the write was done; only its answer was lost
		}
		if fresh.status.MediaPod != s.status.MediaPod {
			return nil, errNotOurs
		}
		if fresh.version() != s.version() && a.rejudge(s, fresh, want) != want {
			return nil, errors.New("the session changed meanwhile; it is judged anew")
		}
		s = fresh
	}
}

// rejudge judges without counting the seat that this very decision holds.
func (a *Agent) rejudge(before, s *subject, want verdict) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.pending[s.uid]
	delete(a.pending, s.uid)
	defer func() { a.pending[s.uid] = own }()
	if want == verdictTakeOver && adoptable(s) {
		if s.status.Call.ClaimedBy == before.status.Call.ClaimedBy {
			return want
		}
		return verdictIgnore // another process was quicker
	}
	return a.judge(s)
}

// refusal is why the pod says no.
func (a *Agent) refusal(s *subject) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := a.pending[s.uid]; own != nil { // what is held for it is no reason against it
		delete(a.pending, s.uid)
		defer func() { a.pending[s.uid] = own }()
	}
	if ok, why := a.admits(seatsOf(a.pod, s)); !ok {
		return why
	}
	return "the pod was not ready a moment ago"
}

func (a *Agent) claim(st *callfleetv1.CallStatus, now time.Time) {
	st.Phase, st.Flow = callfleetv1.PhaseJoining, nil
	st.Call = &callfleetv1.CallRecord{ClaimedBy: a.instance, ScenarioID: newScenario(), CreatedTime: story.MicroTime(now), Hosting: hostingOf(a.mediaPod())}
	st.Timeline = story.Merge(st.Timeline, []callfleetv1.TimelineEvent{story.Event(now, "Claimed", "by %s", a.name)})
}

// refuse leaves a call that goes on to nobody, so that the controller finds it another pod.
func refuse(st *callfleetv1.CallStatus, now time.Time, why string, generation int64) {
	if st.Call != nil {
		st.Call.ClaimedBy = ""
	}
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{
		Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: callfleetv1.ReasonPodRefused,
		Message: why + "; another pod is looked for", ObservedGeneration: generation,
	})
	st.Timeline = story.Merge(st.Timeline, []callfleetv1.TimelineEvent{story.Event(now, "Refused", "%s", why)})
}

// decline ends a session that never became a call.
func (a *Agent) decline(st *callfleetv1.CallStatus, now time.Time, s *subject) {
	why := callfleetv1.EndTimeReached
	switch {
	case s.deleted():
		why = callfleetv1.EndSessionDeleted
	case s.spec.DesiredState == callfleetv1.DesiredEnded:
		why = callfleetv1.EndedByBot
	}
	story.Story{ClaimedBy: a.instance, End: story.EndOf(why), Ended: now}.Tell(st, s.generation())
}
