// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"math"
	"reflect"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

const (
	// mediaRefresh is how often measurements alone are worth a write, and qualityRefresh how often they are when somebody in the
	// call would notice the difference.
	mediaRefresh, qualityRefresh = 30 * time.Second, 10 * time.Second
	// noticeableMOS and noticeablePercent are such differences: well above how measurements of a steady call waver.
	noticeableMOS, noticeablePercent = 0.2, 1
	// joinQuiet is how long a call may be joining before that is news: the claim said it already.
	joinQuiet = 600 * time.Millisecond
	// flowQuiet is how long a call that came in may be established before that is news: whether its media flows mostly
	// follows at once, and nobody waits for the object of a call they did not make. Where the service hosts the media, it
	// is what another process would go on from, and is told at once.
	flowQuiet = time.Second
	// settleTime is how long after the call is established "no packets" and "silence" are no news yet.
	settleTime = 3 * time.Second
	// measureEvery is how often the media path, and who is there, is looked at.
	measureEvery = 500 * time.Millisecond
	// heardDBov is the level from which on something counts as heard, as it does for the media engine.
	heardDBov = -60
)

// attend watches over a call until signalling says that it is over. It returns nil if the process has to end first, or the
// call goes on in another.
func (r *runner) attend(ctx context.Context, both legs) *callfleetv1.CallEnd {
	measure := r.agent.clock.NewTicker(measureEvery)
	defer measure.Stop()
	refused := r.writer.done // closed before the call is over: a write found that the object is not ours any more
	call := both.signal
	var wanted *signaling.Wants
	for {
		if w := r.wants(); wanted == nil || !reflect.DeepEqual(*wanted, w) {
			wanted = &w
			call.Want(w)
		}
		r.look(both)
		r.player.tend(ctx, r, call)
		r.tape.tend(r, both)
		r.flow.tend(r, both)
		switch why := r.leaving(); {
		case why != "":
			call.HangUp(signaling.EndReason(why))
		case r.mayPass(call):
			r.agent.calls.Release(r.uid)
		}
		select {
		case <-ctx.Done(): // the process ends at once; its successor buries the call, or adopts it
			return nil
		case <-call.Done():
			r.look(both)
			return r.ended(call.Snapshot())
		case <-refused:
			refused = nil
			r.disowned(ctx)
		case <-r.poked:
		case <-measure.C():
		}
	}
}

// mayPass: the call is to go on in another process, and can. One on its way in gets the time to arrive.
func (r *runner) mayPass(call signalCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	phase := call.Snapshot().Phase
	return r.passing && (r.gone || phase == signaling.PhaseEstablished || phase == signaling.PhaseInLobby)
}

// disowned: a write found that the object is somebody else's, or nobody's. A call that goes on with them is not ended.
func (r *runner) disowned(ctx context.Context) {
	if r.hosting == callfleetv1.HostingService {
		go r.seekHeir(ctx)
		return
	}
	r.mu.Lock()
	r.abandonLocked()
	r.mu.Unlock()
}

// ended is how the call ended here; nil if it goes on in another process.
func (r *runner) ended(s signaling.Snapshot) *callfleetv1.CallEnd {
	if s.End == nil {
		if !r.isGone() {
			now := r.agent.clock.Now()
			r.story.Note(story.Event(now, "Released", "media pod %s stops; the call goes on", r.agent.name))
			r.story.Released = true
		}
		return nil
	}
	if s.End.Elsewhere { // another pod of the bot answered: the call is told of there
		r.mu.Lock()
		r.gone = true
		r.mu.Unlock()
	}
	return r.flowFailure(story.EndOfCall(s))
}

func (r *runner) isGone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

// look brings the story up to date and offers it when something worth telling changed.
func (r *runner) look(both legs) {
	now := r.agent.clock.Now()
	spec := r.wanted()
	r.news = r.tellHappened() || r.news
	r.news = r.tellFlow() || r.news
	r.story.Signal = both.signal.Snapshot()
	r.story.Asked = story.Asked{Recording: r.wantedRecording(spec), Invite: spec.Invite, SilenceTimeout: spec.Leave.SilenceTimeout.Duration(), Unshown: r.unshown(spec)}
	if both.sound == nil {
		r.story.Flowing = story.FlowByService(r.story.Signal.MediaActive)
		r.story.Muted = r.silent(r.story.Signal) // the player says nothing instead
	} else {
		r.listen(both.sound, spec, now)
	}
	r.obeyLeaveRules(spec.Leave, now)

	if r.story.Signal.Phase == signaling.PhaseEstablished && r.story.Flowing != r.toldFlow && (both.sound != nil || r.story.Flowing.Good()) {
		r.toldFlow = r.story.Flowing
		_, reason, detail := r.story.Flowing.Condition()
		r.story.Note(story.Event(now, "Media"+reason, "%s", detail))
	}
	if r.worthTelling(now) {
		r.told, r.toldAt, r.news = r.story, now, false
		r.writer.offer(r.story, false)
	}
}

// listen looks at the sound that is handled here.
func (r *runner) listen(sound mediaCall, spec callfleetv1.CallSpec, now time.Time) {
	stats := sound.Stats()
	r.story.Media, r.story.ListenURL, r.story.Listeners = &stats, sound.ListenURL(), sound.Listeners()
	r.story.Flowing = r.verdict(sound.State(), stats.Audio, now)
	if stats.Audio.EnergyDB > heardDBov {
		r.heardAt = now
	}
	// The service mutes nobody in a call of two.
	r.story.Muted = r.silent(r.story.Signal)
	sound.SetMuted(r.story.Muted)
}

// worthTelling says whether the story has news. The steps of joining follow each other within a fraction of a second;
// telling the first would only hold up the one people wait for, as there is one write a second.
func (r *runner) worthTelling(now time.Time) bool {
	s := r.story
	switch {
	case s.Signal.End != nil: // the last word is about to follow, unless it is another's to say
		return false
	case s.Signal.Unanswered: // another pod may be answering it, and then the object is that one's to write
		return false
	case s.Signal.Phase == signaling.PhaseJoining && now.Sub(s.Created) < joinQuiet:
		return false
	case s.Taken != nil && s.Hosting == callfleetv1.HostingApplication && !s.Flowing.Good() && r.toldAt.IsZero() && s.Signal.Phase == signaling.PhaseEstablished &&
		now.Sub(s.Signal.Established) < flowQuiet:
		return false
	}
	return r.toldAt.IsZero() || r.news || s.Flowing != r.told.Flowing || s.Muted != r.told.Muted || s.Unplayed != r.told.Unplayed || s.Unrecorded != r.told.Unrecorded || s.PromptOver != r.told.PromptOver || !reflect.DeepEqual(s.Asked, r.told.Asked) ||
		!sameSignal(r.told.Signal, s.Signal) || r.measuredNews(now)
}

// measuredNews: the measurements are worth a write.
func (r *runner) measuredNews(now time.Time) bool {
	since := now.Sub(r.toldAt)
	return r.story.Media != nil && (since >= mediaRefresh ||
		since >= qualityRefresh && (r.told.Media == nil || noticeable(r.told.Media.Audio, r.story.Media.Audio)))
}

// noticeable: who hears the one and then the other hears a difference.
func noticeable(a, b media.AudioStats) bool {
	differ := func(x, y, by float64) bool { return math.Abs(x-y) >= by }
	return differ(a.MOS, b.MOS, noticeableMOS) || differ(a.LossPercent, b.LossPercent, noticeablePercent) ||
		differ(a.ReportedLossPercent, b.ReportedLossPercent, noticeablePercent) || differ(a.ConcealedPercent, b.ConcealedPercent, noticeablePercent)
}

// verdict gives a fresh call the time that bad news needs before it means anything.
func (r *runner) verdict(state media.State, a media.AudioStats, now time.Time) story.Flow {
	f := story.FlowOf(state, a, now)
	established := r.story.Signal.Established
	if (f == story.FlowNoPackets || f == story.FlowSilent) && r.story.Flowing == story.FlowUnknown && (established.IsZero() || now.Sub(established) < settleTime) {
		return story.FlowUnknown
	}
	return f
}

func (r *runner) leaveFor(why callfleetv1.EndReason) {
	r.mu.Lock()
	r.leaveLocked(why)
	r.mu.Unlock()
}

// obeyLeaveRules has the bot leave when the user's rules say so.
func (r *runner) obeyLeaveRules(leave callfleetv1.LeaveRules, now time.Time) {
	s := r.story.Signal
	scene := rules.Scene{
		Now: now, InLobby: s.Phase == signaling.PhaseInLobby, HasRoster: s.Group && len(s.Participants) > 0,
		InCall: s.ParticipantCount, People: people(s), Hears: r.hosting == callfleetv1.HostingApplication, Heard: r.heardAt,
		// At the end, the connection is meant to go.
		MediaLost: (r.story.Flowing == story.FlowInterrupted || r.story.Flowing == story.FlowLost) && r.story.Phase() != callfleetv1.PhaseLeaving,
	}
	if s.Phase == signaling.PhaseEstablished {
		scene.Established = s.Established
	}
	var why callfleetv1.EndReason
	if r.presence, why = r.presence.Look(leave, scene); why != "" {
		r.leaveFor(why)
	}
}

// people counts those in the call who are no bots. Who is not listed counts as one of them: rosters are cut at fifty.
func people(s signaling.Snapshot) int {
	listed, bots := 0, 0
	for i := range s.Participants {
		if p := &s.Participants[i]; !p.IsInLobby {
			listed++
			if rules.IsBot(p.Info.Identity) {
				bots++
			}
		}
	}
	return max(listed, s.ParticipantCount) - bots
}

func sameSignal(a, b signaling.Snapshot) bool {
	return a.Phase == b.Phase && a.State == b.State && a.CallID == b.CallID && a.InLobby == b.InLobby &&
		a.ParticipantCount == b.ParticipantCount && lastEvent(a) == lastEvent(b) &&
		a.Muted == b.Muted && a.ScreenSharing == b.ScreenSharing && a.Recording == b.Recording &&
		reflect.DeepEqual(a.Refusals, b.Refusals) && reflect.DeepEqual(a.Invites, b.Invites)
}

// lastEvent stands for the timeline: it only grows, but for its middle once it is full.
func lastEvent(s signaling.Snapshot) signaling.Event {
	if len(s.Events) == 0 {
		return signaling.Event{}
	}
	return s.Events[len(s.Events)-1]
}
