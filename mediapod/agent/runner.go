// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// signalCall is one call as signalling runs it.
type signalCall interface {
	Snapshot() signaling.Snapshot
	Want(signaling.Wants)
	Act(ctx context.Context, by string, a signaling.Action) (signaling.Result, error)
	HangUp(reason signaling.EndReason)
	Done() <-chan struct{}
	control.Tones
}

// caller makes calls and takes them over.
type caller interface {
	Join(req signaling.JoinRequest) (signalCall, error)
	Adopt(req signaling.AdoptRequest) (signalCall, error)
	Release(uid string)
	HangUpRemote(ctx context.Context, tenantID, callID, scenarioID string) error
}

// mediaCall is the sound of one call.
type mediaCall interface {
	Endpoint() (url, token string)
	State() media.State
	Stats() media.Stats
	// ListenURL is where people listen in, and Listeners how many do.
	ListenURL() string
	Listeners() int
	// WatchVideo returns what stops it.
	WatchVideo(media.VideoSink, media.VideoFilter) (stop func())
	SetMuted(muted bool)
	engine.Sound
	Close()
}

// soundEngine makes mediaCalls.
type soundEngine interface {
	NewCall(media.CallOptions) (mediaCall, error)
	Health() media.Health
}

// runner carries one call from its claim to its end. One goroutine; everything else reaches it by channels.
type runner struct {
	uid   string // of the call
	agent *Agent
	// object as claimed, or, of a call that came in, as it is to be made; the spec may be replaced through updates.
	object *subject
	// scenario ties together everything sent to Graph for this attempt, by whatever process.
	scenario string
	hosting  callfleetv1.Hosting
	// seats it takes, from its beginning to its end.
	seats  int32
	writer *statusWriter
	log    logr.Logger
	// begin makes the call, or finds how the attempt ends without one.
	begin func(ctx context.Context) (legs, *callfleetv1.CallEnd)

	starts chan signalCall // of a call that came in: what signalling made of the answer; capacity 1

	poked chan struct{} // capacity 1: something changed
	held  chan struct{} // closed once the call is there, or never will be

	mu   sync.Mutex
	spec callfleetv1.CallSpec
	end  *metav1.Time // the bot leaves at the latest; nil: never
	// leave is why the bot is to leave, once it is.
	leave callfleetv1.EndReason
	// gone: the object is not ours any more; what is to be said of it is said by others.
	gone bool
	// passing: the call is to go on in another process. Of one that is gone, it has that process already.
	passing bool
	over    bool // the call has ended; its last status may still be on its way
	// vacated: its seat was given away before the API server had heard of it.
	vacated bool
	// newest version that came through the watch; nil if the object is not bound to this pod any more.
	newest *subject
	call   signalCall // once there is one
	// happened is what the goroutine has not told of yet: actions that came before there was a call, people who listen in.
	happened []callfleetv1.TimelineEvent
	// recorded are the files of what a flow recorded that the story does not tell of yet.
	recorded []callfleetv1.RecordedFile

	// The rest belongs to the goroutine.
	story    story.Story
	told     story.Story // the last one offered
	toldAt   time.Time
	toldFlow story.Flow // last verdict in the timeline
	news     bool       // something in the story's timeline that was not offered yet
	presence rules.Presence
	heardAt  time.Time
	player   player
	tape     tape
	keeper   *flowKeeper // nil: no flow records in the call
	flow     flowRun
}

// legs are the two sides of a call: what is said to the service, and the sound, which is nil where the service has it.
type legs struct {
	signal signalCall
	sound  mediaCall
}

// newRunner carries a claimed binding.
func newRunner(s *subject, a *Agent) *runner {
	r := bareRunner(s, a, a.mediaPod(), s.status.Call.ScenarioID)
	r.writer = newStatusWriter(s, a.objects, a.clock, r.log, a.metrics)
	r.writer.wrote = r.flowWritten
	r.begin = r.place
	if t := s.status.Call.CreatedTime; t != nil {
		r.story.Created = t.Time
	}
	return r
}

// bareRunner has neither a way to its call nor one to the API server yet.
func bareRunner(s *subject, a *Agent, pod *callfleetv1.MediaPod, scenario string) *runner {
	r := &runner{
		uid: s.uid, agent: a, object: s, scenario: scenario, hosting: hostingOf(pod), seats: seatsOf(pod, s), log: a.log.WithValues("session", s.uid, "kind", s.kind.name, "name", s.name()),
		poked: make(chan struct{}, 1), held: make(chan struct{}), spec: *s.spec, end: s.end,
	}
	r.story = story.Story{ClaimedBy: a.instance, Hosting: r.hosting, HomeTenant: string(pod.Spec.Identity.TenantID), Scenario: scenario}
	return r
}

// newScenario is the id that ties together everything sent to Graph for one attempt.
func newScenario() string { return uuid.NewString() }

// update takes over a newer version of the object.
func (r *runner) update(s *subject) {
	r.writer.observed(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = s
	if !newer(s.version(), r.object.version()) {
		return // from before the claim
	}
	r.spec, r.end = *s.spec, s.end
	switch {
	case !r.writer.ours(r.agent.instance, s) && r.goesOn(s):
		r.gone, r.passing = true, true
	case !r.writer.ours(r.agent.instance, s):
		r.abandonLocked()
	case s.deleted():
		r.leaveLocked(callfleetv1.EndSessionDeleted)
	case s.spec.DesiredState == callfleetv1.DesiredEnded:
		r.leaveLocked(callfleetv1.EndedByBot)
	}
	r.poke()
}

// goesOn: the call of this runner goes on, and is another process's now, or about to be.
func (r *runner) goesOn(s *subject) bool {
	return adoptable(s) && s.status.Call.ClaimedBy != r.agent.instance && s.status.Call.ScenarioID == r.scenario
}

// taken makes the bot leave because the object is gone or bound to another pod, unless the call goes on there.
func (r *runner) taken() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = nil
	if r.hosting == callfleetv1.HostingService && !r.over {
		go r.seekHeir(r.agent.life)
		return
	}
	r.abandonLocked()
	r.poke()
}

// seekHeir finds out whether a call that was taken away goes on elsewhere. The watch does not tell; and hanging up a call
// that another process has adopted would end it for everybody.
func (r *runner) seekHeir(ctx context.Context) {
	for retry := 250 * time.Millisecond; ; retry = min(2*retry, 5*time.Second) {
		s, err := r.agent.objects.get(ctx, r.object.kind, r.object.name())
		if known, goesOn := r.heir(s, err); known {
			r.mu.Lock()
			switch {
			case r.newest != nil: // back again
			case goesOn:
				r.gone, r.passing = true, true
			default:
				r.abandonLocked()
			}
			r.mu.Unlock()
			r.poke()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.agent.clock.After(retry):
		}
	}
}

// heir says what became of the object; known is false while nobody can tell.
func (r *runner) heir(s *subject, err error) (known, goesOn bool) {
	switch {
	case apierrors.IsNotFound(err):
		return true, false
	case err != nil:
		return false, false
	}
	return true, string(s.object.GetUID()) == r.objectUID() && r.goesOn(s)
}

// latest is the newest version of the object, if it is still bound to this pod.
func (r *runner) latest() *subject {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// abandonLocked makes the bot leave without a word: what is to be said of the object is said by others now.
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

// release hands the call to whatever process is found for it, if the service has its media. Others stay to their end.
func (r *runner) release() {
	r.mu.Lock()
	r.passing = r.passing || r.hosting == callfleetv1.HostingService
	r.mu.Unlock()
	r.poke()
}

// leaveLocked keeps the first reason: it is the one that made the bot leave.
func (r *runner) leaveLocked(why callfleetv1.EndReason) {
	if r.leave == "" {
		r.leave = why
	}
}

func (r *runner) poke() { wake(r.poked) }

// leaving is why the bot is to leave, or "".
func (r *runner) leaving() callfleetv1.EndReason {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil && !r.agent.clock.Now().Before(r.end.Time) {
		r.leaveLocked(callfleetv1.EndTimeReached)
	}
	return r.leave
}

// run is the life of the call. It returns when the call is over and its last status is written, or cannot be.
func (r *runner) run(ctx context.Context) {
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	go r.writer.run(writing)

	both, end := r.begin(ctx)
	r.mu.Lock()
	r.call = both.signal
	r.mu.Unlock()
	close(r.held)
	if end == nil {
		end = r.attend(ctx, both)
	}
	r.flow.close(r, end != nil)
	r.tellFlow()
	if both.sound != nil {
		both.sound.Close()
	}
	r.keeper.wait(ctx)
	r.tape.close(ctx, r)
	r.mu.Lock()
	r.over = true
	gone := r.gone
	r.mu.Unlock()
	switch {
	case gone:
		stopWriting()
	case end != nil:
		r.finish(*end)
	case r.story.Released:
		r.tellHappened()
		r.log.Info("call handed on")
		r.writer.offer(r.story, true)
	}
	r.agent.report()
	<-r.writer.done
}

// finish offers the last word.
func (r *runner) finish(end callfleetv1.CallEnd) {
	r.tellHappened()
	r.story.End, r.story.Ended = &end, r.agent.clock.Now()
	if !r.story.Signal.Ended.IsZero() {
		r.story.Ended = r.story.Signal.Ended
	}
	r.log.Info("call over", "reason", end.Reason, "failed", end.Failed)
	r.writer.offer(r.story, true)
}

// spent: the call is over, and the API server had not heard of it when this was asked first. The seat was given away then,
// and is not taken back when its last word is written.
func (r *runner) spent() bool {
	unheard := r.writer.unheard()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vacated = r.vacated || r.over && unheard
	return r.vacated
}
