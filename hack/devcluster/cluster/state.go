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
}

func newState(slot int) state {
	ports, kubelet := slotPorts(slot)
	return state{
		Slot: slot, Ports: ports, KubeletPort: kubelet,
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
