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
)

// Agent is the pod side of the binding protocol: it admits, claims, runs and reports the calls bound to its MediaPod.
type Agent struct {
	instance string // this run of the process; a new process holds none of the calls of the old
	name     string // of the MediaPod
	podUID   string
	started  time.Time

	sessions sessionClient
	pods     mediaPodClient
	calls    caller
	sound    soundEngine
	prompts  promptLoader
	clock    clock.WithTicker
	log      logr.Logger
	metrics  *metrics

	mu      sync.Mutex
	pod     *callfleetv1.MediaPod // newest version seen
	health  health
	stopped bool                // the process was told to stop
	leaving bool                // its calls were told to leave
	runners map[string]*runner  // by session UID
	pending map[string]*pending // by session UID: a decision is being written, a seat is held

	life       context.Context // of the calls: outlives the request to stop
	reportWake chan struct{}   // capacity 1
}

// pending remembers what the watch brought while a decision on the session was being written.
type pending struct {
	newest *callfleetv1.MeetingSession
	gone   bool
}

// health is what the process says of itself besides its calls.
type health struct {
	ready           bool
	reason, message string
}

func newAgent(life context.Context, name, podUID string, clk clock.WithTicker, log logr.Logger, m *metrics) *Agent {
	return &Agent{
		instance: uuid.NewString(), name: name, podUID: podUID, started: clk.Now(), clock: clk, log: log, metrics: m, life: life,
		health:  health{reason: "Starting", message: "the process is starting"},
		runners: map[string]*runner{}, pending: map[string]*pending{}, reportWake: make(chan struct{}, 1),
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

// podChanged takes over a newer version of the pod's own MediaPod.
func (a *Agent) podChanged(p *callfleetv1.MediaPod) {
	a.mu.Lock()
	was := a.pod
	// The answer to a report may have brought a newer version than the watch: a drain mark, once seen, must stay seen.
	if was == nil || newer(p.ResourceVersion, was.ResourceVersion) {
		a.pod = p
	}
	a.mu.Unlock()
	if draining(p) && !draining(was) {
		a.log.Info("draining: no new calls from now on")
	}
	a.report()
}

func draining(p *callfleetv1.MediaPod) bool {
	return p != nil && (p.Spec.Drain != nil || !p.DeletionTimestamp.IsZero())
}

// sessionChanged is called for every version of every session bound to this pod.
func (a *Agent) sessionChanged(s *callfleetv1.MeetingSession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	uid := string(s.UID)
	if r := a.runners[uid]; r != nil {
		r.update(s)
		return
	}
	if p := a.pending[uid]; p != nil {
		p.newest, p.gone = s, false
		return
	}
	a.begin(s)
}

// begin acts on a session that has no runner, if there is anything to do. The caller holds a.mu.
func (a *Agent) begin(s *callfleetv1.MeetingSession) {
	if what := a.judge(s); what != verdictIgnore {
		a.pending[string(s.UID)] = &pending{newest: s}
		go a.carry(s, what)
		a.report()
	}
}

// sessionGone: the session was deleted, or bound elsewhere. Nothing of it may go on here.
func (a *Agent) sessionGone(s *callfleetv1.MeetingSession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	uid := string(s.UID)
	if p := a.pending[uid]; p != nil {
		p.gone = true
	}
	if r := a.runners[uid]; r != nil {
		r.taken()
	}
}

// carry acts on a verdict and, for a claim, runs the call to its end.
func (a *Agent) carry(s *callfleetv1.MeetingSession, what verdict) {
	uid := string(s.UID)
	r := a.act(s, what)

	a.mu.Lock()
	meanwhile := a.pending[uid]
	delete(a.pending, uid)
	moved := newer(meanwhile.newest.ResourceVersion, s.ResourceVersion)
	switch {
	case r == nil && moved && !meanwhile.gone:
		a.begin(meanwhile.newest)
	case r != nil:
		a.runners[uid] = r
		if moved {
			r.update(meanwhile.newest)
		}
		if meanwhile.gone {
			r.taken()
		}
		if a.leaving {
			r.stop()
		}
	}
	a.mu.Unlock()
	a.report()
	if r == nil {
		return
	}

	r.run(a.life)
	a.mu.Lock()
	delete(a.runners, uid)
	if again := r.latest(); again != nil {
		// Bound here anew while the old call was leaving: no other version may come to tell.
		a.begin(again)
	}
	a.mu.Unlock()
	a.report()
}

// stop ends admission.
func (a *Agent) stop() {
	a.mu.Lock()
	a.stopped = true
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
