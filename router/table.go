// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// signalingPort is where every media pod takes notifications.
const signalingPort = 9441

// Bot names one bot of one namespace.
type Bot struct{ Namespace, Name string }

// Table is the router's copy of the MediaPods. Reading takes no lock that a slow request could hold.
type Table struct {
	mu   sync.RWMutex
	pods map[Bot]map[string]pod // by name
}

// pod is what routing needs to know of a MediaPod.
type pod struct {
	name string
	addr string // host:port; empty while the pod has no address
	open bool   // takes new calls
	free int32
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{pods: map[Bot]map[string]pod{}} }

// Set takes over a version of a MediaPod.
func (t *Table) Set(mp *callfleetv1.MediaPod) {
	p := pod{name: mp.Name, free: mp.Status.Seats.Free}
	if ip, err := netip.ParseAddr(mp.Status.PodIP); err == nil {
		p.addr = netip.AddrPortFrom(ip, signalingPort).String()
	}
	p.open = p.addr != "" && mp.Spec.Drain == nil && mp.DeletionTimestamp.IsZero() &&
		meta.IsStatusConditionTrue(mp.Status.Conditions, callfleetv1.ConditionReady)
	bot := botOf(mp)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pods[bot] == nil {
		t.pods[bot] = map[string]pod{}
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

// Owner is the address of the pod that holds a call; known is false if the bot has no such pod, and the address is
// empty while the pod has none.
func (t *Table) Owner(b Bot, mediaPod string) (addr string, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, known := t.pods[b][mediaPod]
	return p.addr, known
}

// WithRoom are the addresses of the pods a new call may go to, the one with the most free seats first. Routers do not
// talk to each other, so equals come in random order.
func (t *Table) WithRoom(b Bot) []string {
	t.mu.RLock()
	var open []pod
	for _, p := range t.pods[b] {
		if p.open && p.free > 0 {
			open = append(open, p)
		}
	}
	t.mu.RUnlock()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	slices.SortStableFunc(open, func(a, b pod) int { return cmp.Compare(b.free, a.free) })
	addrs := make([]string, len(open))
	for i, p := range open {
		addrs[i] = p.addr
	}
	return addrs
}

// Knows reports whether the bot has any pod.
func (t *Table) Knows(b Bot) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.pods[b]) > 0
}
