// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/fleet"
	"github.com/callfleet/callfleet/controllers/session"
)

const namespace, botName = "voice", "reception"

var botKey = key{"CallingBot", types.NamespacedName{Namespace: namespace, Name: botName}}

var dawn = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

// world is a cluster in simulated time: the two real controllers, and everything else played.
type world struct {
	random *rand.Rand
	clock  *clocktesting.FakePassiveClock
	events eventQueue
	seq    int
	server *server

	// The leader of the time.
	fleetCache, sessionCache *cached
	fleets                   *fleet.Reconciler
	binder                   *session.Reconciler
	term                     int                           // counts leaders: what an earlier one had planned does not happen
	fleetDue                 time.Time                     // of the next pass; zero if none is due
	binderDue                map[session.Request]time.Time // of the next pass over each
	watches                  map[string]session.Watch

	nodes     []string
	silent    map[string]bool
	processes map[string]*process
	live      map[types.UID]string // pod of each call that was made, by its object
	looking   map[string]bool
	given     map[string]int32 // seats that sessions and outgoing calls were given, by pod

	startMin, startMax time.Duration
	callMin, callMax   time.Duration
	refusals           float64 // of how many bindings
	stale              time.Duration
	gather             time.Duration // changes are looked at together that come within
	faults             float64
	configuration      int
	certificate        int               // counts renewals
	shows              map[types.UID]int // which of them the platform of each media pod shows
	mayHangUp          bool              // the user has wanted calls to be hung up, at a deadline or with the bot
	calm               bool              // the storm is over
	revisions          map[string]string

	log                                             []string
	failures                                        []string
	made, refused, cutByCrash, leaders, names, acts int
	deletes, undrains, passes                       int
	answered, givenUp, bots                         int
}

type happening struct {
	at  time.Time
	seq int
	do  func()
}

type eventQueue []happening

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(happening)) }
func (q *eventQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// newWorld has a bot and so many nodes.
func newWorld(seed uint64, nodes int, bot *v1alpha1.CallingBot) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 7)), clock: clocktesting.NewFakePassiveClock(dawn),
		silent: map[string]bool{}, processes: map[string]*process{}, live: map[types.UID]string{}, looking: map[string]bool{}, given: map[string]int32{}, revisions: map[string]string{}, shows: map[types.UID]int{},
		startMin: 40 * time.Second, startMax: 4 * time.Minute, gather: 600 * time.Millisecond, callMin: time.Minute, callMax: 30 * time.Minute,
	}
	x := newIndexes()
	if err := fleet.AddIndexes(context.Background(), x); err != nil {
		panic(err)
	}
	if err := session.AddIndexes(context.Background(), x); err != nil {
		panic(err)
	}
	w.server = &server{objects: newObjects(x), now: w.now, judge: w.judge, tell: w.tell}
	for i := range nodes {
		name := fmt.Sprintf("win-%02d", i)
		w.nodes = append(w.nodes, name)
		w.must(w.server.create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}))
		w.hear(name, true)
	}
	// What the bot's pods need is there, so that the controller has nothing to do about it.
	account := botName + "-mediapod"
	of := metav1.ObjectMeta{Namespace: namespace, Name: account, Labels: map[string]string{v1alpha1.LabelBot: botName}}
	w.must(w.server.create(&corev1.ServiceAccount{ObjectMeta: of}))
	w.must(w.server.create(&rbacv1.RoleBinding{ObjectMeta: of,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: fleet.DefaultMediaPodRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: namespace}},
	}))
	w.must(w.server.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: botName}, Data: map[string][]byte{"clientSecret": []byte("s")}}))
	w.must(w.server.create(bot))
	w.elect()
	return w
}

func (w *world) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *world) now() time.Time { return w.clock.Now() }
func (w *world) count() int     { w.names++; return w.names }

func (w *world) say(format string, args ...any) {
	passed := w.now().Sub(dawn)
	w.log = append(w.log, fmt.Sprintf("%02d:%02d:%02d  ", int(passed.Hours()), int(passed.Minutes())%60, int(passed.Seconds())%60)+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
	w.say("FAILED: %s", w.failures[len(w.failures)-1])
}

func (w *world) odds(p float64) bool { return p > 0 && w.random.Float64() < p }

func (w *world) between(a, b time.Duration) time.Duration {
	if b <= a {
		return a
	}
	return a + time.Duration(w.random.Int64N(int64(b-a)))
}

// callLength: most calls are short, a few are long.
func (w *world) callLength() time.Duration {
	if w.random.IntN(5) == 0 {
		return w.between(w.callMin, w.callMax)
	}
	return w.between(w.callMin, w.callMin+(w.callMax-w.callMin)/5)
}

func (w *world) at(when time.Time, do func()) {
	if when.Before(w.now()) {
		when = w.now()
	}
	w.seq++
	heap.Push(&w.events, happening{when, w.seq, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now().Add(d), do) }

// run until a time, or the first failure.
func (w *world) run(until time.Time) {
	for len(w.events) > 0 && !w.events[0].at.After(until) && len(w.failures) == 0 {
		next := heap.Pop(&w.events).(happening)
		w.clock.SetTime(next.at)
		next.do()
	}
	w.clock.SetTime(until)
}

// hear of a node, or not.
func (w *world) hear(name string, heard bool) {
	w.silent[name] = !heard
	status := corev1.ConditionTrue
	if !heard {
		status = corev1.ConditionUnknown
	}
	w.server.change(key{"Node", types.NamespacedName{Name: name}}, true, func(o client.Object) {
		o.(*corev1.Node).Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(w.now())}}
	})
	for _, pod := range keysOf(w.processes) {
		p := w.processes[pod]
		if m := w.server.pod(p.pod); m == nil || m.Status.NodeName != name {
			continue
		}
		p.cutOff = !heard
		w.podChanged(w.server.pod(p.pod))
		if heard {
			w.see(p)
			w.lookForWork(p)
			w.report(p)
		}
	}
}

// judge a write before it is done: what must never happen.
func (w *world) judge(before, after client.Object) {
	switch o := first(before, after).(type) {
	case *v1alpha1.MediaPod:
		w.judgePod(o, before, after)
	case v1alpha1.AnyCall:
		w.judgeCall(before, after)
	}
}

func (w *world) judgePod(o *v1alpha1.MediaPod, before, after client.Object) {
	p := w.processes[o.Name]
	if after == nil {
		w.deletes++
		if p != nil && p.uid == o.UID && len(p.calls) > 0 {
			// Nobody here gives a pod up but who wants the bot gone by force, and then only one that does not report.
			if o.Annotations[v1alpha1.AnnotationLost] == "" || !w.forced() || o.Status.Agent != nil {
				w.fail("media pod %s was deleted with calls %v", o.Name, keysOf(p.calls))
			}
		}
		return
	}
	now := after.(*v1alpha1.MediaPod)
	if before == nil {
		for _, other := range w.server.pods() {
			if other.(*v1alpha1.MediaPod).Spec.Slot == now.Spec.Slot {
				w.fail("%s and %s have one slot", other.GetName(), now.Name)
			}
		}
		return
	}
	was := before.(*v1alpha1.MediaPod)
	if was.Annotations[v1alpha1.AnnotationLost] != now.Annotations[v1alpha1.AnnotationLost] {
		w.givenUp++
	}
	if now.Spec.Drain != nil && now.Spec.Drain.HangUpAt != nil && !w.mayHangUp {
		w.fail("the calls on %s are to be hung up, and nobody wanted that", now.Name)
	}
	switch {
	case was.Spec.Drain != nil && now.Spec.Drain == nil:
		w.undrains++
	case was.Spec.Drain == nil && now.Spec.Drain != nil && now.Spec.Drain.Reason == v1alpha1.DrainRollout:
		w.judgeRelief(now)
	}
}

// judgeRelief: a rollout takes no seats away. It counts on what it was told a moment ago, so a crash may cross it.
func (w *world) judgeRelief(relieved *v1alpha1.MediaPod) {
	ready := 0
	for _, o := range w.server.pods() {
		if pod := o.(*v1alpha1.MediaPod); pod.Name != relieved.Name && pod.Spec.Drain == nil && pod.DeletionTimestamp == nil && isReady(pod) {
			ready++
		}
	}
	bot := w.server.bot()
	if bot == nil || bot.DeletionTimestamp != nil {
		return
	}
	if wanted := ptr.Deref(bot.Spec.Replicas, 0); isReady(relieved) && ready < int(min(wanted, bot.Status.DesiredReplicas)) {
		w.fail("the rollout relieved %s, and %d pods are left that take calls, %d are wanted", relieved.Name, ready, wanted)
	}
}

func isReady(pod *v1alpha1.MediaPod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

// forced: the bot is being deleted, whatever becomes of its calls.
func (w *world) forced() bool {
	bot := w.server.bot()
	return bot != nil && bot.DeletionTimestamp != nil && bot.Spec.DeletionPolicy == v1alpha1.DeletionForce
}

// incoming: a process made the object for a call that it has.
func incoming(call v1alpha1.AnyCall) bool {
	c, ok := call.(*v1alpha1.Call)
	return ok && c.Spec.Incoming != nil
}

func finished(call v1alpha1.AnyCall) bool {
	_, status := call.CallParts()
	return status.Phase.Finished()
}

// judgeCall: seats are never oversold, terminal phases never left, no call taken from a process that lives. The calls that come in
// take seats that were free in the process, which knows.
func (w *world) judgeCall(before, after client.Object) {
	held := func(o client.Object) (string, int32) {
		call, is := o.(v1alpha1.AnyCall)
		if !is || incoming(call) || drain.BoundTo(call) == "" {
			return "", 0
		}
		_, status := call.CallParts()
		return status.MediaPod, max(1, status.Seats)
	}
	was, fewer := held(before)
	now, more := held(after)
	w.given[was] -= fewer
	w.given[now] += more
	if pod := w.server.pod(now); now != "" && now != was && pod != nil && w.given[now] > pod.Spec.Capacity.Seats {
		w.fail("%s was given sessions that take %d seats, and has %d", now, w.given[now], pod.Spec.Capacity.Seats)
	}
	if before == nil || after == nil {
		return
	}
	_, a := before.(v1alpha1.AnyCall).CallParts()
	_, b := after.(v1alpha1.AnyCall).CallParts()
	name, uid := before.GetName(), before.GetUID()
	if a.Phase.Finished() && b.Phase != a.Phase {
		w.fail("%s left phase %s for %s", name, a.Phase, b.Phase)
	}
	p := w.processes[a.MediaPod]
	lives := p != nil && p.calls[name] != nil && !p.cutOff && w.live[uid] == a.MediaPod && w.server.pod(a.MediaPod) != nil && p.uid == w.server.pod(a.MediaPod).UID
	if !lives || a.Call == nil || a.Call.End != nil || b.Call != nil && b.Call.End != nil {
		return
	}
	if b.MediaPod != a.MediaPod && b.MediaPod != "" {
		w.fail("%s was given to %s while its call goes on in %s", name, b.MediaPod, a.MediaPod)
	}
	if b.Phase.Finished() {
		w.fail("%s is %s while its call goes on in %s", name, b.Phase, a.MediaPod)
	}
}

func first(a, b client.Object) client.Object {
	if a != nil {
		return a
	}
	return b
}

// tell everybody who watches of a change.
func (w *world) tell(c change) {
	if w.sessionCache != nil {
		w.follow(w.sessionCache, w.feedBinder)
		w.follow(w.fleetCache, w.feedFleet)
	}
	switch o := first(c.after, c.before).(type) {
	case *v1alpha1.MediaPod:
		switch {
		case c.before == nil:
			w.podMade(o.Name, o.UID)
		case c.after == nil:
			if p := w.processes[o.Name]; p != nil && p.uid == o.UID {
				for _, call := range p.calls {
					delete(w.live, call.object)
				}
				delete(w.processes, o.Name)
			}
		default:
			w.podChanged(o)
		}
	case v1alpha1.AnyCall:
		_, status := o.CallParts()
		if was, _ := c.before.(v1alpha1.AnyCall); was != nil && drain.BoundTo(was) != "" && (c.after == nil || drain.BoundTo(o) != drain.BoundTo(was)) {
			w.lookAt(drain.BoundTo(was)) // an emptied one may be waiting
		}
		p := w.processes[status.MediaPod]
		switch {
		case p != nil && c.after == nil:
			w.after(50*time.Millisecond, func() {
				if call := p.calls[o.GetName()]; call != nil && call.object == o.GetUID() {
					w.endCall(p, o.GetName(), v1alpha1.CallEnd{Reason: v1alpha1.EndSessionDeleted})
				}
			})
		case p != nil:
			w.after(w.between(5*time.Millisecond, 100*time.Millisecond), func() { w.bound(p, o.GetName()) })
		}
	case *v1alpha1.CallingBot:
		if c.after == nil {
			w.after(w.between(time.Second, 20*time.Minute), func() { w.applyAnew(o) })
		}
	}
}

// recorder writes what the fleet controller tells of into the log.
type recorder struct{ w *world }

// Eventf implements events.EventRecorder.
func (r recorder) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	if _, ok := regarding.(*v1alpha1.CallingBot); ok {
		r.w.acts++
		told := fmt.Sprintf(note, args...)
		for _, hash := range revisions.FindAllString(told, -1) {
			told = strings.ReplaceAll(told, hash, "revision "+r.w.ordinal(hash))
		}
		r.w.say("%s: %s", reason, told)
	}
}

// revisions are told by number: what a configuration hashes to is no part of a story.
var revisions = regexp.MustCompile("revision [0-9a-f]{10}")

func (w *world) ordinal(hash string) string {
	if _, known := w.revisions[hash]; !known {
		w.revisions[hash] = fmt.Sprint(len(w.revisions) + 1)
	}
	return w.revisions[hash]
}

type silence struct{}

// Eventf implements events.EventRecorder.
func (silence) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

func (w *world) anyOf(list []client.Object) client.Object {
	if len(list) == 0 {
		return nil
	}
	return list[w.random.IntN(len(list))]
}

func (w *world) tail(n int) string { return strings.Join(w.log[max(0, len(w.log)-n):], "\n") }
