// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"net/netip"
	"strings"
	"testing"
)

// As many as package cluster has.
const slots = 32

func TestNoAddressIsOfTwoClusters(t *testing.T) {
	all := netip.MustParsePrefix("198.18.0.0/15")
	var seen []netip.Prefix
	for slot := range slots {
		n := Network{Slot: slot, Nodes: MaxNodes}
		nodes := netip.PrefixFrom(n.Host(), 24).Masked()
		for _, p := range []netip.Prefix{nodes, n.Pods(), n.Services(), n.Balancers()} {
			if !all.Contains(p.Addr()) || p.Masked() != p {
				t.Errorf("slot %d has %s, which is not within %s", slot, p, all)
			}
			for _, other := range seen {
				if p.Overlaps(other) {
					t.Errorf("slot %d has %s, and another one %s", slot, p, other)
				}
			}
			seen = append(seen, p)
		}
		for i := 1; i <= MaxNodes; i++ {
			if !nodes.Contains(n.Node(i)) || n.Node(i) == n.Host() {
				t.Errorf("slot %d: node %d is at %s, the host at %s", slot, i, n.Node(i), n.Host())
			}
			if !n.Pods().Overlaps(n.PodsOf(i)) || i > 1 && n.PodsOf(i).Overlaps(n.PodsOf(i-1)) {
				t.Errorf("slot %d: pods of node %d are in %s", slot, i, n.PodsOf(i))
			}
		}
	}
}

func TestInterfacesHaveNamesThatLinuxTakes(t *testing.T) {
	const limit = 15 // IFNAMSIZ with its zero
	if name := (Network{Slot: slots - 1}).port(MaxNodes); len(name) > limit {
		t.Errorf("%s has %d characters, at most %d are allowed", name, len(name), limit)
	}
}

func TestEveryNodeKnowsTheWayToThePodsOfTheOthers(t *testing.T) {
	n := Network{Slot: 3, Nodes: 3}
	for i := 1; i <= n.Nodes; i++ {
		setup := n.nodeSetup(i)
		for other := 1; other <= n.Nodes; other++ {
			route := "route add " + n.PodsOf(other).String() + " via " + n.Node(other).String() + "\n"
			if has := strings.Contains(setup, route); has != (other != i) {
				t.Errorf("node %d has a route to the pods of node %d: %v", i, other, has)
			}
		}
	}
}
