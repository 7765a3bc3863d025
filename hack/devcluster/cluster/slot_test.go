// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/hack/devcluster/plane"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

func TestSlotsDoNotOverlap(t *testing.T) {
	seen := map[string]int{}
	ports := map[int]int{}
	for slot := range slots {
		for _, cidr := range []string{podCIDR(slot).String(), serviceCIDR(slot).String()} {
			if other, taken := seen[cidr]; taken {
				t.Errorf("slots %d and %d share %s", other, slot, cidr)
			}
			if !strings.HasPrefix(cidr, "127.") || cidr == "127.0.0.0/16" {
				t.Errorf("slot %d: %s is not a loopback range of its own", slot, cidr)
			}
			seen[cidr] = slot
		}
		p, kubelet := slotPorts(slot)
		for _, port := range []int{p.APIServer, p.EtcdClient, p.EtcdPeer, p.ControllerManager, p.Scheduler, kubelet} {
			if other, taken := ports[port]; taken {
				t.Errorf("slots %d and %d share port %d", other, slot, port)
			}
			if port < 1024 || port >= 30000 { // node ports begin there, ephemeral ones at 32768
				t.Errorf("slot %d has port %d", slot, port)
			}
			ports[port] = slot
		}
	}
	if podCIDR(0).String() != "127.64.0.0/16" || serviceCIDR(0).String() != "127.96.0.0/16" {
		t.Error("the first cluster has other addresses than documented")
	}
}

func TestClaim(t *testing.T) {
	reg := registry(t.TempDir())
	dir := func() string { return t.TempDir() }
	first, second := dir(), dir()
	one, err := reg.claim(first, -1)
	if err != nil {
		t.Fatal(err)
	}
	two, err := reg.claim(second, -1)
	if err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Fatalf("two clusters share slot %d", one)
	}
	if again, err := reg.claim(first, one); err != nil || again != one {
		t.Errorf("the same cluster again: %d, %v", again, err)
	}
	if _, err := reg.claim(second, one); err == nil || !strings.Contains(err.Error(), first) {
		t.Errorf("a slot in use: error = %v, want one that names its holder", err)
	}
	if err := reg.release(one, second); err != nil {
		t.Error(err)
	}
	if _, taken := reg.holder(one); !taken {
		t.Error("a slot was released by somebody else")
	}
	if err := reg.release(one, first); err != nil {
		t.Error(err)
	}
	if got, err := reg.claim(second, one); err != nil || got != one {
		t.Errorf("a released slot: %d, %v", got, err)
	}
}

func TestASlotIsHeldWhileAProcessOfTheClusterLives(t *testing.T) {
	reg := registry(t.TempDir())
	dir := t.TempDir()
	slot, err := reg.claim(dir, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(reg.ownerPath(slot)); err != nil { // the one who claimed it has ended
		t.Fatal(err)
	}
	if holder, taken := reg.holder(slot); taken {
		t.Errorf("%s holds the slot with no process", holder)
	}
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := proc.WriteSelf(filepath.Join(dir, "run", "etcd.pid")); err != nil {
		t.Fatal(err)
	}
	if holder, taken := reg.holder(slot); !taken || holder != dir {
		t.Errorf("holder = %q, %v; etcd of the cluster still runs", holder, taken)
	}
}

func TestASlotWithAPortInUseIsPassedOver(t *testing.T) {
	reg := registry(t.TempDir())
	slot, err := reg.claim(t.TempDir(), -1)
	if err != nil {
		t.Fatal(err)
	}
	next := slot + 1
	for !portsFree(next) {
		next++
	}
	ports, _ := slotPorts(next)
	l, err := net.Listen("tcp", net.JoinHostPort(plane.Host, strconv.Itoa(ports.Scheduler)))
	if err != nil {
		t.Skipf("somebody took the port first: %v", err)
	}
	defer l.Close()
	if got, err := reg.claim(t.TempDir(), -1); err != nil || got == next || got == slot {
		t.Errorf("claimed %d, %v; %d has a port in use, %d is taken", got, err, next, slot)
	}
}

func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	if _, found, err := readState(dir); found || err != nil {
		t.Fatalf("an empty folder holds a cluster: %v, %v", found, err)
	}
	want := newState(3, 0)
	want.Images["a"] = "/bin/a"
	if err := want.write(dir); err != nil {
		t.Fatal(err)
	}
	got, found, err := readState(dir)
	if err != nil || !found || got.Slot != 3 || got.PodCIDR != want.PodCIDR || got.Images["a"] != "/bin/a" {
		t.Errorf("read %+v, %v, %v", got, found, err)
	}
	if path, ok := imagesOf(dir)("a"); !ok || path != "/bin/a" {
		t.Errorf("image = %q, %v", path, ok)
	}
	if err := os.WriteFile(statePath(dir), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readState(dir); err == nil || !strings.Contains(err.Error(), statePath(dir)) {
		t.Errorf("a broken file: error = %v", err)
	}
}
