// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// signalCall is one call as signalling runs it.
type signalCall interface {
	Snapshot() signaling.Snapshot
	HangUp(reason signaling.EndReason)
	Done() <-chan struct{}
}

// caller makes calls.
type caller interface {
	Join(req signaling.JoinRequest) (signalCall, error)
	HangUpRemote(ctx context.Context, tenantID, callID, scenarioID string) error
}

// mediaCall is the sound of one call.
type mediaCall interface {
	Endpoint() (url, token string)
	State() media.State
	Stats() media.Stats
	Close()
}

// soundEngine makes mediaCalls.
type soundEngine interface {
	NewCall(media.CallOptions) (mediaCall, error)
}

const (
	// mediaRefresh is how often measurements alone are worth a write.
	mediaRefresh = 30 * time.Second
	// mediaGrace is how long the service has to end a call whose media is lost before the bot leaves by itself.
	mediaGrace = 10 * time.Second
	// joinQuiet is how long a call may be joining before that is news: the claim said it already.
	joinQuiet = 600 * time.Millisecond
	// settleTime is how long after the call is established "no packets" and "silence" are no news yet.
	settleTime = 3 * time.Second
	// measureEvery is how often the media path is looked at.
	measureEvery = 500 * time.Millisecond
)

// runner carries one claimed call from its claim to its end. One goroutine; everything else reaches it by channels.
type runner struct {
	session   *callfleetv1.MeetingSession // as claimed; the spec may be replaced through updates
	claimedBy string
	calls     caller
	sound     soundEngine
	prompts   promptLoader
	writer    *statusWriter
	clock     clock.WithTicker
	log       logr.Logger

	changed chan struct{} // capacity 1: signalling or media changed

	mu   sync.Mutex
	spec callfleetv1.MeetingSessionSpec
	// leave is why the bot is to leave, once it is.
	leave callfleetv1.EndReason
	gone  bool // the session is not ours any more: leave, and write nothing
	// newest version that came through the watch; nil if the session is not bound to this pod any more.
	newest *callfleetv1.MeetingSession

	// The rest belongs to the goroutine.
	story     story
	offered   story // the last one offered
	lastOffer time.Time
	toldFlow  flow // last verdict in the timeline
	mediaGone time.Time
}

func newRunner(s *callfleetv1.MeetingSession, a *Agent) *runner {
	log := a.log.WithValues("session", s.Name)
	r := &runner{
		session: s, claimedBy: a.instance, calls: a.calls, sound: a.sound, prompts: a.prompts, clock: a.clock, log: log,
		writer:  newStatusWriter(s, a.sessions, a.clock, log, a.metrics),
		changed: make(chan struct{}, 1), spec: s.Spec,
	}
	r.story = story{claimedBy: a.instance, scenario: s.Status.Call.ScenarioID}
	if t := s.Status.Call.CreatedTime; t != nil {
		r.story.created = t.Time
	}
	return r
}

// newScenario is the id that ties together everything sent to Graph for one attempt.
func newScenario() string { return uuid.NewString() }

// update takes over a newer version of the session.
func (r *runner) update(s *callfleetv1.MeetingSession) {
	r.writer.observed(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = s
	if !newer(s.ResourceVersion, r.session.ResourceVersion) {
		return // from before the claim
	}
	r.spec = s.Spec
	switch {
	case !holds(r.claimedBy, s):
		r.abandonLocked()
	case !s.DeletionTimestamp.IsZero():
		r.leaveLocked(callfleetv1.EndSessionDeleted)
	case s.Spec.DesiredState == callfleetv1.DesiredEnded:
		r.leaveLocked(callfleetv1.EndedByBot)
	}
	r.poke()
}

// taken makes the bot leave because the session is gone or bound to another pod.
func (r *runner) taken() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = nil
	r.abandonLocked()
	r.poke()
}

// latest is the newest version of the session, if it is still bound to this pod.
func (r *runner) latest() *callfleetv1.MeetingSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// abandonLocked makes the bot leave without a word: what is to be said of the session is said by others now.
func (r *runner) abandonLocked() {
	r.gone = true
	r.leaveLocked(callfleetv1.EndPodLost)
}

// stop makes the bot leave because the process has to.
func (r *runner) stop() {
	r.mu.Lock()
	r.leaveLocked(callfleetv1.EndPodStopped)
	r.mu.Unlock()
	r.poke()
}

// leaveLocked keeps the first reason: it is the one that made the bot leave.
func (r *runner) leaveLocked(why callfleetv1.EndReason) {
	if r.leave == "" {
		r.leave = why
	}
}

func (r *runner) poke() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// run is the life of the call. It returns when the call is over and its last status is written, or cannot be.
func (r *runner) run(ctx context.Context) {
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	go r.writer.run(writing)

	if end := r.call(ctx); end != nil {
		r.finish(*end)
	}
	r.mu.Lock()
	gone := r.gone
	r.mu.Unlock()
	if gone {
		stopWriting()
	}
	<-r.writer.done
}

// call sets the call up, watches over it and says how it ended.
func (r *runner) call(ctx context.Context) *callfleetv1.CallEnd {
	if why := r.leaving(); why != "" {
		return endOf(why)
	}
	target, err := meetingOf(r.session.Spec.Meeting)
	if err != nil {
		return &callfleetv1.CallEnd{Reason: callfleetv1.EndInvalidMeeting, Failed: true, Message: clip(err.Error(), maxMessage)}
	}
	behavior, err := r.prompts.load(ctx, r.session.Spec.Behavior)
	if err != nil {
		return endOfBehavior(err)
	}
	// Loading may have taken its time, and a call that is not made need not be left.
	if why := r.leaving(); why != "" {
		return endOf(why)
	}
	sound, err := r.sound.NewCall(media.CallOptions{ID: string(r.session.UID), Behavior: behavior, OnChange: r.poke})
	if err != nil {
		return &callfleetv1.CallEnd{Reason: callfleetv1.EndServiceError, Failed: true, Retryable: true,
			Message: clip("the media engine cannot take the call: "+err.Error(), maxMessage)}
	}
	defer sound.Close()
	blob, err := graph.NewBlob(sound.Endpoint())
	if err != nil {
		return &callfleetv1.CallEnd{Reason: callfleetv1.EndServiceError, Failed: true, Message: clip(err.Error(), maxMessage)}
	}
	call, err := r.calls.Join(signaling.JoinRequest{
		UID: string(r.session.UID), Meeting: target, ScenarioID: r.story.scenario, Blob: blob, OnChange: r.poke,
	})
	if err != nil {
		return &callfleetv1.CallEnd{Reason: callfleetv1.EndServiceError, Failed: true, Retryable: true, Message: clip(err.Error(), maxMessage)}
	}
	return r.attend(ctx, call, sound)
}

// attend watches over a call until signalling says that it is over. It returns nil if the process has to end first.
func (r *runner) attend(ctx context.Context, call signalCall, sound mediaCall) *callfleetv1.CallEnd {
	measure := r.clock.NewTicker(measureEvery)
	defer measure.Stop()
	refused := r.writer.done // closed before the call is over: a write found that the session is not ours any more
	for {
		r.look(call, sound)
		if why := r.leaving(); why != "" {
			call.HangUp(signaling.EndReason(why))
		}
		select {
		case <-ctx.Done(): // the process ends at once; its successor buries the call
			return nil
		case <-call.Done():
			r.look(call, sound)
			return ended(call.Snapshot())
		case <-refused:
			refused = nil
			r.mu.Lock()
			r.abandonLocked()
			r.mu.Unlock()
		case <-r.changed:
		case <-measure.C():
		}
	}
}

// look brings the story up to date and offers it when something worth telling changed.
func (r *runner) look(call signalCall, sound mediaCall) {
	now := r.clock.Now()
	stats := sound.Stats()
	r.story.signal = call.Snapshot()
	r.story.media = &stats
	r.story.flowing = r.verdict(stats.Audio, now)
	r.leaveIfLost(sound.State(), now)

	if r.story.signal.Phase == signaling.PhaseEstablished && r.story.flowing != r.toldFlow {
		r.toldFlow = r.story.flowing
		_, reason, detail := r.story.flowing.condition()
		r.story.note(event(now, "Media"+reason, "%s", detail))
	}
	if r.worthTelling(now) {
		r.offered, r.lastOffer = r.story, now
		r.writer.offer(r.story, false)
	}
}

// worthTelling says whether the story has news. The steps of joining follow each other within a fraction of a second;
// telling the first would only hold up the one people wait for, as there is one write a second.
func (r *runner) worthTelling(now time.Time) bool {
	if r.story.signal.Phase == signaling.PhaseJoining && now.Sub(r.story.created) < joinQuiet {
		return false
	}
	return r.offered.media == nil || r.story.flowing != r.offered.flowing || !sameSignal(r.offered.signal, r.story.signal) ||
		now.Sub(r.lastOffer) >= mediaRefresh
}

// verdict gives a fresh call the time that bad news needs before it means anything.
func (r *runner) verdict(a media.AudioStats, now time.Time) flow {
	f := flowOf(a, now)
	established := r.story.signal.Established
	if f != flowProven && r.story.flowing == flowUnknown && (established.IsZero() || now.Sub(established) < settleTime) {
		return flowUnknown
	}
	return f
}

// leaveIfLost ends a call whose media connection broke and which the service has not ended by itself.
func (r *runner) leaveIfLost(state media.State, now time.Time) {
	switch {
	case state != media.StateLost, r.story.phase() == callfleetv1.PhaseLeaving: // at the end, the connection is meant to go
		r.mediaGone = time.Time{}
	case r.mediaGone.IsZero():
		r.mediaGone = now
		r.story.note(event(now, "MediaLost", "the media connection broke"))
	case now.Sub(r.mediaGone) >= mediaGrace:
		r.mu.Lock()
		r.leaveLocked(callfleetv1.EndMediaLost)
		r.mu.Unlock()
	}
}

// leaving is why the bot is to leave, or "".
func (r *runner) leaving() callfleetv1.EndReason {
	r.mu.Lock()
	defer r.mu.Unlock()
	if end := r.spec.EndTime; end != nil && !r.clock.Now().Before(end.Time) {
		r.leaveLocked(callfleetv1.EndTimeReached)
	}
	return r.leave
}

// finish offers the last word.
func (r *runner) finish(end callfleetv1.CallEnd) {
	now := r.clock.Now()
	r.story.end, r.story.ended = &end, now
	if !r.story.signal.Ended.IsZero() {
		r.story.ended = r.story.signal.Ended
	}
	r.log.Info("call over", "reason", end.Reason, "failed", end.Failed)
	r.writer.offer(r.story, true)
}

func sameSignal(a, b signaling.Snapshot) bool {
	return a.Phase == b.Phase && a.State == b.State && a.CallID == b.CallID && a.InLobby == b.InLobby &&
		a.ParticipantCount == b.ParticipantCount && lastEvent(a) == lastEvent(b)
}

// lastEvent stands for the timeline: it only grows, but for its middle once it is full.
func lastEvent(s signaling.Snapshot) signaling.Event {
	if len(s.Events) == 0 {
		return signaling.Event{}
	}
	return s.Events[len(s.Events)-1]
}
