// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
)

// Agent is the pod side of the binding protocol: it admits, claims, runs and reports the calls bound to its MediaPod, and
// those that come in.
type Agent struct {
	instance string // this run of the process; a new process holds none of the calls of the old
	name     string // of the MediaPod
	podUID   string
	started  time.Time

	objects  objectClient
	pods     mediaPodClient
	calls    caller
	sound    soundEngine // nil where the service hosts the media
	platform *platform   // nil where far sides speak WebRTC
	prompts  promptLibrary
	meetings meetingFinder
	// listening and recordings are there where sound is, uploads where the bot has a bucket for them, disk where it limits them.
	listening  listenJudge
	recordings recordings
	uploads    *uploads
	disk       *disk
	// flows are those of the namespace, clips their prompts where sound is, flowSounds where both come from; webhooks sends their
	// questions, and sealer closes what another pod goes on from.
	flows      *flowStore
	flowSounds flowSounds
	clips      *engine.Clips
	webhooks   webhooks
	warmed     map[string]time.Time // when the prompts of rules' flows were looked at, by revision; of runRules' goroutine
	sealer     sealer
	clock      clock.WithTicker
	log        logr.Logger
	metrics    *metrics

	mu      sync.Mutex
	pod     *callfleetv1.MediaPod // newest version seen
	health  health
	media   *callfleetv1.Reachability // nil where nobody probes
	load    media.Health              // of the process, by its calls
	stopped bool                      // the process was told to stop
	leaving bool                      // its calls were told to leave
	listed  map[*kind]bool            // what is bound to the pod is known, for calls of this kind
	book    *rulebook                 // nil until it was prepared once
	runners map[string]*runner        // by the call's UID
	pending map[string]*pending       // by the call's UID: a decision is being written, a seat is held

	life       context.Context // of the calls: outlives the request to stop
	reportWake chan struct{}   // capacity 1
	rulesWake  chan struct{}   // capacity 1
	// deadlineWake, of capacity 1: the time draining has to end may have changed.
	deadlineWake chan struct{}
	lookups      lookups
	closeWithin  time.Duration
}

// pending remembers what the watch brought while a decision on the object was being written.
type pending struct {
	newest *subject
	seats  int32 // held for it
	gone   bool
	done   chan struct{} // closed when the decision was carried out; a call adopted is held from then on
}

// health is what the process says of itself besides its calls.
type health struct {
	ready           bool
	reason, message string
}

func newAgent(life context.Context, name, podUID string, clk clock.WithTicker, log logr.Logger, m *metrics) *Agent {
	return &Agent{
		instance: uuid.NewString(), name: name, podUID: podUID, started: clk.Now(), clock: clk, log: log, metrics: m, life: life,
		health: health{reason: "Starting", message: "the process is starting"}, listed: map[*kind]bool{}, warmed: map[string]time.Time{},
		runners: map[string]*runner{}, pending: map[string]*pending{}, closeWithin: closeWithin,
		reportWake: make(chan struct{}, 1), rulesWake: make(chan struct{}, 1), deadlineWake: make(chan struct{}, 1),
	}
}

// setHealth replaces what the process says of itself.
func (a *Agent) setHealth(h health) {
	a.mu.Lock()
	changed := a.health != h
	a.health = h
	a.mu.Unlock()
	if changed {
		if h.ready {
			a.log.Info("ready for calls")
		} else {
			a.log.Info("not ready for calls", "reason", h.reason, "message", h.message)
		}
		a.report()
	}
}

// setMedia replaces what the process says of its public name and port.
func (a *Agent) setMedia(m *callfleetv1.Reachability) {
	a.mu.Lock()
	changed := !apiequality.Semantic.DeepEqual(a.media, m)
	a.media = m
	a.mu.Unlock()
	if changed {
		a.log.Info("the media port was probed", "reason", m.Reason, "message", m.Message)
		a.report()
	}
}

// live is how many calls the process holds.
func (a *Agent) live() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.runners)
}

// podChanged takes over a newer version of the pod's own MediaPod.
func (a *Agent) podChanged(p *callfleetv1.MediaPod) {
	a.mu.Lock()
	was := a.pod
	// The answer to a report may have brought a newer version than the watch: a drain mark, once seen, must stay seen.
	if was == nil || newer(p.ResourceVersion, was.ResourceVersion) {
		a.pod = p
	}
	a.mu.Unlock()
	switch {
	case draining(p) && !draining(was):
		a.log.Info("draining: no new calls from now on")
	case draining(was) && !draining(p):
		a.log.Info("the drain mark was taken back: new calls are taken again")
	}
	wake(a.deadlineWake)
	if was == nil || !sameRules(p, was) {
		wake(a.rulesWake)
	}
	a.report()
}

// mediaPod is the newest version seen; there is one before there is any call.
func (a *Agent) mediaPod() *callfleetv1.MediaPod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pod
}

// hostingOf says who handles the media of a pod's calls.
func hostingOf(p *callfleetv1.MediaPod) callfleetv1.Hosting {
	if p.Spec.Media.Hosting == callfleetv1.HostingService {
		return callfleetv1.HostingService
	}
	return callfleetv1.HostingApplication
}

// wake pokes somebody who sleeps; it never blocks.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func draining(p *callfleetv1.MediaPod) bool {
	return p != nil && (p.Spec.Drain != nil || !p.DeletionTimestamp.IsZero())
}

// changed is called for every version of every object bound to this pod.
func (a *Agent) changed(s *subject) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.runners[s.uid]; r != nil {
		r.update(s)
		return
	}
	if p := a.pending[s.uid]; p != nil {
		p.newest, p.gone = s, false
		return
	}
	a.begin(s)
}

// begin acts on an object that has no runner, if there is anything to do. The caller holds a.mu.
func (a *Agent) begin(s *subject) {
	switch what := a.judge(s); {
	case what != verdictIgnore:
		a.carry(s, what)
	case s.status.Phase.Finished():
		a.uploads.missing(s)
	}
}

// gone: the object was deleted, or bound elsewhere. Nothing of it may go on here.
func (a *Agent) gone(s *subject) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.pending[s.uid]; p != nil {
		p.gone = true
	}
	if r := a.runners[s.uid]; r != nil {
		r.taken()
	}
}

// synced: all objects of a kind that are bound to the pod have been told.
func (a *Agent) synced(k *kind) {
	a.mu.Lock()
	a.listed[k] = true
	a.mu.Unlock()
}

// carry acts on a verdict and, for a claim or an adoption, runs the call to its end. The caller holds a.mu.
func (a *Agent) carry(s *subject, what verdict) {
	p := &pending{newest: s, seats: seatsOf(a.pod, s), done: make(chan struct{})}
	a.pending[s.uid] = p
	go func() {
		r := a.act(s, what)
		a.decided(s, r, p)
		if r != nil {
			a.run(r)
		}
	}()
	a.report()
}

// decided ends the decision on an object; what has come meanwhile is looked at now.
func (a *Agent) decided(s *subject, r *runner, meanwhile *pending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(meanwhile.done)
	delete(a.pending, s.uid)
	moved := newer(meanwhile.newest.version(), s.version())
	switch {
	case r == nil && moved && !meanwhile.gone:
		a.begin(meanwhile.newest)
	case r != nil:
		a.runners[s.uid] = r
		if moved {
			r.update(meanwhile.newest)
		}
		if meanwhile.gone {
			r.taken()
		}
		if a.stopped {
			r.release()
		}
		if a.leaving {
			r.stop()
		}
		if a.overdue() {
			r.makeRoom()
		}
	}
	a.report()
}

// run carries a call to its end.
func (a *Agent) run(r *runner) {
	r.run(a.life)
	a.mu.Lock()
	delete(a.runners, r.uid)
	if again := r.latest(); again != nil {
		// Bound here anew while the old call was leaving: no other version may come to tell.
		a.begin(again)
	}
	a.mu.Unlock()
	a.report()
}

// stop ends admission, and hands on the calls that can go on elsewhere.
func (a *Agent) stop() {
	a.mu.Lock()
	a.stopped = true
	for _, r := range a.runners {
		r.release()
	}
	a.mu.Unlock()
	a.report()
}

// stopCalls makes every call leave.
func (a *Agent) stopCalls() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaving = true
	for _, r := range a.runners {
		r.stop()
	}
}

// waitIdle returns true once no call and no decision is left, false when ctx is done first.
func (a *Agent) waitIdle(ctx context.Context) bool {
	for {
		a.mu.Lock()
		left := len(a.runners) + len(a.pending)
		a.mu.Unlock()
		if left == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-a.clock.After(50 * time.Millisecond):
		}
	}
}
