// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// signalingPort is where every media pod takes notifications.
	signalingPort = 9441
	// reportLag is how long a call may be under way to a pod before the pod's report of its seats counts it; agents report
	// about once a second.
	reportLag = 3 * time.Second
	// avoidFor is how long a pod that could not be reached is asked last. One that can be reached but says nothing costs the call
	// that asks it a second, so it is avoided for twice as long each time, up to maxAvoidFor.
	avoidFor    = 5 * time.Second
	maxAvoidFor = 2 * time.Minute
)

// Bot names one bot of one namespace.
type Bot struct{ Namespace, Name string }

// Table is the router's copy of the MediaPods.
type Table struct {
	clock clock.PassiveClock

	mu   sync.RWMutex
	pods map[Bot]map[string]*pod // by name
}

// pod is what routing needs to know of a MediaPod.
type pod struct {
	target
	uid    string
	media  string // host:port of the media port as far sides know it; empty while there is none
	open   bool   // takes new calls
	hosted bool   // its calls outlive it
	seats  callfleetv1.Seats
	needs  int32 // seats that a new call takes at the least

	// What this router saw itself since the report.
	asking int32       // new calls under way to it
	sent   []time.Time // when it took calls, the latest last; those of the last reportLag count
	avoid  time.Time   // until when

	silences int       // how often in a row it said nothing in time
	silentAt time.Time // when it was last counted
}

// target is where to send a request.
type target struct {
	name string
	addr string // host:port; empty while the pod has no address
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{clock: clock.RealClock{}, pods: map[Bot]map[string]*pod{}} }

// Set takes over a version of a MediaPod.
func (t *Table) Set(mp *callfleetv1.MediaPod) {
	p := &pod{target: target{name: mp.Name}, uid: string(mp.UID), hosted: serviceHosted(mp), seats: mp.Status.Seats,
		needs: callfleetv1.LeastIncomingSeats(&mp.Spec.Media, mp.Spec.Incoming)}
	if ip, err := netip.ParseAddr(mp.Status.PodIP); err == nil {
		p.addr = netip.AddrPortFrom(ip, signalingPort).String()
	}
	if e := mp.Status.Endpoint; e != nil {
		p.media = net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	}
	p.open = p.addr != "" && mp.Spec.Drain == nil && mp.DeletionTimestamp.IsZero() &&
		meta.IsStatusConditionTrue(mp.Status.Conditions, callfleetv1.ConditionReady)
	bot := botOf(mp)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pods[bot] == nil {
		t.pods[bot] = map[string]*pod{}
	}
	if old := t.pods[bot][mp.Name]; old != nil && old.addr == p.addr {
		p.asking = old.asking
		if old.open || !p.open { // a pod that became Ready is not the one that hung
			p.avoid, p.silences, p.silentAt = old.avoid, old.silences, old.silentAt
		}
		if old.seats == p.seats {
			p.sent = old.sent
		}
	}
	t.pods[bot][mp.Name] = p
}

// Delete forgets a MediaPod.
func (t *Table) Delete(mp *callfleetv1.MediaPod) {
	bot := botOf(mp)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pods[bot], mp.Name)
	if len(t.pods[bot]) == 0 {
		delete(t.pods, bot)
	}
}

func botOf(mp *callfleetv1.MediaPod) Bot { return Bot{mp.Namespace, mp.Spec.BotRef.Name} }

// owner is where the named pod is reached; known is false if the bot has no such pod, and the address is empty while the
// pod has none.
func (t *Table) owner(b Bot, mediaPod string) (to target, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, known := t.pods[b][mediaPod]
	if !known {
		return target{}, false
	}
	return p.target, true
}

// media is where far sides find the media port of the named pod; empty while that is not known.
func (t *Table) media(b Bot, mediaPod string) (hostPort string, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, known := t.pods[b][mediaPod]
	if !known {
		return "", false
	}
	return p.media, true
}

// serviceHosted reports whether the bot's calls outlive its pods.
func (t *Table) serviceHosted(b Bot) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.pods[b] {
		if p.hosted {
			return true
		}
	}
	return false
}

// withRoom are the pods a new call may go to, the one with the most free seats first. Routers do not talk to each other, so
// equals come in random order.
func (t *Table) withRoom(b Bot) []target {
	return t.pick(b, func(p *pod, free int32) (rank int, ok bool) { return 0, p.open && free >= p.needs })
}

// reachable are all pods that have an address: those that take new calls, the others after them.
func (t *Table) reachable(b Bot) []target {
	return t.pick(b, func(p *pod, _ int32) (rank int, ok bool) {
		if p.open {
			return 0, true
		}
		return 1, p.addr != ""
	})
}

// lastResorts are the pods that may be told to dispose of a new call: those that take calls and were not asked yet, as they may
// have a seat that the table does not know of; then those that were asked and answered; then those that take no calls. Pods
// that were asked and did not answer (false in asked) are left out, and the given ones.
func (t *Table) lastResorts(b Bot, asked map[string]bool, but ...target) []target {
	return t.pick(b, func(p *pod, _ int32) (rank int, ok bool) {
		answered, wasAsked := asked[p.name]
		if p.addr == "" || wasAsked && !answered || slices.Contains(but, p.target) {
			return 0, false
		}
		switch {
		case p.open && !wasAsked:
			return 0, true
		case p.open:
			return 1, true
		}
		return 2, true
	})
}

// pick sorts the pods that wanted lets through: those that could not be reached lately last, then by rank, then by free seats.
func (t *Table) pick(b Bot, wanted func(p *pod, free int32) (rank int, ok bool)) []target {
	type candidate struct {
		target
		avoid int
		rank  int
		free  int32
	}
	now := t.clock.Now()
	t.mu.RLock()
	candidates := make([]candidate, 0, len(t.pods[b]))
	for _, p := range t.pods[b] {
		free := p.free(now)
		rank, ok := wanted(p, free)
		if !ok {
			continue
		}
		c := candidate{p.target, 0, rank, free - p.asking*p.needs}
		if now.Before(p.avoid) {
			c.avoid = 1
		}
		candidates = append(candidates, c)
	}
	t.mu.RUnlock()
	rand.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.avoid, b.avoid), cmp.Compare(a.rank, b.rank), cmp.Compare(b.free, a.free))
	})
	targets := make([]target, len(candidates))
	for i, c := range candidates {
		targets[i] = c.target
	}
	return targets
}

// free seats: as reported, less the calls sent since that the report cannot know of. A call that a pod took and rejected, or
// that is over, takes no seat; so each counts for a while only, however many come after it.
func (p *pod) free(now time.Time) int32 {
	return max(0, p.seats.Free-int32(len(p.unreported(now)))*p.needs)
}

// unreported is when those calls were sent.
func (p *pod) unreported(now time.Time) []time.Time {
	for i, at := range p.sent {
		if now.Sub(at) <= reportLag {
			return p.sent[i:]
		}
	}
	return nil
}

// asks is told when a pod is asked to take a new call. Calls under way only decide who is asked first: they may be junk.
func (t *Table) asks(b Bot, to target) {
	t.change(b, to, func(p *pod, now time.Time) {
		p.asking++
		if p.silences > 0 && !now.Before(p.avoid) {
			p.avoid = now.Add(verdictTimeout) // one call finds out whether it still hangs, not all that come meanwhile
		}
	})
}

// asked is told how that ended.
func (t *Table) asked(b Bot, to target, took bool) {
	t.change(b, to, func(p *pod, now time.Time) {
		p.asking = max(0, p.asking-1)
		if !took {
			return
		}
		p.sent = append(p.unreported(now), now)
	})
}

// failed is told when a pod could not be reached.
func (t *Table) failed(b Bot, to target) {
	t.change(b, to, func(p *pod, now time.Time) { p.avoid = now.Add(avoidFor) })
}

// silent is told when a pod did not say a word in time.
func (t *Table) silent(b Bot, to target) {
	t.change(b, to, func(p *pod, now time.Time) {
		if p.silences == 0 || now.Sub(p.silentAt) >= avoidFor { // requests that waited side by side count once
			p.silences, p.silentAt = p.silences+1, now
		}
		p.avoid = now.Add(min(avoidFor<<min(p.silences-1, 10), maxAvoidFor))
	})
}

// spoke is told when a pod answered, whatever it said.
func (t *Table) spoke(b Bot, to target) {
	t.mu.RLock()
	p := t.pods[b][to.name]
	news := p != nil && !p.avoid.IsZero()
	t.mu.RUnlock()
	if news {
		t.change(b, to, func(p *pod, _ time.Time) { p.avoid, p.silences = time.Time{}, 0 })
	}
}

func (t *Table) change(b Bot, to target, how func(*pod, time.Time)) {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.pods[b][to.name]; p != nil && p.target == to {
		how(p, now)
	}
}

// knows reports whether the bot has any pod.
func (t *Table) knows(b Bot) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.pods[b]) > 0
}

// proofs show that this router sees the bot's pods.
func (t *Table) proofs(b Bot, nonce string) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var proofs []string
	for _, p := range t.pods[b] {
		if len(proofs) == selftest.MaxProofs {
			break
		}
		proofs = append(proofs, selftest.Prove(nonce, p.uid))
	}
	return proofs
}
