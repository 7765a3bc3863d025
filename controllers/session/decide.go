// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
	"github.com/callfleet/callfleet/controllers/shorten"
	"github.com/callfleet/callfleet/controllers/soonest"
)

const (
	// claimWithin is how long a pod has to take a session that was bound to it. Its agent watches its bindings, so it
	// normally takes milliseconds.
	claimWithin = 15 * time.Second
	// refusalLasts is how long a pod that did not take a session is not asked again.
	refusalLasts = 10 * time.Second
	// silenceAllowed is how long the agent that claimed a call may be missing. A process that was restarted in the pod
	// says within a second what became of its predecessor's calls, and hangs up what is left of them.
	silenceAllowed = 30 * time.Second
	// overdueAfter is how long after endTime the pod has to leave before the session is closed without it.
	overdueAfter = 30 * time.Second
	// rejoinMin and rejoinMax bound the pause before an attempt is repeated; it doubles with every attempt.
	rejoinMin, rejoinMax = time.Second, 30 * time.Second
)

type verdict string

const (
	// keep: nothing to decide now; it is the agent's turn, or a time has to come.
	keep verdict = "keep"
	// wait: the session has no pod, and why.
	wait verdict = "wait"
	// place: the session should get a seat on one of the candidates.
	place verdict = "place"
	// bind: the session has got a seat. Follows from place, never from decide.
	bind verdict = "bind"
	// rejoin: the attempt ended by a fault, and another will be made.
	rejoin verdict = "rejoin"
	// finish: the session is over for good.
	finish verdict = "finish"
	// rest: the session is over and everything about it is done.
	rest verdict = "rest"
	// expire: the session is over, and has been kept as long as was asked.
	expire verdict = "expire"
	// idle: nothing is decided, and nothing written.
	idle verdict = "idle"
)

// decision is what is to be done about one session, and why.
type decision struct {
	verdict verdict
	// phase, reason and message: of a session without pod.
	phase           v1alpha1.CallPhase
	reason, message string
	// stalled: somebody has to change something before the wait can end.
	stalled bool
	// attention is the reason somebody should look, and attentionMessage what to look for; empty if there is none.
	attention, attentionMessage string
	// candidates for place, in which order they go, and what to do if none of them has room.
	candidates []placement.Pod
	order      placement.Order
	orElse     *decision
	// refused is the pod the session is taken away from because it did not take it.
	refused *refusal
	// handOver, if set, says why a call that goes on is taken from its process; with wait, place and bind.
	handOver string
	// pod of bind, and of keep once a process holds the call; seats it takes there, for bind; reserved if the ledger holds them
	// for this write.
	pod      string
	seats    int32
	reserved bool
	// recordersGone, with rest, are the media pods with which recordings were lost.
	recordersGone []string
	// end of the attempt, for rejoin and finish.
	end *v1alpha1.CallEnd
	// next is when the decision has to be looked at again though nothing has changed; zero: never.
	next time.Time
}

// decide is pure: the same session, facts and time give the same decision.
func decide(s *subject, f facts, now time.Time) decision {
	switch {
	case s.finished():
		return afterwards(s, f, now)
	case s.claimed():
		return attempt(s, f, now)
	case s.orphaned():
		return orphan(s, f, now)
	case s.incoming:
		return untold(s, f, now)
	case s.bound():
		return unclaimed(s, f, now)
	default:
		return unbound(s, f, now)
	}
}

// afterwards: the session is over.
func afterwards(s *subject, f facts, now time.Time) decision {
	rests := decision{verdict: rest, recordersGone: f.recordersGone}
	ttl := s.ttl()
	if ttl == nil || s.status.FinishedTime == nil || s.deleted() {
		return rests
	}
	at := s.status.FinishedTime.Add(*ttl)
	if now.Before(at) {
		rests.next = at
		return rests
	}
	return decision{verdict: expire}
}

// attempt: a pod has claimed the session.
func attempt(s *subject, f facts, now time.Time) decision {
	if s.status.Call.End != nil {
		return conclude(s, s.status.Call.End, now)
	}
	end, d := given(s, f, now)
	if end == nil {
		return d
	}
	return conclude(s, end, now)
}

// conclude: the attempt has ended.
func conclude(s *subject, end *v1alpha1.CallEnd, now time.Time) decision {
	switch {
	case end.Failed && end.Retryable && mayRejoin(s, now):
		pause := rejoinPause(s.status.Attempts)
		return decision{
			verdict: rejoin, end: end, phase: v1alpha1.PhasePending, reason: v1alpha1.ReasonRejoining,
			message: fmt.Sprintf("attempt %d of %d ended with %s and is repeated in %s: %s",
				s.status.Attempts, s.spec.Rejoin.MaxAttempts, end.Reason, pause, end.Message),
			next: now.Add(pause),
		}
	default:
		return decision{verdict: finish, end: end}
	}
}

// given is how an attempt has ended of whose end the agent has not told: not at all, unless the agent is lost or late.
func given(s *subject, f facts, now time.Time) (*v1alpha1.CallEnd, decision) {
	d := decision{verdict: keep, pod: s.status.MediaPod}
	gone := func(format string) (*v1alpha1.CallEnd, decision) {
		message := fmt.Sprintf(format, s.status.MediaPod)
		if s.adoptable() {
			return nil, handOver(s, f, now, nil, message)
		}
		return lost(message), d
	}
	switch {
	case f.holder == nil:
		return gone("media pod %s, which held the call, was deleted")
	case f.holder.instance == "" && s.adoptable():
		return gone("the process in media pod %s that held the call has ended")
	case f.holder.instance != s.status.Call.ClaimedBy:
		since := now
		if c := s.condition(v1alpha1.ConditionNeedsAttention); c != nil && c.Reason == v1alpha1.ReasonAgentSilent {
			since = c.LastTransitionTime.Time
		}
		if !now.Before(since.Add(silenceAllowed)) {
			return gone("the process in media pod %s that held the call is gone and its successor did not say what became of it")
		}
		d.attention = v1alpha1.ReasonAgentSilent
		otherwise := "counts as lost"
		if s.adoptable() {
			otherwise = "is given to another pod"
		}
		d.attentionMessage = fmt.Sprintf("the process in media pod %s that holds the call does not report; unless it does within %s the call %s. "+
			"See why the pod restarted: kubectl describe mediapod %s", s.status.MediaPod, silenceAllowed, otherwise, s.status.MediaPod)
		d.next = since.Add(silenceAllowed)
	}
	if s.end != nil {
		overdue := s.end.Add(overdueAfter)
		if !now.Before(overdue) {
			return &v1alpha1.CallEnd{
				Reason:  v1alpha1.EndTimeReached,
				Message: fmt.Sprintf("endTime passed and media pod %s did not say within %s that it left", s.status.MediaPod, overdueAfter),
			}, d
		}
		d.next = soonest.Of(d.next, overdue)
	}
	return nil, d
}

func lost(message string) *v1alpha1.CallEnd {
	return &v1alpha1.CallEnd{Reason: v1alpha1.EndPodLost, Message: message, Failed: true, Retryable: true}
}

// mayRejoin reports whether another attempt may be made. One that might ring a second time at somebody who was in the call
// is not: a call whose pod is lost may have been answered in its last second.
func mayRejoin(s *subject, now time.Time) bool {
	if call := s.status.Call; s.incoming || s.rings && (call.EstablishedTime != nil || call.End == nil && call.ID != "") {
		return false
	}
	return !s.leaving(now) && s.spec.Rejoin.Policy != v1alpha1.RejoinNever && s.status.Attempts < s.spec.Rejoin.MaxAttempts
}

// rejoinPause after so many attempts.
func rejoinPause(attempts int32) time.Duration {
	pause := rejoinMin
	for ; attempts > 1 && pause < rejoinMax; attempts-- {
		pause *= 2
	}
	return min(pause, rejoinMax)
}

// unclaimed: the session is bound, and the pod has not begun.
func unclaimed(s *subject, f facts, now time.Time) decision {
	if end := stopped(s, now); end != nil {
		return decision{verdict: finish, end: end}
	}
	if s.condition(v1alpha1.ConditionAssigned) == nil && f.holder != nil {
		// Bound by something else than this controller; the pod is given its time from now on.
		return decision{verdict: bind, pod: s.status.MediaPod, seats: f.holder.seatsFor(s)}
	}
	no, deadline := refusedBy(s, f, now)
	if no != nil {
		return seek(s, f, no)
	}
	return decision{verdict: keep, next: soonest.Of(deadline, endOf(s))}
}

// refusedBy tells whether the pod that the session is bound to does not take it, and until when it has time to.
func refusedBy(s *subject, f facts, now time.Time) (*refusal, time.Time) {
	no := func(message string) (*refusal, time.Time) {
		return &refusal{pod: s.binding().Pod, message: message, until: now.Add(refusalLasts)}, time.Time{}
	}
	assigned := s.condition(v1alpha1.ConditionAssigned)
	switch {
	case f.holder == nil:
		return no(fmt.Sprintf("it was deleted before it took the %s", s.kind.noun))
	case assigned == nil:
		return no("nobody knows since when it has been asked")
	case assigned.Status == metav1.ConditionFalse:
		return no(assigned.Message)
	}
	deadline := assigned.LastTransitionTime.Add(claimWithin)
	if !now.Before(deadline) {
		return no(fmt.Sprintf("it did not take the %s within %s", s.kind.noun, claimWithin))
	}
	return nil, deadline
}

// unbound: the session has no pod.
func unbound(s *subject, f facts, now time.Time) decision {
	if end := stopped(s, now); end != nil {
		return decision{verdict: finish, end: end}
	}
	waits := decision{verdict: wait, phase: v1alpha1.PhasePending, next: endOf(s)}
	switch pause, pausing := rejoinAt(s, now); {
	case !s.started(now):
		waits.phase, waits.reason = v1alpha1.PhaseScheduled, v1alpha1.ReasonScheduled
		waits.message = fmt.Sprintf("the bot joins at startTime, %s", s.start.UTC().Format(time.RFC3339))
		waits.next = soonest.Of(s.start.Time, endOf(s))
		return waits
	case pausing:
		return decision{verdict: keep, next: soonest.Of(pause, endOf(s))}
	case !f.bot.exists || f.bot.deleting:
		waits.reason, waits.message, waits.stalled = v1alpha1.ReasonBotNotFound, botMessage(s, f.bot), true
		return waits
	case f.rival != "":
		return rivalled(waits, f.rival)
	}
	return seek(s, f, nil)
}

// rivalled turns a wait into that for another session to leave the meeting.
func rivalled(waits decision, rival string) decision {
	waits.reason = v1alpha1.ReasonAlreadyInMeeting
	waits.message = fmt.Sprintf("session %s of the same bot is in this meeting, or has the older claim to it; this one joins when that one is over. "+
		"Delete one of them, or set spec.allowDuplicates", rival)
	waits.stalled = false
	waits.attention, waits.attentionMessage = waits.reason, waits.message
	return waits
}

// stopped is how a session ends that never was in the call.
func stopped(s *subject, now time.Time) *v1alpha1.CallEnd {
	switch {
	case s.deleted():
		return &v1alpha1.CallEnd{Reason: v1alpha1.EndSessionDeleted, Message: fmt.Sprintf("the %s was deleted while the bot was not in the call", s.kind.noun)}
	case s.spec.DesiredState == v1alpha1.DesiredEnded:
		return &v1alpha1.CallEnd{Reason: v1alpha1.EndedByBot, Message: "desiredState was set to Ended while the bot was not in the call"}
	case s.over(now):
		why := "no pod took it"
		if c := s.condition(v1alpha1.ConditionAssigned); c != nil && c.Status == metav1.ConditionFalse {
			why = fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
		return &v1alpha1.CallEnd{
			Reason: v1alpha1.EndNoSeatInTime, Failed: true,
			Message: shorten.Characters("endTime passed while the session waited for a media pod; "+why, endMessageMax),
		}
	}
	return nil
}

// rejoinAt is when the next attempt may begin, and whether that is ahead.
func rejoinAt(s *subject, now time.Time) (time.Time, bool) {
	since, ok := lastOf(s.status.Timeline, eventRejoining)
	if !ok {
		return time.Time{}, false
	}
	at := since.Add(rejoinPause(s.status.Attempts))
	return at, now.Before(at)
}

func endOf(s *subject) time.Time {
	if s.end == nil {
		return time.Time{}
	}
	return s.end.Time
}
