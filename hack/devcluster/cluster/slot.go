// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/callfleet/callfleet/hack/devcluster/plane"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// A slot gives a cluster what it must not share with another cluster on the
// same machine: its pod addresses, its service addresses and its ports.
//
//	slot n: pods 127.(64+n).0.0/16, services 127.(96+n).0.0/16, ports from 20000+50n
//
// All of 127.0.0.0/8 is local on Linux, so neither routes nor root are needed.
// The ports are below the range Linux takes ephemeral ports from (32768 up,
// ip_local_port_range), so a port is still free when a component is stopped
// for a while and started again.
const (
	slots        = 32
	podOctet     = 64
	serviceOctet = 96
	firstPort    = 20000
	portsPerSlot = 50
)

func podCIDR(slot int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(podOctet + slot), 0, 0}), 16)
}

func serviceCIDR(slot int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(serviceOctet + slot), 0, 0}), 16)
}

func slotPorts(slot int) (ports plane.Ports, kubelet int) {
	base := firstPort + slot*portsPerSlot
	return plane.Ports{APIServer: base, EtcdClient: base + 1, EtcdPeer: base + 2, ControllerManager: base + 3, Scheduler: base + 4}, base + 5
}

// registry is the folder in which the clusters of a user note their slots.
type registry string

func userRegistry() (registry, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder where clusters note themselves: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return registry(filepath.Join(cache, "callfleet", "devclusters")), nil
}

// claim takes a free slot for the cluster with its state in dir. A cluster
// that had a slot before gets that one or none, as its addresses are in its
// data; wanted is -1 for one that had none.
func (r registry) claim(dir string, wanted int) (int, error) {
	unlock, err := r.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	if wanted >= 0 {
		if holder, taken := r.holder(wanted); taken && holder != dir {
			return 0, fmt.Errorf("the addresses of the cluster in %s are in use by the one in %s; run \"down\" for one of them", dir, holder)
		}
		return wanted, r.note(wanted, dir)
	}
	for slot := range slots {
		if _, taken := r.holder(slot); taken || !portsFree(slot) {
			continue
		}
		return slot, r.note(slot, dir)
	}
	return 0, fmt.Errorf("all %d clusters that fit on one machine are in use; run \"devcluster down\" for one of them", slots)
}

// release frees the slot of a cluster that was taken down.
func (r registry) release(slot int, dir string) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if data, err := os.ReadFile(r.dirPath(slot)); err != nil || string(data) != dir {
		return nil // somebody else's by now
	}
	for _, path := range []string{r.dirPath(slot), r.ownerPath(slot)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("releasing the cluster's addresses: %w", err)
		}
	}
	return nil
}

// holder returns whose slot it is. It is nobody's when the process that
// claimed it and all the processes of the cluster are gone.
func (r registry) holder(slot int) (dir string, taken bool) {
	data, err := os.ReadFile(r.dirPath(slot))
	if err != nil {
		return "", false
	}
	dir = string(data)
	if _, alive := proc.Find(r.ownerPath(slot)); alive {
		return dir, true
	}
	if running(dir) {
		return dir, true
	}
	return "", false
}

// running says whether any component of the cluster in dir runs.
func running(dir string) bool {
	pids, _ := filepath.Glob(filepath.Join(dir, "run", "*.pid"))
	return slices.ContainsFunc(pids, func(pid string) bool {
		_, alive := proc.Find(pid)
		return alive
	})
}

func (r registry) note(slot int, dir string) error {
	if err := proc.WriteSelf(r.ownerPath(slot)); err != nil {
		return fmt.Errorf("noting the cluster's addresses: %w", err)
	}
	if err := os.WriteFile(r.dirPath(slot), []byte(dir), 0o644); err != nil {
		return fmt.Errorf("noting the cluster's addresses: %w", err)
	}
	return nil
}

func (r registry) dirPath(slot int) string {
	return filepath.Join(string(r), strconv.Itoa(slot)+".dir")
}

func (r registry) ownerPath(slot int) string {
	return filepath.Join(string(r), strconv.Itoa(slot)+".pid")
}

func (r registry) lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(r), 0o755); err != nil {
		return nil, fmt.Errorf("noting the cluster's addresses: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(string(r), ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("noting the cluster's addresses: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", strings.TrimSpace(f.Name()), err)
	}
	return func() { f.Close() }, nil
}

// portsFree says whether nobody listens on the ports of a slot.
func portsFree(slot int) bool {
	ports, kubelet := slotPorts(slot)
	for _, port := range []int{ports.APIServer, ports.EtcdClient, ports.EtcdPeer, ports.ControllerManager, ports.Scheduler, kubelet} {
		l, err := net.Listen("tcp", net.JoinHostPort(plane.Host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
