// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// MaxNodes is how many nodes the addresses of one cluster are enough for.
const MaxNodes = 4

// Network is where the nodes of one cluster are. The nodes are on a bridge of
// the host, each in a network namespace of its own, and the host reaches
// everything in the cluster by routes over that bridge: nothing outside the
// namespaces translates addresses, forwards packets or has firewall rules.
//
// Addresses are those for measuring network devices (RFC 2544), which are in
// use nowhere else: not at home, not in offices, not in clouds or VPNs. Each
// slot has a /20 of them:
//
//	slot n:   198.18.(16n).0/20
//	nodes     the first /24; the host has .1, node i has .(10+i)
//	pods      the second /22, a /24 for each node
//	services  the third /22
//	balancers the fourth /22
type Network struct {
	Slot  int // tells the clusters of one machine apart
	Nodes int
}

// cidr is the nth /22 of the slot.
func (n Network) cidr(nth int) netip.Prefix {
	third := 16*n.Slot + 4*nth
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + third/256), byte(third % 256), 0}), 22)
}

// host is an address in the net of the nodes.
func (n Network) host(last byte) netip.Addr {
	a := n.cidr(0).Addr().As4()
	a[3] = last
	return netip.AddrFrom4(a)
}

// Host is the address of the machine itself, as the nodes and their pods see it.
func (n Network) Host() netip.Addr { return n.host(1) }

// Node is the address of node i, the first of which is 1.
func (n Network) Node(i int) netip.Addr { return n.host(byte(10 + i)) }

// Pods is where the pods of all nodes are.
func (n Network) Pods() netip.Prefix { return n.cidr(1) }

// PodsOf is where the pods of one node are.
func (n Network) PodsOf(i int) netip.Prefix {
	a := n.Pods().Addr().As4()
	a[2] += byte(i - 1)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

// Services is where cluster IPs are.
func (n Network) Services() netip.Prefix { return n.cidr(2) }

// Balancers is where Services of type LoadBalancer have their addresses.
func (n Network) Balancers() netip.Prefix { return n.cidr(3) }

// Name of the node, in Kubernetes.
func (n Network) Name(i int) string { return "node" + strconv.Itoa(i) }

// bridgePrefix begins the names of our bridges, and of nothing else on a host.
const bridgePrefix = "cfkube"

func (n Network) bridge() string { return bridgePrefix + strconv.Itoa(n.Slot) }

// port is the host's end of the cable to a node. Names of interfaces have 15
// characters at most.
func (n Network) port(i int) string { return fmt.Sprintf("%sn%d", n.bridge(), i) }

// hostSetup are the commands for ip(8) that make the bridge.
func (n Network) hostSetup() string {
	return fmt.Sprintf("link add %[1]s type bridge\naddr add %[2]s/24 dev %[1]s\nlink set %[1]s up\n", n.bridge(), n.Host())
}

// plugIn are the commands that lay the cable to a node, whose namespace that
// of a process is, and the routes to it. Cluster IPs have to be reached by
// way of a node, as only nodes know what is behind them: that is the first.
func (n Network) plugIn(i, pid int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "link add %s type veth peer name eth0 netns %d\n", n.port(i), pid)
	fmt.Fprintf(&b, "link set %s master %s up\n", n.port(i), n.bridge())
	fmt.Fprintf(&b, "route add %s via %s dev %s\n", n.PodsOf(i), n.Node(i), n.bridge())
	if i == 1 {
		fmt.Fprintf(&b, "route add %s via %s dev %s\n", n.Services(), n.Node(i), n.bridge())
		fmt.Fprintf(&b, "route add %s via %s dev %s\n", n.Balancers(), n.Node(i), n.bridge())
	}
	return b.String()
}

// nodeSetup are the commands inside the namespace of a node.
func (n Network) nodeSetup(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\nroute add default via %s\n", n.Node(i), n.Host())
	for other := 1; other <= n.Nodes; other++ {
		if other != i {
			fmt.Fprintf(&b, "route add %s via %s\n", n.PodsOf(other), n.Node(other))
		}
	}
	return b.String()
}
