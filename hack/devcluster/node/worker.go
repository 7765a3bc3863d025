// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// worker runs one pod. Everything but update, remove, post and volumesChanged
// happens on its own goroutine, so that the state of a pod needs no locks:
// ends of processes, results of probes and timers arrive as events.
type worker struct {
	agent  *Agent
	uid    types.UID
	dir    string
	ctx    context.Context // ends with the worker
	cancel context.CancelFunc

	events  chan func()
	kicked  chan struct{}
	latest  atomic.Pointer[corev1.Pod]
	removed atomic.Bool // the API server no longer has the pod
	dirty   atomic.Bool // volumes are to be looked at again

	pod        *corev1.Pod
	ip         netip.Addr
	volumes    map[string]string // volume name to host path; nil: not mounted yet
	tokens     map[string]token
	remountAt  time.Time
	init, main []*container
	conditions []corev1.PodCondition
	startTime  metav1.Time
	ending     *ending
	finished   bool // the final status was handed to the publisher
	sent       *corev1.PodStatus
	sentFinal  bool
	lastEvent  map[string]string // reason to message, so that retries do not repeat it
}

// ending is a pod that is being deleted.
type ending struct {
	deadline time.Time
}

func (a *Agent) newWorker(pod *corev1.Pod) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{
		agent: a, uid: pod.UID, dir: filepath.Join(a.cfg.Dir, string(pod.UID)),
		ctx: ctx, cancel: cancel,
		events: make(chan func(), 16), kicked: make(chan struct{}, 1),
		pod: pod, tokens: map[string]token{}, lastEvent: map[string]string{},
		conditions: pod.Status.Conditions,
	}
	w.startTime = metav1.Now().Rfc3339Copy()
	if pod.Status.StartTime != nil {
		w.startTime = *pod.Status.StartTime
	}
	for i := range pod.Spec.InitContainers {
		w.init = append(w.init, w.newContainer(&pod.Spec.InitContainers[i], pod.Status.InitContainerStatuses, true))
	}
	for i := range pod.Spec.Containers {
		w.main = append(w.main, w.newContainer(&pod.Spec.Containers[i], pod.Status.ContainerStatuses, false))
	}
	return w
}

// update gives the worker a newer version of its pod.
func (w *worker) update(pod *corev1.Pod) {
	w.latest.Store(pod)
	w.dirty.Store(true) // labels and annotations may be in volumes
	w.kick()
}

// remove tells the worker that the API server no longer has the pod.
func (w *worker) remove() {
	w.removed.Store(true)
	w.kick()
}

// volumesChanged tells the worker that a Secret or ConfigMap has changed.
func (w *worker) volumesChanged() {
	w.dirty.Store(true)
	w.kick()
}

func (w *worker) kick() {
	select {
	case w.kicked <- struct{}{}:
	default:
	}
}

// post runs f on the worker's goroutine.
func (w *worker) post(f func()) {
	select {
	case w.events <- f:
	case <-w.ctx.Done():
	}
}

// run runs the pod until it is gone from the API server and its processes have
// ended, or until the agent ends.
func (w *worker) run() {
	defer w.agent.objects.release(w)
	defer w.cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.agent.stopping:
			w.killAll()
			return
		case <-w.kicked:
		case f := <-w.events:
			f()
		case <-timer.C:
		}
		w.takeLatest()
		wait := newWaiter(time.Now())
		w.sync(wait)
		if w.removed.Load() && !w.anyProcess() {
			return
		}
		timer.Reset(wait.duration())
	}
}

func (w *worker) takeLatest() {
	if pod := w.latest.Load(); pod != nil {
		w.pod = pod
	}
}

// sync brings the pod closer to what it is to be, and says when it wants to be
// called again though nothing happened.
func (w *worker) sync(wait *waiter) {
	if w.removed.Load() || w.pod.DeletionTimestamp != nil {
		w.syncEnding(wait)
	} else if !w.finished {
		w.syncRunning(wait)
	}
	if w.removed.Load() {
		w.agent.status.forget(w.uid)
		return
	}
	w.report()
}

func (w *worker) syncRunning(wait *waiter) {
	if err := w.ensureAddress(); err != nil {
		w.eventOnce(corev1.EventTypeWarning, "FailedCreatePodSandBox", err.Error())
		wait.until(time.Now().Add(time.Second))
		return
	}
	if err := w.ensureVolumes(wait); err != nil {
		w.eventOnce(corev1.EventTypeWarning, "FailedMount", err.Error())
		return
	}
	if !w.syncInit(wait) {
		return
	}
	for _, c := range w.main {
		w.ensureRunning(c, wait)
	}
	w.stopSidecarsOfFinished(wait)
}

// stopSidecarsOfFinished ends the side cars of a pod whose own work is done.
func (w *worker) stopSidecarsOfFinished(wait *waiter) {
	if !w.mainFinished() {
		return
	}
	for _, c := range w.init {
		if c.process != nil {
			w.stop(c, time.Now().Add(w.grace()), "Stopping container "+c.spec.Name)
			w.enforceDeadline(c, wait)
		}
	}
}

// mainFinished says whether all containers have ended and none will be started
// again.
func (w *worker) mainFinished() bool {
	for _, c := range w.main {
		if c.process != nil || c.terminated == nil || w.mayRestart(c) {
			return false
		}
	}
	return true
}

// grace is how long the pod's containers may take to end.
func (w *worker) grace() time.Duration {
	if s := w.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// syncInit runs the init containers one after the other, and says whether the
// others may run.
func (w *worker) syncInit(wait *waiter) (done bool) {
	for _, c := range w.init {
		if c.sidecar && c.process == nil && w.mainFinished() {
			continue // it was stopped when the others were done
		}
		if !c.sidecar && c.succeeded() {
			continue
		}
		if !c.sidecar && w.anyMainStarted() {
			continue // the pod was initialised before the agent restarted
		}
		w.ensureRunning(c, wait)
		if !c.sidecar || !c.started {
			return false
		}
	}
	return true
}

func (w *worker) anyMainStarted() bool {
	for _, c := range w.main {
		if c.process != nil || c.terminated != nil || c.last != nil {
			return true
		}
	}
	return false
}

// syncEnding stops the containers, side cars last, and then lets go of the pod.
func (w *worker) syncEnding(wait *waiter) {
	if w.finished {
		return
	}
	w.setDeadline()
	running := 0
	for _, c := range w.all() {
		if c.process == nil || c.sidecar {
			continue
		}
		running++
		w.stop(c, w.ending.deadline, "Stopping container "+c.spec.Name)
		w.enforceDeadline(c, wait)
	}
	if running > 0 {
		return
	}
	// In the order they were started in, the other way round, and one by one.
	for i := len(w.init) - 1; i >= 0; i-- {
		if c := w.init[i]; c.process != nil {
			w.stop(c, w.ending.deadline, "Stopping container "+c.spec.Name)
			w.enforceDeadline(c, wait)
			return
		}
	}
	w.finished = true
}

// setDeadline notes until when the pod may take; a later deletion may shorten
// it, as kubectl delete --force does.
func (w *worker) setDeadline() {
	grace := time.Duration(0)
	switch {
	case w.removed.Load():
		grace = 2 * time.Second // kubelet's minimum for a pod that was deleted by force
	case w.pod.DeletionGracePeriodSeconds != nil:
		grace = time.Duration(*w.pod.DeletionGracePeriodSeconds) * time.Second
	}
	deadline := time.Now().Add(grace)
	if w.ending == nil {
		w.ending = &ending{deadline: deadline}
	} else if deadline.Before(w.ending.deadline) {
		w.ending.deadline = deadline
	}
}

// killAll ends all processes at once, because the agent ends.
func (w *worker) killAll() {
	var wg sync.WaitGroup
	for _, c := range w.all() {
		if c.process != nil {
			c.stopProbes()
			wg.Go(func() { _ = c.process.Stop(context.Background(), 0) })
		}
	}
	wg.Wait()
}

func (w *worker) all() []*container {
	return append(append([]*container(nil), w.init...), w.main...)
}

func (w *worker) anyProcess() bool {
	for _, c := range w.all() {
		if c.process != nil {
			return true
		}
	}
	return false
}

func (w *worker) ensureAddress() error {
	if w.pod.Spec.HostNetwork {
		w.ip = w.agent.cfg.IP
		return nil
	}
	ip, err := w.agent.addresses.get(w.uid)
	if err != nil {
		return fmt.Errorf("cannot give the pod an address: %w", err)
	}
	w.ip = ip
	return nil
}

func (w *worker) event(kind, reason, message string) {
	w.agent.events.Event(w.pod, kind, reason, message)
}

// eventOnce is for what is tried again and again: the same message is not
// repeated.
func (w *worker) eventOnce(kind, reason, message string) {
	if w.lastEvent[reason] != message {
		w.lastEvent[reason] = message
		w.event(kind, reason, message)
	}
}

// waiter collects the times at which something is to be done.
type waiter struct {
	now, next time.Time
}

func newWaiter(now time.Time) *waiter {
	return &waiter{now: now, next: now.Add(time.Hour)}
}

func (w *waiter) until(t time.Time) {
	if t.Before(w.next) {
		w.next = t
	}
}

func (w *waiter) duration() time.Duration {
	return max(time.Until(w.next), time.Millisecond)
}
