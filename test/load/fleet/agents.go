// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	namespace  = "voice"
	agentOwner = "callfleet-agent"
	// joining is how long the far side takes to let a bot in.
	joining = 300 * time.Millisecond
	// reportEvery is how often an agent reports at most.
	reportEvery = time.Second
	// claimers write side by side. Each real agent is a process of its own.
	claimers = 32
)

// agents stands in for the processes in all pods, as docs/architecture.md has them: an agent reports its pod, claims the
// sessions bound to it if it has seats and does not drain, tells of the call, leaves it when it should, and says how it ended. One
// watch serves them all; real ones have one each. It also is the judge: it sees everything in the order of the API server.
type agents struct {
	api     rest.Interface
	log     *bindings
	measure time.Duration
	work    chan func(context.Context)
	// sessionWrites that the API server took from agents.
	sessionWrites atomic.Int64

	mu   sync.Mutex
	pods map[string]*agent // by the name of MediaPod and Pod
	// bound is where each session that is not over counts, by the watch.
	bound map[types.UID]string
	seats map[string]int
	// latest version of each session that a pod has.
	latest   map[types.UID]*callfleetv1.MeetingSession
	breaches []error
}

// agent is the process in one pod.
type agent struct {
	name     string
	podUID   types.UID // of the Pod; empty while none is ready
	instance string
	started  time.Time
	mediaPod *callfleetv1.MediaPod // as last seen
	calls    map[types.UID]*call
	admits   bool // its first report was accepted

	reporting, due bool
}

// call is one that the process holds; made once it is claimed.
type call struct {
	session string
	made    bool
	leaving bool
}

func newAgents(api rest.Interface, log *bindings, measure time.Duration) *agents {
	return &agents{
		api: api, log: log, measure: measure, work: make(chan func(context.Context), 1<<16),
		pods: map[string]*agent{}, bound: map[types.UID]string{}, seats: map[string]int{}, latest: map[types.UID]*callfleetv1.MeetingSession{},
	}
}

// run until ctx is done.
func (a *agents) run(ctx context.Context, core rest.Interface) {
	var group sync.WaitGroup
	for range claimers {
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case do := <-a.work:
					do(ctx)
				}
			}
		})
	}
	group.Go(func() {
		client.Follow(ctx, core, "pods", namespace, fields.Everything(), &corev1.Pod{}, client.Follower[*corev1.Pod]{Changed: a.podChanged, Gone: a.podGone})
	})
	group.Go(func() {
		client.Follow(ctx, a.api, client.MediaPods, namespace, fields.Everything(), &callfleetv1.MediaPod{},
			client.Follower[*callfleetv1.MediaPod]{Changed: a.mediaPodChanged, Gone: a.mediaPodGone})
	})
	group.Go(func() {
		client.Follow(ctx, a.api, client.MeetingSessions, namespace, fields.Everything(), &callfleetv1.MeetingSession{},
			client.Follower[*callfleetv1.MeetingSession]{Changed: a.sessionChanged, Gone: a.sessionGone})
	})
	group.Wait()
}

// breach notes that something happened that never may. The caller holds a.mu.
func (a *agents) breach(format string, args ...any) {
	if len(a.breaches) < 10 {
		a.breaches = append(a.breaches, fmt.Errorf(format, args...))
	}
}

// broken is what happened that never may.
func (a *agents) broken() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.breaches...)
}

func (a *agents) at(name string) *agent {
	p := a.pods[name]
	if p == nil {
		p = &agent{name: name, calls: map[types.UID]*call{}}
		a.pods[name] = p
	}
	return p
}

// podChanged starts the process of a Pod that runs.
func (a *agents) podChanged(pod *corev1.Pod) {
	if pod.Labels[callfleetv1.LabelBot] == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.at(pod.Name)
	if pod.DeletionTimestamp != nil {
		a.taken(p, "Pod %s is being deleted", pod.Name)
		return
	}
	if pod.Status.Phase != corev1.PodRunning || p.podUID == pod.UID {
		return
	}
	a.taken(p, "Pod %s was replaced", pod.Name)
	p.podUID, p.instance, p.started, p.calls, p.admits = pod.UID, uuid.NewString(), time.Now(), map[types.UID]*call{}, false
	a.report(p)
}

func (a *agents) podGone(pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.pods[pod.Name]; p != nil && p.podUID == pod.UID {
		a.taken(p, "Pod %s is gone", pod.Name)
		p.podUID, p.admits = "", false
	}
}

// taken: what calls live in is taken away, which must not happen while there are any. The caller holds a.mu.
func (a *agents) taken(p *agent, format, name string) {
	if n := len(p.calls); n > 0 {
		a.breach(format+" while it has %d calls", name, n)
	}
}

func (a *agents) mediaPodChanged(mp *callfleetv1.MediaPod) {
	a.log.podIs(mp)
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.at(mp.Name)
	before := p.mediaPod
	p.mediaPod = mp
	if before == nil || before.Generation != mp.Generation || before.UID != mp.UID {
		a.report(p)
	}
}

func (a *agents) mediaPodGone(mp *callfleetv1.MediaPod) {
	a.log.podGone(mp.Name)
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.at(mp.Name)
	a.taken(p, "media pod %s is gone", mp.Name)
	if n := a.seats[mp.Name]; n > 0 {
		a.breach("media pod %s is gone while %d sessions are bound to it", mp.Name, n)
	}
	p.mediaPod = nil
}

// lookForWork: sessions may be bound to the pod already. The caller holds a.mu.
func (a *agents) lookForWork(p *agent) {
	for _, s := range a.latest {
		if s.Status.MediaPod == p.name {
			a.attend(p, s)
		}
	}
}

// sessionChanged judges each version in the order of the API server, and has the agent see it.
func (a *agents) sessionChanged(s *callfleetv1.MeetingSession) {
	a.log.sessionIs(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	pod := s.Status.MediaPod
	if s.Status.Phase.Finished() {
		pod = ""
	}
	before := a.bound[s.UID]
	if before != "" && before != pod {
		if p := a.pods[before]; p != nil && p.calls[s.UID] != nil && p.calls[s.UID].made {
			a.breach("session %s was taken from media pod %s, which has its call, for %q", s.Name, before, pod)
		}
	}
	a.count(s.UID, before, pod)
	if pod == "" {
		delete(a.latest, s.UID)
		return
	}
	a.latest[s.UID] = s
	p := a.at(pod)
	if p.mediaPod != nil && a.seats[pod] > int(p.mediaPod.Spec.Capacity.Seats) {
		a.breach("media pod %s has %d seats, and %d sessions are bound to it", pod, p.mediaPod.Spec.Capacity.Seats, a.seats[pod])
	}
	a.attend(p, s)
}

func (a *agents) count(uid types.UID, before, after string) {
	if before != "" {
		a.seats[before]--
	}
	delete(a.bound, uid)
	if after != "" {
		a.seats[after]++
		a.bound[uid] = after
	}
}

func (a *agents) sessionGone(s *callfleetv1.MeetingSession) {
	a.log.sessionGone(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		if p.calls[s.UID] != nil {
			a.breach("session %s is gone while media pod %s has its call", s.Name, p.name)
		}
	}
	a.count(s.UID, a.bound[s.UID], "")
	delete(a.latest, s.UID)
}

// attend to a session that is bound to the pod. The caller holds a.mu.
func (a *agents) attend(p *agent, s *callfleetv1.MeetingSession) {
	held := p.calls[s.UID]
	record := s.Status.Call
	leave := s.DeletionTimestamp != nil || s.Spec.DesiredState == callfleetv1.DesiredEnded
	switch {
	case !p.admits || p.mediaPod == nil:
	case held != nil && held.made && leave && !held.leaving:
		held.leaving = true
		a.work <- func(ctx context.Context) { a.hangUp(ctx, p, s.UID) }
	case held != nil, record != nil:
	case meta.IsStatusConditionFalse(s.Status.Conditions, callfleetv1.ConditionAssigned): // refused
	case p.mediaPod.Spec.Drain != nil || len(p.calls) >= int(p.mediaPod.Spec.Capacity.Seats):
		a.work <- func(ctx context.Context) { a.refuse(ctx, s) }
	default:
		p.calls[s.UID] = &call{session: s.Name}
		a.work <- func(ctx context.Context) { a.claim(ctx, p, s) }
	}
}

// claim before call; then the call is made, and told of once it is established.
func (a *agents) claim(ctx context.Context, p *agent, s *callfleetv1.MeetingSession) {
	after := s.DeepCopy()
	claimBy(&after.Status.CallStatus, p.instance, p.name)
	got, err := a.patch(ctx, s, after)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		delete(p.calls, s.UID)
		if newest := a.latest[s.UID]; newest != nil && newest.Status.MediaPod == p.name && ctx.Err() == nil && newest.ResourceVersion != s.ResourceVersion {
			a.attend(p, newest) // somebody else wrote meanwhile; otherwise the watch has yet to bring it
		}
		return
	}
	p.calls[s.UID].made = true
	a.report(p)
	time.AfterFunc(joining, func() { a.work <- func(ctx context.Context) { a.establish(ctx, p, got) } })
}

func (a *agents) establish(ctx context.Context, p *agent, s *callfleetv1.MeetingSession) {
	a.tell(ctx, p, s, func(s *callfleetv1.MeetingSession) bool { establishIn(s, p.name); return true })
	if a.measure > 0 {
		a.measureOn(p, s)
	}
}

// measureOn writes what is measured on the media path, as long as the call goes on.
func (a *agents) measureOn(p *agent, s *callfleetv1.MeetingSession) {
	time.AfterFunc(a.measure, func() {
		a.work <- func(ctx context.Context) {
			goesOn := false
			a.tell(ctx, p, s, func(s *callfleetv1.MeetingSession) bool {
				status := &s.Status
				if goesOn = status.Media != nil && status.Media.Audio != nil && status.Call.End == nil; goesOn {
					status.Media.Audio.PacketsReceived += 1500
					status.Media.Audio.PacketsSent += 1500
				}
				return goesOn
			})
			if goesOn {
				a.measureOn(p, s)
			}
		}
	})
}

// hangUp is the end of a call, and its seat is free when the API server knows.
func (a *agents) hangUp(ctx context.Context, p *agent, uid types.UID) {
	a.mu.Lock()
	s := a.latest[uid]
	a.mu.Unlock()
	if s == nil {
		return
	}
	a.tell(ctx, p, s, func(s *callfleetv1.MeetingSession) bool {
		status, now := &s.Status, metav1.NowMicro()
		status.Phase = callfleetv1.PhaseLeaving
		status.Call.EndedTime, status.Call.State = &now, "terminated"
		status.Call.End = &callfleetv1.CallEnd{Reason: callfleetv1.EndedByBot, Message: "the session was ended"}
		if status.Media != nil {
			status.Media.ListenURL = ""
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(p.calls, uid)
	a.report(p)
}

func (a *agents) refuse(ctx context.Context, s *callfleetv1.MeetingSession) {
	after := s.DeepCopy()
	meta.SetStatusCondition(&after.Status.Conditions, metav1.Condition{
		Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: callfleetv1.ReasonPodRefused,
		Message: "no seat; another pod is looked for", ObservedGeneration: s.Generation,
	})
	_, _ = a.patch(ctx, s, after) // the watch brings whatever was newer
}

// tell changes the status of a call that the process has claimed, on the newest version there is.
func (a *agents) tell(ctx context.Context, p *agent, s *callfleetv1.MeetingSession, change func(*callfleetv1.MeetingSession) bool) {
	for ctx.Err() == nil {
		after := s.DeepCopy()
		if !change(after) {
			return
		}
		_, err := a.patch(ctx, s, after)
		if err == nil || apierrors.IsNotFound(err) {
			return
		}
		fresh := &callfleetv1.MeetingSession{}
		if err := a.api.Get().Namespace(namespace).Resource(client.MeetingSessions).Name(s.Name).Do(ctx).Into(fresh); err != nil {
			if apierrors.IsNotFound(err) {
				return
			}
			continue
		}
		if fresh.Status.Call == nil || fresh.Status.Call.ClaimedBy != p.instance || fresh.Status.Phase.Finished() {
			a.mu.Lock()
			a.breach("session %s, whose call media pod %s has, is another's or nobody's: phase %s, pod %q", s.Name, p.name, fresh.Status.Phase, fresh.Status.MediaPod)
			a.mu.Unlock()
			return
		}
		s = fresh
	}
}
