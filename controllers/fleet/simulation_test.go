// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/drain"
)

// The simulation plays a fleet with everything that goes on around it in random order: users, sessions, agents that
// report late, processes that die, and a controller whose cache lags behind. After every step it looks at the truth, which
// the controller never sees.

// world is the truth.
type world struct {
	random *rand.Rand
	bot    *v1alpha1.CallingBot
	pods   map[string]*truth
	// cache is what the controller sees: an earlier state of the API server.
	cache           []v1alpha1.MediaPod
	cachedSessions  map[string][]string
	resourceVersion int
	revision        int
	sessions        int
	undrained       int
	log             []string
	failures        []string
}

// truth is a media pod as it is.
type truth struct {
	// stored is what the API server has.
	stored v1alpha1.MediaPod
	// process that runs now; nil between a crash and a restart.
	process *process
	// bound are the unfinished sessions whose status names the pod.
	bound map[string]bool
	// died: a process ended and the mediapod controller has yet to clear its report.
	died bool
}

type process struct {
	instance string
	// accepted: the API server has its first report.
	accepted bool
	// seen is the generation of the MediaPod the agent has looked at; sawMark: it was to be drained.
	seen    int64
	sawMark bool
	// calls by session; reserved ones are about to be.
	calls    map[string]bool
	reserved map[string]bool
}

func (p *process) busy() bool { return p != nil && len(p.calls)+len(p.reserved) > 0 }

func TestSimulation(t *testing.T) {
	undrained := 0
	for seed := range uint64(500) {
		w := newWorld(seed)
		for range 300 {
			w.step()
			if w.check(); len(w.failures) > 0 {
				t.Fatalf("seed %d: %s\n%s", seed, strings.Join(w.failures, "\n"), strings.Join(w.log[max(0, len(w.log)-60):], "\n"))
			}
		}
		if why := w.settle(); why != "" {
			t.Fatalf("seed %d did not converge: %s\n%s", seed, why, strings.Join(w.log[max(0, len(w.log)-60):], "\n"))
		}
		undrained += w.undrained
	}
	if undrained < 500 {
		t.Errorf("%d marks were taken back: the simulation does not exercise that", undrained)
	}
}

func newWorld(seed uint64) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 1)), pods: map[string]*truth{}}
	builder := controllertest.Bot("voice", "b").Replicas(2)
	if seed%3 == 0 {
		builder.LoadBalancer(28550, 28550+4)
	}
	w.bot = builder.Object()
	return w
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

// names in a fixed order, so that a seed always tells the same story.
func (w *world) names() []string {
	names := make([]string, 0, len(w.pods))
	for name := range w.pods {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (w *world) anyPod() *truth {
	if len(w.pods) == 0 {
		return nil
	}
	return w.pods[w.names()[w.random.IntN(len(w.pods))]]
}

func (w *world) step() {
	switch n := w.random.IntN(100); {
	case n < 20:
		w.pass()
	case n < 35:
		w.refreshCache()
	case n < 42:
		w.bot.Spec.Replicas = ptr.To(w.random.Int32N(6))
		w.say("user: replicas %d", *w.bot.Spec.Replicas)
	case n < 45:
		// Forwards, or back to what the fleet had before.
		if w.revision++; w.revision > 1 && w.random.IntN(3) == 0 {
			w.revision -= 2
		}
		w.say("user: configuration %d", w.revision)
	case n < 47:
		w.rules()
	case n < 49:
		w.deleteByHand()
	case n < 60:
		w.bind()
	case n < 65:
		w.crash()
	default:
		w.live()
	}
}

// rules of the rollout change.
func (w *world) rules() {
	maxSurge := intstr.FromInt32(1 + w.random.Int32N(3))
	w.bot.Spec.Rollout = v1alpha1.Rollout{MaxSurge: &maxSurge, Paused: w.random.IntN(4) == 0}
	w.say("user: maxSurge %s, paused %v", maxSurge.String(), w.bot.Spec.Rollout.Paused)
}

// pass is one pass of the controller, as Reconcile makes it: by the cache, but drains by the API server.
func (w *world) pass() {
	seen := w.observe(w.cache)
	p := makePlan(seen, noon)
	if p.irrevocable() {
		seen = w.observe(w.list())
		p = makePlan(seen, noon)
	}
	readyBefore := w.readyServing()
	for _, d := range p.deletes {
		w.delete(d.pod)
	}
	rollouts := 0
	for _, d := range p.drains {
		w.mark(d)
		if d.drain.Reason == v1alpha1.DrainRollout {
			rollouts++
		}
	}
	if _, limited := portsOf(w.bot); rollouts > 0 && !limited {
		if after := w.readyServing(); after < min(readyBefore, wantedPods(w.observe(nil))) {
			w.fail("a rollout left %d ready pods of %d, %d are wanted", after, readyBefore, wantedPods(w.observe(nil)))
		}
	}
	for _, u := range p.undrains {
		w.takeBack(u)
	}
	for _, m := range p.remarks {
		w.remark(m)
	}
	for _, c := range p.creates {
		w.create(seen, c)
	}
}

func (w *world) observe(pods []v1alpha1.MediaPod) *observation {
	seen := &observation{bot: w.bot, revision: fmt.Sprintf("rev-%d", w.revision), bound: w.cachedSessions}
	for i := range pods {
		seen.pods = append(seen.pods, *pods[i].DeepCopy())
	}
	return seen
}

func (w *world) list() []v1alpha1.MediaPod {
	var list []v1alpha1.MediaPod
	for _, name := range w.names() {
		list = append(list, *w.pods[name].stored.DeepCopy())
	}
	return list
}

func (w *world) refreshCache() {
	w.cache = w.list()
	w.cachedSessions = map[string][]string{}
	for name, pod := range w.pods {
		for session := range pod.bound {
			w.cachedSessions[name] = append(w.cachedSessions[name], session)
		}
	}
}

// store gives an object its next version, as the API server does.
func (w *world) store(pod *truth) {
	w.resourceVersion++
	pod.stored.ResourceVersion = fmt.Sprint(w.resourceVersion)
}

func (w *world) create(seen *observation, c creation) {
	pod := newMediaPod(seen, c)
	if w.pods[pod.Name] != nil {
		w.say("controller: create %s: AlreadyExists", pod.Name)
		return
	}
	w.resourceVersion++
	pod.UID, pod.Generation = types.UID(fmt.Sprint("uid-", w.resourceVersion)), 1
	w.pods[pod.Name] = &truth{stored: *pod, bound: map[string]bool{}}
	w.store(w.pods[pod.Name])
	w.say("controller: create %s (%s): %s", pod.Name, pod.Spec.Revision, c.why)
}

func (w *world) mark(m marking) {
	pod := w.pods[m.pod.Name]
	if pod == nil || pod.stored.ResourceVersion != m.pod.ResourceVersion {
		w.say("controller: drain %s: conflict", m.pod.Name)
		return
	}
	if pod.stored.Spec.Drain != nil {
		w.fail("%s is marked twice", m.pod.Name)
	}
	pod.stored.Spec.Drain = &m.drain
	pod.stored.Generation++
	w.store(pod)
	w.say("controller: drain %s: %s", m.pod.Name, m.why)
}

// change is a write of the controller to a pod's spec, under its optimistic lock.
func (w *world) change(seen *v1alpha1.MediaPod, f func(*v1alpha1.MediaPod)) bool {
	pod := w.pods[seen.Name]
	if pod == nil || pod.stored.ResourceVersion != seen.ResourceVersion {
		w.say("controller: change %s: conflict", seen.Name)
		return false
	}
	f(&pod.stored)
	pod.stored.Generation++
	w.store(pod)
	return true
}

func (w *world) takeBack(u undrain) {
	if w.change(u.pod, func(p *v1alpha1.MediaPod) { p.Spec.Drain = nil }) {
		w.undrained++
		w.say("controller: undrain %s: %s", u.pod.Name, u.why)
	}
}

func (w *world) remark(m marking) {
	if w.change(m.pod, func(p *v1alpha1.MediaPod) { p.Spec.Drain = &m.drain }) {
		w.say("controller: remark %s: %s", m.pod.Name, m.why)
	}
}

// delete is by the controller, with its preconditions. The finalizer's judgement is the same chain, so the object goes.
func (w *world) delete(seen *v1alpha1.MediaPod) {
	pod, conditions := w.pods[seen.Name], drain.Preconditions(seen)
	if pod == nil || pod.stored.UID != *conditions.UID || pod.stored.ResourceVersion != *conditions.ResourceVersion {
		w.say("controller: delete %s: conflict", seen.Name)
		return
	}
	w.remove(pod, "controller")
}

func (w *world) remove(pod *truth, by string) {
	w.say("%s: delete %s", by, pod.stored.Name)
	if pod.process.busy() {
		w.fail("%s was deleted with calls %v and %v about to be", pod.stored.Name, pod.process.calls, pod.process.reserved)
	}
	delete(w.pods, pod.stored.Name)
}

// deleteByHand: the object stays, by its finalizer, until the chain allows it to go.
func (w *world) deleteByHand() {
	if pod := w.anyPod(); pod != nil && pod.stored.DeletionTimestamp.IsZero() {
		w.say("user: delete %s", pod.stored.Name)
		pod.stored.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
		pod.stored.Generation++
		w.store(pod)
	}
}

func (w *world) readyServing() int {
	n := 0
	for _, pod := range w.pods {
		if isReady(&pod.stored) && !drain.Marked(&pod.stored) {
			n++
		}
	}
	return n
}

// check looks at what must hold at all times and is not about a single act.
func (w *world) check() {
	slots := map[int32]string{}
	for _, name := range w.names() {
		pod := w.pods[name]
		if other, taken := slots[pod.stored.Spec.Slot]; taken {
			w.fail("%s and %s have slot %d", other, name, pod.stored.Spec.Slot)
		}
		slots[pod.stored.Spec.Slot] = name
	}
	if ports, limited := portsOf(w.bot); limited && len(w.pods) > ports {
		w.fail("%d pods share %d ports", len(w.pods), ports)
	}
}

// settle lets calls end and everything report, and says what is not as wanted in the end.
func (w *world) settle() string {
	for _, pod := range w.pods {
		pod.died = false
	}
	w.bot.Spec.Rollout.Paused = false
	for range 60 {
		w.refreshCache()
		w.pass()
		for _, name := range w.names() {
			pod := w.pods[name]
			if pod == nil {
				continue
			}
			if pod.process == nil {
				pod.process = &process{instance: "last-" + name, calls: map[string]bool{}, reserved: map[string]bool{}}
				pod.stored.Status.PodUID = "pod-" + name
			}
			clear(pod.process.calls)
			clear(pod.process.reserved)
			clear(pod.bound)
			pod.process.seen, pod.process.sawMark = pod.stored.Generation, drain.Marked(&pod.stored)
			w.report(pod)
			pod.stored.Status = controllertest.MediaPod("voice", "b", 0).With(func(p *v1alpha1.MediaPod) { p.Status = pod.stored.Status }).Ready().Object().Status
			if !pod.stored.DeletionTimestamp.IsZero() && drain.MayDelete(drain.Facts{MediaPod: &pod.stored}).Allowed {
				w.remove(pod, "finalizer")
			}
		}
	}
	w.refreshCache()
	if p := makePlan(w.observe(w.cache), time.Now()); len(p.creates)+len(p.drains)+len(p.deletes)+len(p.waits) > 0 {
		return fmt.Sprint("still planned: ", describe(w.observe(w.cache), p))
	}
	want := wantedPods(w.observe(nil))
	if ports, limited := portsOf(w.bot); limited {
		want = min(want, ports)
	}
	if len(w.pods) != want {
		return fmt.Sprintf("%d pods, want %d", len(w.pods), want)
	}
	for name, pod := range w.pods {
		if pod.stored.Spec.Revision != fmt.Sprintf("rev-%d", w.revision) {
			return name + " has an old configuration"
		}
	}
	return ""
}
