// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// startWithin is how long a seat is kept for a call whose answer signalling has been told to send. It begins at once; this
// is for the seat not to be lost should it ever not.
const startWithin = time.Minute

// defaultTTL is how long the object of a call that came in is kept after its end, in seconds, if the rule does not say.
const defaultTTL = 3600

// full reports whether a call that comes in would be turned away. Signalling asks before it reads the request.
func (a *Agent) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.book == nil || a.takesNone(callfleetv1.LeastIncomingSeats(&a.pod.Spec.Media, a.book.rules)) != ""
}

// takesNone is why no incoming call can be taken that takes so many seats, or "". The rules are prepared. The caller holds
// a.mu.
func (a *Agent) takesNone(seats int32) string {
	if ok, why := a.admits(seats); !ok {
		return why
	}
	if !a.listed[meetingSessions] || !a.listed[calls] {
		// Calls of the process before this one may have every seat.
		return "the calls bound to the pod are not known yet"
	}
	return ""
}

// incoming decides about a call that came in, from memory alone: the caller hears it ring.
func (a *Agent) incoming(in signaling.Incoming) signaling.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	decision, outcome := a.decideLocked(in)
	a.metrics.incoming.WithLabelValues(outcome).Inc()
	a.log.V(1).Info("incoming call", "call", in.CallID, "outcome", outcome)
	return decision
}

func (a *Agent) decideLocked(in signaling.Incoming) (decision signaling.Decision, outcome string) {
	if a.pod == nil || a.book == nil {
		return signaling.Decision{Full: true}, "full"
	}
	call := ruledCall(in)
	if elsewhere := rules.Region(a.book.redirects, call, webhook(a.pod)); elsewhere != "" {
		return signaling.Decision{Location: elsewhere}, "elsewhere"
	}
	verdict := rules.Decide(a.book.rules, call)
	switch verdict.Action {
	case callfleetv1.IncomingAnswer:
		if why := a.takesNone(callfleetv1.SeatsOfIncoming(&a.pod.Spec.Media, &a.book.rules[verdict.Rule])); why != "" {
			return signaling.Decision{Full: true}, "full"
		}
		return a.answer(in, call.From, verdict.Rule)
	case callfleetv1.IncomingRedirect:
		return signaling.Decision{Redirect: redirect(a.book.rules[verdict.Rule].Redirect)}, "redirected"
	default:
		return signaling.Decision{Reject: verdict.Reason}, "rejected"
	}
}

// ruledCall is what the rules judge of a call.
func ruledCall(in signaling.Incoming) rules.Call {
	return rules.Call{
		TenantID: in.TenantID, From: rules.Caller(in.From), OnBehalfOf: named(in.OnBehalfOf), Targets: rules.Targets(in.To),
		PolicyRecording: in.PolicyRecording, Country: in.Country, Region: in.Region,
	}
}

// webhook is where the calls of the bot come in.
func webhook(p *callfleetv1.MediaPod) string { return baseURL(p) + "/calls" }

func redirect(to *callfleetv1.RedirectTo) *graph.Redirect {
	r := &graph.Redirect{TimeoutSeconds: int(to.RingSeconds)}
	for _, who := range to.Targets {
		r.Targets = append(r.Targets, graph.InvitationParticipantInfo{Identity: rules.Party(who)})
	}
	return r
}

// answer takes a seat and has the call answered. The caller holds a.mu.
func (a *Agent) answer(in signaling.Incoming, from callfleetv1.Caller, rule int) (signaling.Decision, string) {
	object := a.incomingCall(in, from, rule)
	if a.runners[object.uid] != nil {
		// It is over, and its last word is still on its way to the API server.
		return signaling.Decision{Reject: graph.RejectNone}, "duplicate"
	}
	does := a.book.behaviors[rule]
	scenario := in.ChainID
	if scenario == "" {
		scenario = newScenario()
	}
	r := incomingRunner(object, a, scenario, in)
	if does.err != nil {
		// Whoever calls would hear nothing. That the rule cannot be carried out is told where its calls are looked for.
		a.host(r, func(context.Context) (legs, *callfleetv1.CallEnd) { return legs{}, endOfBehavior(does.err) })
		return signaling.Decision{Reject: graph.RejectNone}, "failed"
	}
	if decision, outcome, decided := a.prelude(r, in, does.behavior.flow); decided {
		return decision, outcome
	}
	modalities := rules.Modalities(a.pod.Spec.Media, *object.spec)
	both, place, end := r.openSound(does.behavior, modalities)
	if end != nil {
		a.host(r, func(context.Context) (legs, *callfleetv1.CallEnd) { return both, end })
		return signaling.Decision{Reject: graph.RejectBusy}, "failed"
	}
	r.starts = make(chan signalCall, 1)
	req := &signaling.AnswerRequest{
		UID: r.uid, ScenarioID: scenario, Modalities: modalities, Blob: place.blob, Locate: place.locate, PreFetch: r.player.load(does.behavior, false),
		ParticipantCapacity: int(a.book.rules[rule].ParticipantCapacity), OnChange: r.poke,
		Started: func(c *signaling.Call) {
			if c == nil { // none was begun
				r.starts <- nil
				return
			}
			r.starts <- c
		},
	}
	a.host(r, func(ctx context.Context) (legs, *callfleetv1.CallEnd) {
		select {
		case both.signal = <-r.starts:
		case <-a.clock.After(startWithin):
		case <-ctx.Done():
		}
		if both.signal == nil {
			r.forgo()
			return both, story.EndOf(callfleetv1.EndPodStopped)
		}
		return both, nil
	})
	return signaling.Decision{Answer: req}, "answered"
}

// host gives a call that came in its seat, and runs it. The caller holds a.mu.
func (a *Agent) host(r *runner, begin func(context.Context) (legs, *callfleetv1.CallEnd)) {
	r.begin = begin
	a.runners[r.uid] = r
	a.report()
	go a.run(r)
}

// incomingRunner carries a call that came in. Its object is made once there is something to tell.
func incomingRunner(object *subject, a *Agent, scenario string, in signaling.Incoming) *runner {
	r := bareRunner(object, a, a.pod, scenario)
	r.writer = newMakingWriter(object, a.objects, a.clock, r.log, a.metrics)
	r.writer.wrote = r.flowWritten
	now := a.clock.Now()
	r.story.Created, r.story.Taken = now, &story.Taken{MediaPod: a.name, Seats: r.seats}
	r.story.Signal = signaling.Snapshot{Phase: signaling.PhaseJoining, CallID: in.CallID, ChainID: in.ChainID, TenantID: in.TenantID}
	r.story.Note(story.Event(now, "Claimed", "by %s", a.name))
	return r
}

// forgo: there is no call after all, and nothing to tell of it.
func (r *runner) forgo() {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
}

// incomingCall is the object made for a call that came in. The caller holds a.mu.
func (a *Agent) incomingCall(in signaling.Incoming, from callfleetv1.Caller, rule int) *subject {
	bot := a.pod.Spec.BotRef.Name
	called := rules.Caller(in.To)
	c := &callfleetv1.Call{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: a.pod.Namespace, Name: incomingName(bot, in.CallID), Labels: map[string]string{callfleetv1.LabelBot: bot},
		},
		Spec: callfleetv1.OneCallSpec{
			CallSpec: callfleetv1.CallSpec{
				BotRef: callfleetv1.BotReference{Name: bot}, DesiredState: callfleetv1.DesiredConnected,
				Behavior: a.book.rules[rule].Behavior.DeepCopy(), Rejoin: callfleetv1.Rejoin{Policy: callfleetv1.RejoinNever, MaxAttempts: 1},
				TTLSecondsAfterFinished: ptr.To[int32](defaultTTL),
			},
			Incoming: &callfleetv1.IncomingCall{
				ID: story.Clip(in.CallID, 128), TenantID: callfleetv1.GUID(in.TenantID), From: clipped(from), To: clipped(called),
				OnBehalfOf: named(in.OnBehalfOf), Transferor: named(in.Transferor),
				Group: in.Group, PolicyRecording: in.PolicyRecording, Rule: int32(rule),
				AnsweredBy: &callfleetv1.AnsweringProcess{MediaPod: a.name, Instance: a.instance},
			},
		},
	}
	if t := a.book.rules[rule].Call; t != nil {
		c.Spec.Muted, c.Spec.RecordingStatus, c.Spec.Leave = t.Muted, t.RecordingStatus, t.Leave
		if t.TTLSecondsAfterFinished != nil {
			c.Spec.TTLSecondsAfterFinished = ptr.To(*t.TTLSecondsAfterFinished)
		}
	}
	return calls.subject(c)
}

// named is somebody whom the service names only sometimes; nil if it does not.
func named(who *graph.IdentitySet) *callfleetv1.Caller {
	if who == nil {
		return nil
	}
	if _, id := who.Primary(); id == nil {
		return nil
	}
	return clipped(rules.Caller(*who))
}

// clipped keeps to the bounds of the API's schema.
func clipped(c callfleetv1.Caller) *callfleetv1.Caller {
	c.ID, c.DisplayName, c.TenantID = story.Clip(c.ID, 256), story.Clip(c.DisplayName, 256), story.Clip(c.TenantID, 64)
	return &c
}
