// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// addresses hands out pod addresses. An address that was given back is used
// again as late as possible, so that who still has it in mind does not reach
// another pod.
type addresses struct {
	mu    sync.Mutex
	cidr  netip.Prefix
	next  netip.Addr
	byPod map[types.UID]netip.Addr
	inUse map[netip.Addr]bool
}

func newAddresses(cidr netip.Prefix) *addresses {
	first := cidr.Masked().Addr().Next().Next() // .0 and .1 look like network and gateway
	return &addresses{cidr: cidr, next: first, byPod: map[types.UID]netip.Addr{}, inUse: map[netip.Addr]bool{}}
}

// get returns the address of a pod, the same for every call.
func (a *addresses) get(pod types.UID) (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ip, ok := a.byPod[pod]; ok {
		return ip, nil
	}
	for start := a.next; ; {
		ip := a.next
		a.next = ip.Next()
		if !a.cidr.Contains(a.next) {
			a.next = a.cidr.Masked().Addr().Next().Next()
		}
		last := ip.As4()[3]
		if !a.inUse[ip] && last != 0 && last != 255 {
			a.byPod[pod], a.inUse[ip] = ip, true
			return ip, nil
		}
		if a.next == start {
			return netip.Addr{}, fmt.Errorf("no pod address is free in %s", a.cidr)
		}
	}
}

// reserve gives a pod the address it already has.
func (a *addresses) reserve(pod types.UID, ip string) {
	addr, err := netip.ParseAddr(ip)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, has := a.byPod[pod]; err != nil || has || !a.cidr.Contains(addr) || a.inUse[addr] {
		return
	}
	a.byPod[pod], a.inUse[addr] = addr, true
	if !addr.Less(a.next) {
		if next := addr.Next(); a.cidr.Contains(next) {
			a.next = next
		}
	}
}

func (a *addresses) release(pod types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.inUse, a.byPod[pod])
	delete(a.byPod, pod)
}
