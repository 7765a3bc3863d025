// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestSeatsAreNeverOversold lets the real reconciler work against an API server in memory, with a cache that lags at
// random, writes whose requests or answers are lost or late, sessions, calls that are made and calls that come in, agents
// that refuse, end, restart, let go of calls and adopt them, pods that come and go, and leaders that crash. After every
// single step no pod was given more than it has seats for, and none holds more; no call was taken from a process that
// lives; no call that goes on was forgotten, and none that was answered is made again; and no two sessions of the bot are
// in one meeting. When the storm is over, nobody waits while a seat is free, every call has a process, and nothing is left
// to write.
func TestSeatsAreNeverOversold(t *testing.T) {
	seeds, steps := 60, 600
	if testing.Short() {
		seeds = 20
	}
	var bound, refused, crashes, adopted, incoming int
	for seed := range uint64(seeds) {
		sim := newSimulation(t, seed)
		for range steps {
			sim.step()
			sim.check()
		}
		sim.calm()
		bound, refused, crashes = bound+sim.bound, refused+sim.refused, crashes+sim.crashes
		adopted, incoming = adopted+sim.adopted, incoming+sim.incoming
	}
	t.Logf("%d seeds of %d steps: %d bindings, %d taken back, %d to adopt a call, %d calls that came in, %d leaders crashed",
		seeds, steps, bound, refused, adopted, incoming, crashes)
	if bound < 20*seeds || refused < seeds || crashes < seeds || adopted < seeds || incoming < seeds {
		t.Error("the simulation does not exercise what it is for")
	}
}

type simulation struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	clock *clocktesting.FakePassiveClock
	store *store
	agents
	calmed bool

	// The leader of the time, its cache and its queue.
	leader *Reconciler
	cache  *cached
	queue  *keyQueue
	timers map[request]time.Time
	// byAgents are the sessions whose pod was not chosen by the controller.
	byAgents map[types.UID]bool
	// homes of the processes: pods come again under their old names.
	homes map[string]types.UID

	names, instances, bound, refused, crashes, adopted, incoming int
}

const simNamespace, simBot = "voice", "reception"

func newSimulation(t *testing.T, seed uint64) *simulation {
	sim := &simulation{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)),
		clock: clocktesting.NewFakePassiveClock(time.Unix(1_800_000_000, 0)), store: newStore(),
		byAgents: map[types.UID]bool{}, homes: map[string]types.UID{},
	}
	sim.agents = agents{sim.store, sim.clock.Now}
	sim.store.check = sim.checkWrite
	sim.store.create(controllertest.Bot(simNamespace, simBot).Object())
	for slot := range int32(3) {
		sim.addPod(slot)
	}
	sim.elect()
	return sim
}

// elect starts a new leader with an empty cache, which it fills from the present, or from the past.
func (sim *simulation) elect() {
	if sim.cache != nil {
		sim.cache.land() // a lease outlasts the requests made under it
	}
	sim.cache = &cached{store: sim.store, objects: map[objectKey]client.Object{}}
	sim.cache.faults = sim.fault
	sim.queue = &keyQueue{}
	sim.timers = map[request]time.Time{}
	sim.leader = &Reconciler{
		Client: sim.cache, APIReader: live{sim.store}, Recorder: &events.FakeRecorder{},
		Clock: sim.clock, Registerer: prometheus.NewRegistry(),
	}
	if err := sim.leader.Prepare(); err != nil {
		sim.t.Fatal(err)
	}
	lag := sim.rng.IntN(10)
	for len(sim.store.log)-sim.cache.seen > lag {
		sim.deliver()
	}
}

func (sim *simulation) fault() fault {
	if sim.calmed || sim.rng.IntN(8) > 0 {
		return none
	}
	return fault(1 + sim.rng.IntN(3))
}

// deliver shows the cache one more change, and tells the watches.
func (sim *simulation) deliver() {
	if sim.cache.seen == len(sim.store.log) {
		return
	}
	c := sim.store.log[sim.cache.seen]
	sim.cache.seen++
	if c.after == nil {
		delete(sim.cache.objects, c.key)
	} else {
		sim.cache.objects[c.key] = c.after
	}
	ctx := context.Background()
	type watch interface {
		Create(context.Context, event.CreateEvent, workQueue)
		Update(context.Context, event.UpdateEvent, workQueue)
		Delete(context.Context, event.DeleteEvent, workQueue)
	}
	w := map[string]watch{
		"MeetingSession": sessionWatch{sim.leader, meetingSessions}, "Call": sessionWatch{sim.leader, calls}, "MediaPod": podWatch{sim.leader}, "CallingBot": botWatch{sim.leader},
	}[c.key.kind]
	switch {
	case c.before == nil:
		w.Create(ctx, event.CreateEvent{Object: c.after}, sim.queue)
	case c.after == nil:
		w.Delete(ctx, event.DeleteEvent{Object: c.before}, sim.queue)
	default:
		w.Update(ctx, event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}, sim.queue)
	}
}

// work makes one pass over a random session of the queue.
func (sim *simulation) work() bool {
	if len(sim.queue.keys) == 0 {
		return false
	}
	i := sim.rng.IntN(len(sim.queue.keys))
	key := sim.queue.keys[i]
	sim.queue.keys = slices.Delete(sim.queue.keys, i, i+1)
	result, err := sim.leader.Reconcile(context.Background(), key)
	if err != nil {
		sim.queue.Add(key)
	}
	if result.RequeueAfter > 0 {
		sim.timers[key] = sim.clock.Now().Add(result.RequeueAfter)
	}
	return true
}

// pass lets time go by.
func (sim *simulation) pass(d time.Duration) {
	sim.clock.SetTime(sim.clock.Now().Add(d))
	var due []request
	for key, at := range sim.timers {
		if !sim.clock.Now().Before(at) {
			due = append(due, key)
		}
	}
	slices.SortFunc(due, func(a, b request) int { return cmp.Compare(a.Name, b.Name) })
	for _, key := range due {
		delete(sim.timers, key)
		sim.queue.Add(key)
	}
}

// step lets one thing happen.
func (sim *simulation) step() {
	pick := func(n int) int { return sim.rng.IntN(n) }
	switch p := pick(100); {
	case p < 30:
		for range 1 + pick(4) {
			sim.deliver()
		}
	case p < 60:
		sim.work()
	case p < 75:
		if sessions := sim.store.sessions(); len(sessions) > 0 {
			sim.act(sim.rng, sessions[pick(len(sessions))], false)
		}
	case p < 85:
		sim.names++
		if name := fmt.Sprintf("c%03d", sim.names); pick(3) == 0 {
			sim.store.create(controllertest.Call(simNamespace, name, simBot).Created(sim.clock.Now().Truncate(time.Second)).Object())
			return
		} else if pick(3) == 0 {
			sim.incoming++
			sim.answer(sim.pod(fmt.Sprintf("%s-%d", simBot, pick(3))), name)
			return
		}
		s := controllertest.Session(simNamespace, fmt.Sprintf("s%03d", sim.names), simBot).Rejoin(v1alpha1.RejoinOnFailure, 3)
		meeting := 100 + sim.names
		if pick(2) == 0 {
			meeting = 10 + pick(4)
		}
		s.JoinMeetingID(fmt.Sprint(meeting), "")
		s.With(func(ms *v1alpha1.MeetingSession) {
			ms.CreationTimestamp = metav1.NewTime(sim.clock.Now().Truncate(time.Second))
			if pick(3) == 0 {
				ms.Spec.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio, v1alpha1.ModalityVideo}
			}
		})
		sim.store.create(s.Object())
	case p < 88:
		if sessions := sim.store.sessions(); len(sessions) > 0 {
			sim.store.delete(keyOf(sessions[pick(len(sessions))].object), sim.clock.Now())
		}
	case p < 92:
		sim.pass(time.Duration(pick(8000)) * time.Millisecond)
	case p < 93:
		sim.crashes++
		sim.elect()
	case p < 94:
		sim.cache.land()
	case p < 95:
		if sessions := sim.store.sessions(); len(sessions) > 0 {
			sim.callback(sessions[pick(len(sessions))], sim.pod(fmt.Sprintf("%s-%d", simBot, pick(3))))
		}
	default:
		sim.disturb(int32(pick(3)))
	}
}

// disturb a pod: it goes, comes, is not ready, or its process ends or restarts.
func (sim *simulation) disturb(slot int32) {
	key := objectKey{"MediaPod", types.NamespacedName{Namespace: simNamespace, Name: fmt.Sprintf("%s-%d", simBot, slot)}}
	if sim.store.objects[key] == nil {
		sim.addPod(slot)
		return
	}
	switch sim.rng.IntN(5) {
	case 0:
		sim.store.delete(key, sim.clock.Now())
	case 1:
		sim.restart(key)
	case 2:
		sim.store.change(key, func(o client.Object) { o.(*v1alpha1.MediaPod).Status.Agent = nil })
	default:
		status := metav1.ConditionStatus("True")
		if sim.rng.IntN(2) == 0 {
			status = "False"
		}
		sim.setReady(key, status)
	}
}

func (sim *simulation) restart(key objectKey) {
	sim.instances++
	sim.store.change(key, func(o client.Object) {
		o.(*v1alpha1.MediaPod).Status.Agent = &v1alpha1.AgentReport{Instance: fmt.Sprintf("instance-%d", sim.instances), Ready: true}
		sim.homes[o.(*v1alpha1.MediaPod).Status.Agent.Instance] = o.GetUID()
	})
}

func (sim *simulation) setReady(key objectKey, status metav1.ConditionStatus) {
	sim.store.change(key, func(o client.Object) {
		o.(*v1alpha1.MediaPod).Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: "Simulated"}}
	})
}

func (sim *simulation) addPod(slot int32) {
	sim.instances++
	config := controllertest.FleetConfig(simBot)
	config.Capacity.Seats = 2 + slot
	pod := controllertest.MediaPod(simNamespace, simBot, slot).Config(config).
		Agent(fmt.Sprintf("instance-%d", sim.instances), 1).Ready().Object()
	sim.store.create(pod)
	sim.homes[pod.Status.Agent.Instance] = pod.UID
}

// calm ends all disturbance and lets everything come to rest.
func (sim *simulation) calm() {
	sim.calmed = true
	sim.cache.land()
	for slot := range int32(3) {
		name := types.NamespacedName{Namespace: simNamespace, Name: fmt.Sprintf("%s-%d", simBot, slot)}
		if pod := sim.pod(name.Name); pod == nil {
			sim.addPod(slot)
		} else if pod.Status.Agent == nil {
			sim.restart(objectKey{"MediaPod", name})
		}
		sim.setReady(objectKey{"MediaPod", name}, "True")
	}
	sim.settle()
	// One call after another ends; each time the next in line has to get the seat, with nothing else to wake it up.
	for range 8 {
		for _, s := range sim.store.sessions() {
			if s.claimed() && !s.finished() && s.status.Call.End == nil {
				sim.end(s, v1alpha1.EndMeetingEnded, false)
				break
			}
		}
		sim.settle()
	}
}

// settle until nothing more happens by itself.
func (sim *simulation) settle() {
	for range 40 {
		for rounds := 0; ; rounds++ {
			before := len(sim.store.log)
			for sim.cache.seen < len(sim.store.log) {
				sim.deliver()
			}
			for sim.work() {
				sim.check()
			}
			for _, s := range sim.store.sessions() {
				sim.act(sim.rng, s, true)
			}
			if before == len(sim.store.log) {
				break
			}
			if rounds > 1000 {
				sim.fail("it never comes to rest")
			}
		}
		sim.pass(2 * time.Second)
	}
	sim.checkRest()
}

func (sim *simulation) fail(format string, args ...any) {
	sim.t.Helper()
	sim.t.Fatalf("seed %d: %s", sim.seed, fmt.Sprintf(format, args...))
}

// keyQueue is a work queue without the waiting.
type keyQueue struct {
	workQueue
	keys []request
}

func (q *keyQueue) Add(r request) {
	if !slices.Contains(q.keys, r) {
		q.keys = append(q.keys, r)
	}
}
