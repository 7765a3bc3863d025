// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Session is what wants a seat, or has one.
type Session struct {
	UID  types.UID
	Name types.NamespacedName
	// Meeting is an opaque key of the meeting and the bot that only one session may be in; empty: no such rule.
	Meeting string
	// Shared: may be in the meeting although another session is.
	Shared bool
}

// Binding is one version of a session, and the pod it has a seat on.
type Binding struct {
	Session
	// Version is the resourceVersion this was read from or written with.
	Version string
	// Pod is zero while the session is unbound, and once it is finished.
	Pod types.NamespacedName
	// Seats it takes there; 0 counts as one.
	Seats int32
	// Inside: the session is in the meeting even while it is unbound, because its call goes on without a pod.
	Inside bool
}

// Ledger counts seats for the one controller that binds. It follows the watch, and runs ahead of it by the bindings
// this process has written, or is about to write, and the watch has not yet shown. A seat is therefore taken from the
// moment of Reserve; it becomes free only when the API server was seen to say so.
//
// A watch that lags can only hide a seat that became free (nobody else binds), so a stale ledger refuses; it never
// oversells.
type Ledger struct {
	mu       sync.Mutex
	sessions map[types.UID]*entry
	// seats by pod and session, and taken, their sum by pod.
	seats    map[types.NamespacedName]map[types.UID]int32
	taken    map[types.NamespacedName]int32
	meetings map[string]map[types.UID]struct{}
	gone     tombstones
}

// hold is a number of seats on a pod.
type hold struct {
	pod   types.NamespacedName
	seats int32
}

type entry struct {
	Binding
	// inFlight are seats held for a write whose answer is awaited. Only the writer ends it.
	inFlight hold
	// doubts are seats whose write went unanswered: it may have happened, or may yet.
	doubts []doubt
}

// doubt is settled by any version after base: writes carry the version they were computed from, so once the session
// has moved on from base the write has either been the one that moved it, or can never succeed.
type doubt struct {
	hold
	base string
}

// NewLedger returns an empty ledger. Before the first Reserve it must be told, through Observe, of every session there
// is, from a read that is not older than this process's right to bind.
func NewLedger() *Ledger {
	return &Ledger{
		sessions: map[types.UID]*entry{},
		seats:    map[types.NamespacedName]map[types.UID]int32{},
		taken:    map[types.NamespacedName]int32{},
		meetings: map[string]map[types.UID]struct{}{},
	}
}

// Observe takes note of a version of a session, from the watch, from a list, or from the answer to a write. Older
// versions than the newest known are ignored. It reports whether the ledger knew of this version, or a later one,
// before.
func (l *Ledger) Observe(b Binding) (known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.sessions[b.UID]; ok && e.Version != "" && compare(b.Version, e.Version) <= 0 {
		known = true
	}
	l.observe(b)
	return known
}

func (l *Ledger) observe(b Binding) {
	if l.gone.has(b.UID) {
		return
	}
	e, known := l.sessions[b.UID]
	if !known {
		e = &entry{}
		l.sessions[b.UID] = e
	} else if compare(b.Version, e.Version) < 0 {
		return
	}
	l.unlink(e)
	e.Binding = b
	kept := e.doubts[:0]
	for _, d := range e.doubts {
		if compare(b.Version, d.base) <= 0 {
			kept = append(kept, d)
		}
	}
	e.doubts = kept
	l.link(e)
}

// Forget drops a session that no longer exists. What comes late about it is ignored: a UID never returns.
func (l *Ledger) Forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.sessions[uid]; ok {
		l.unlink(e)
		delete(l.sessions, uid)
	}
	l.gone.add(uid)
}

// Version is the newest version known of a session, empty if none is.
func (l *Ledger) Version(uid types.UID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.sessions[uid]; ok {
		return e.Version
	}
	return ""
}

// Behind reports whether version is older than what the ledger knows of the session: whoever holds that version reads
// from a cache that has not caught up with this process's own writes.
func (l *Ledger) Behind(uid types.UID, version string) bool {
	known := l.Version(uid)
	return known != "" && compare(version, known) < 0
}

// Holds reports whether the session has a seat, or may have.
func (l *Ledger) Holds(uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.sessions[uid]
	return ok && len(e.holds()) > 0
}

// Loads tells how full the pods are.
func (l *Ledger) Loads(pods []Pod) []Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads(pods)
}

func (l *Ledger) loads(pods []Pod) []Load {
	loads := make([]Load, len(pods))
	for i, p := range pods {
		loads[i] = Load{Pod: p, Taken: l.taken[p.Name]}
	}
	return loads
}

// Reservation is the answer to Reserve.
type Reservation struct {
	// Pod that has the seats, and how many they are; zero if there are none.
	Pod   types.NamespacedName
	Seats int32
	// Rival is the session that is in the meeting already, if that is why there is no seat.
	Rival types.NamespacedName
}

// Reserve takes the seats that the session needs on one of the pods. A reservation must be ended by exactly one of Confirm,
// Release and Doubt.
func (l *Ledger) Reserve(s Session, pods []Pod, order Order) (Reservation, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone.has(s.UID) {
		return Reservation{}, false
	}
	if rival, ok := l.rival(s); ok {
		return Reservation{Rival: rival}, false
	}
	e, known := l.sessions[s.UID]
	if !known {
		e = &entry{}
	}
	pod, ok := l.pick(e, pods, order)
	if !ok {
		return Reservation{}, false
	}
	l.unlink(e)
	e.Session = s
	e.inFlight = hold{pod.Name, pod.cost()}
	l.sessions[s.UID] = e
	l.link(e)
	return Reservation{Pod: pod.Name, Seats: pod.cost()}, true
}

// pick prefers a pod a write in doubt has named: the seats are taken anyway, and doing the same again cannot bind twice.
func (l *Ledger) pick(e *entry, pods []Pod, order Order) (Pod, bool) {
	for _, d := range e.doubts {
		for _, p := range pods {
			if p.Name == d.pod && p.cost() <= d.seats {
				return p, true
			}
		}
	}
	return Choose(l.loads(pods), order)
}

// rival finds who holds the meeting.
func (l *Ledger) rival(s Session) (types.NamespacedName, bool) {
	if s.Meeting == "" || s.Shared {
		return types.NamespacedName{}, false
	}
	for uid := range l.meetings[s.Meeting] {
		if uid != s.UID {
			return l.sessions[uid].Name, true
		}
	}
	return types.NamespacedName{}, false
}

// Confirm ends a reservation whose write succeeded, with what the API server answered.
func (l *Ledger) Confirm(b Binding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.land(b.UID)
	l.observe(b)
}

// Release ends a reservation whose write did certainly not happen.
func (l *Ledger) Release(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.land(uid)
}

// Doubt ends a reservation whose write, computed from version base, got no answer. The seat stays taken until the
// session is seen to have moved on from base.
func (l *Ledger) Doubt(uid types.UID, base string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.sessions[uid]
	if !ok || e.inFlight.pod.Name == "" {
		return
	}
	held := e.inFlight
	l.land(uid)
	if compare(e.Version, base) > 0 {
		return // it has moved on already, and the watch has told whether by this write
	}
	l.unlink(e)
	e.doubts = append(e.doubts, doubt{hold: held, base: base})
	l.link(e)
}

func (l *Ledger) land(uid types.UID) {
	e, ok := l.sessions[uid]
	if !ok {
		return
	}
	l.unlink(e)
	e.inFlight = hold{}
	l.link(e)
}

// holds are the seats that the session has, or may have.
func (e *entry) holds() []hold {
	var holds []hold
	if e.Pod.Name != "" {
		holds = append(holds, hold{e.Pod, max(1, e.Seats)})
	}
	if e.inFlight.pod.Name != "" {
		holds = append(holds, e.inFlight)
	}
	for _, d := range e.doubts {
		holds = append(holds, d.hold)
	}
	return holds
}

func (l *Ledger) link(e *entry) {
	holds := e.holds()
	for _, h := range holds {
		// Several of them on one pod are the same seats: however many writes there were, one of them holds in the end.
		if had := l.seats[h.pod][e.UID]; h.seats > had {
			if l.seats[h.pod] == nil {
				l.seats[h.pod] = map[types.UID]int32{}
			}
			l.seats[h.pod][e.UID] = h.seats
			l.taken[h.pod] += h.seats - had
		}
	}
	if (len(holds) > 0 || e.Inside) && e.Meeting != "" {
		add(l.meetings, e.Meeting, e.UID)
	}
}

func (l *Ledger) unlink(e *entry) {
	for _, h := range e.holds() {
		had, ok := l.seats[h.pod][e.UID]
		if !ok {
			continue
		}
		l.taken[h.pod] -= had
		if delete(l.seats[h.pod], e.UID); len(l.seats[h.pod]) == 0 {
			delete(l.seats, h.pod)
			delete(l.taken, h.pod)
		}
	}
	if e.Meeting != "" {
		remove(l.meetings, e.Meeting, e.UID)
	}
}

func add[K comparable](m map[K]map[types.UID]struct{}, k K, uid types.UID) {
	if m[k] == nil {
		m[k] = map[types.UID]struct{}{}
	}
	m[k][uid] = struct{}{}
}

func remove[K comparable](m map[K]map[types.UID]struct{}, k K, uid types.UID) {
	delete(m[k], uid)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}

// compare orders resource versions. Kubernetes guarantees since 1.35 that those of one resource compare as decimal
// numbers (KEP-5504), and etcd's revisions always did. The empty version is older than any.
func compare(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return -1
	case b == "":
		return 1
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	if err != nil {
		return 0 // not from an API server; the writes' own optimistic lock still holds
	}
	return order
}
