// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/callfleet/callfleet/hack/devcluster/kubelet"
	"github.com/callfleet/callfleet/hack/devcluster/plane"
)

// NodeName is the name of the one node of a cluster.
const NodeName = "local"

// state is what a cluster is, kept in cluster.json of its folder.
type state struct {
	Slot        int               `json:"slot"`
	Ports       plane.Ports       `json:"ports"`
	KubeletPort int               `json:"kubeletPort"`
	PodCIDR     netip.Prefix      `json:"podCIDR"`
	ServiceCIDR netip.Prefix      `json:"serviceCIDR"`
	NodeIP      netip.Addr        `json:"nodeIP"`
	Images      map[string]string `json:"images"` // image name to host binary
	// Kubelets is how many real nodes there are; 0: the one whose pods are processes.
	Kubelets int `json:"kubelets,omitempty"`
}

// network is where real nodes are.
func (s state) network() kubelet.Network { return kubelet.Network{Slot: s.Slot, Nodes: s.Kubelets} }

// apiAddress is where the API server listens, if not on loopback.
func (s state) apiAddress() netip.Addr {
	if s.Kubelets == 0 {
		return netip.Addr{}
	}
	return s.network().Host()
}

func newState(slot, kubelets int) state {
	ports, port := slotPorts(slot)
	if kubelets > 0 {
		s := state{Slot: slot, Ports: ports, KubeletPort: port, Kubelets: kubelets, Images: map[string]string{}}
		s.PodCIDR, s.ServiceCIDR, s.NodeIP = s.network().Pods(), s.network().Services(), s.network().Node(1)
		return s
	}
	return state{
		Slot: slot, Ports: ports, KubeletPort: port,
		PodCIDR: podCIDR(slot), ServiceCIDR: serviceCIDR(slot),
		NodeIP: netip.MustParseAddr(plane.Host),
		Images: map[string]string{},
	}
}

func statePath(dir string) string { return filepath.Join(dir, "cluster.json") }

// readState reads the state of the cluster in dir; found is false if there is
// no cluster.
func readState(dir string) (s state, found bool, err error) {
	data, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("reading the cluster's state: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return state{}, false, fmt.Errorf("reading the cluster's state from %s: %w", statePath(dir), err)
	}
	return s, true, nil
}

func (s state) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	tmp := statePath(dir) + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := os.Rename(tmp, statePath(dir)); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return nil
}
