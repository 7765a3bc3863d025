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
	// verdictBury: a call left behind by a process that is gone.
	verdictBury
)

// judge looks at one version of a session. The caller holds a.mu.
func (a *Agent) judge(s *callfleetv1.MeetingSession) verdict {
	st := s.Status
	switch {
	case over(s):
		return verdictIgnore
	case st.Call != nil && st.Call.ClaimedBy != a.instance:
		return verdictBury
	case st.Call != nil:
		// Ours, without a runner: its last status is written and the watch has not brought it yet.
		return verdictIgnore
	case refused(s):
		return verdictIgnore
	case !s.DeletionTimestamp.IsZero(), s.Spec.DesiredState == callfleetv1.DesiredEnded, a.tooLate(s):
		return verdictDecline
	}
	if ok, _ := a.admits(); !ok {
		return verdictRefuse
	}
	return verdictClaim
}

// over: the session is finished, or the attempt at the call is and the controller has not said yet what follows.
func over(s *callfleetv1.MeetingSession) bool {
	st := s.Status
	return st.Phase.Finished() || meta.IsStatusConditionTrue(st.Conditions, callfleetv1.ConditionFinished) || st.Call != nil && st.Call.End != nil
}

// holds reports whether a process has claimed the session and the attempt is still its own to tell about.
func holds(instance string, s *callfleetv1.MeetingSession) bool {
	return s.Status.Call != nil && s.Status.Call.ClaimedBy == instance && !over(s)
}

func (a *Agent) tooLate(s *callfleetv1.MeetingSession) bool {
	return s.Spec.EndTime != nil && !a.clock.Now().Before(s.Spec.EndTime.Time)
}

// refused: this pod said no to the binding, and the controller has not taken it back yet.
func refused(s *callfleetv1.MeetingSession) bool {
	c := meta.FindStatusCondition(s.Status.Conditions, callfleetv1.ConditionAssigned)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == callfleetv1.ReasonPodRefused
}

// admits is the final admission. The controller counts seats too; this is where a stale count is caught. The caller
// holds a.mu.
func (a *Agent) admits() (bool, string) {
	switch {
	case a.stopped:
		return false, "the pod is stopping"
	case a.pod == nil || !a.health.ready:
		return false, "the pod is not ready"
	case draining(a.pod):
		return false, "the pod is draining"
	}
	if seats := int(a.pod.Spec.Capacity.Seats); len(a.runners)+len(a.pending) >= seats {
		return false, fmt.Sprintf("all %d seats are taken", seats)
	}
	return true, ""
}

// act carries a verdict out against the API server. For a claim it returns the runner of the call.
func (a *Agent) act(s *callfleetv1.MeetingSession, what verdict) *runner {
	log := a.log.WithValues("session", s.Name)
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
	case verdictRefuse:
		why := a.refusal()
		a.metrics.admissions.WithLabelValues("refused").Inc()
		log.Info("binding refused", "why", why)
		_, _ = a.settle(s, what, func(st *callfleetv1.CallStatus) { refuse(st, now, why, s.Generation) })
	case verdictDecline:
		_, _ = a.settle(s, what, func(st *callfleetv1.CallStatus) { a.decline(st, now, s) })
	case verdictBury:
		a.bury(s, log)
	}
	return nil
}

// settle writes a decision on a session that has no runner. It is taken anew on each version, and dropped when a newer
// version asks for another one; a silent API server is waited for as long as the process lives.
func (a *Agent) settle(s *callfleetv1.MeetingSession, want verdict, change func(*callfleetv1.CallStatus)) (*callfleetv1.MeetingSession, error) {
	retry := 100 * time.Millisecond
	for {
		after := s.DeepCopy()
		change(&after.Status.CallStatus)
		got, err := a.sessions.patchSession(a.life, s, after)
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
		fresh, err := a.sessions.getSession(a.life, s.Name)
		if err != nil {
			if apierrors.IsNotFound(err) {
				return nil, errNotOurs
			}
			continue
		}
		if fresh.UID != s.UID || fresh.Status.MediaPod != s.Status.MediaPod {
			return nil, errNotOurs
		}
		if want == verdictClaim && holds(a.instance, fresh) {
			return fresh, nil // the write was done; only its answer was lost
		}
		if fresh.ResourceVersion != s.ResourceVersion && a.rejudge(fresh) != want {
			return nil, errors.New("the session changed meanwhile; it is judged anew")
		}
		s = fresh
	}
}

// rejudge judges without counting the seat that this very decision holds.
func (a *Agent) rejudge(s *callfleetv1.MeetingSession) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.pending[string(s.UID)]
	delete(a.pending, string(s.UID))
	v := a.judge(s)
	a.pending[string(s.UID)] = own
	return v
}

// refusal is why the pod says no.
func (a *Agent) refusal() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok, why := a.admits(); !ok {
		return why
	}
	return "the pod was not ready a moment ago"
}

func (a *Agent) claim(st *callfleetv1.CallStatus, now time.Time) {
	st.Phase = callfleetv1.PhaseJoining
	st.Call = &callfleetv1.CallRecord{ClaimedBy: a.instance, ScenarioID: newScenario(), CreatedTime: microTime(now)}
	st.Timeline = mergeTimeline(st.Timeline, []callfleetv1.TimelineEvent{event(now, "Claimed", "by %s", a.name)})
}

func refuse(st *callfleetv1.CallStatus, now time.Time, why string, generation int64) {
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{
		Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: callfleetv1.ReasonPodRefused,
		Message: why + "; another pod is looked for", ObservedGeneration: generation,
	})
	st.Timeline = mergeTimeline(st.Timeline, []callfleetv1.TimelineEvent{event(now, "Refused", "%s", why)})
}

// decline ends a session that never became a call.
func (a *Agent) decline(st *callfleetv1.CallStatus, now time.Time, s *callfleetv1.MeetingSession) {
	why := callfleetv1.EndTimeReached
	switch {
	case !s.DeletionTimestamp.IsZero():
		why = callfleetv1.EndSessionDeleted
	case s.Spec.DesiredState == callfleetv1.DesiredEnded:
		why = callfleetv1.EndedByBot
	}
	story{claimedBy: a.instance, end: endOf(why), ended: now}.tell(st, s.Generation)
}
