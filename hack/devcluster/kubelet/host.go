// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// cniDirs are where packages put the plug-ins of the container network
// interface: Debian's, and everybody else's.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin"}

// programs are what nodes need besides kubelet and kube-proxy, with the
// packages of Debian that have them.
var programs = []struct{ name, pkg string }{
	{"containerd", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"},
	{"iptables", "iptables"}, {"nft", "nftables"}, {"conntrack", "conntrack"}, {"ip", "iproute2"}, {"socat", "socat"},
	{"nsenter", "util-linux"}, {"unshare", "util-linux"}, {"mount", "mount"},
}

// Check says what the machine lacks for real nodes, and how to get it.
func Check() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("real kubelets need Linux, this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("real kubelets need root: they make namespaces, mounts and cgroups; run this as root, or without --nodes")
	}
	return missing(exec.LookPath, cniDir())
}

func missing(look func(string) (string, error), cni string) error {
	var names, packages []string
	for _, p := range programs {
		if _, err := look(p.name); err != nil {
			names, packages = append(names, p.name), append(packages, p.pkg)
		}
	}
	if cni == "" {
		names, packages = append(names, "the network plug-ins bridge, host-local and portmap"), append(packages, "containernetworking-plugins")
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(packages)
	return fmt.Errorf("real kubelets need what is not installed here: %s. On Debian:\n  apt-get install --no-install-recommends %s",
		strings.Join(names, ", "), strings.Join(slices.Compact(packages), " "))
}

// cniDir is the folder that has the plug-ins we use, or nothing.
func cniDir() string {
	for _, dir := range cniDirs {
		if !slices.ContainsFunc([]string{"bridge", "host-local", "portmap", "loopback"}, func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err != nil
		}) {
			return dir
		}
	}
	return ""
}

// sysctls are the settings that a kubelet changes for the whole machine, not
// for its namespaces (pkg/util/sysctl and setupKernelTunables of Kubernetes).
var sysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// settings keep what the machine had before the first kubelet in a file.
type settings struct {
	path string
	proc string // /proc/sys
}

// save notes the settings, unless another cluster has changed them already.
func (s settings) save() error {
	if _, err := os.Stat(s.path); err == nil {
		return nil
	}
	before := map[string]string{}
	for _, name := range sysctls {
		value, err := os.ReadFile(filepath.Join(s.proc, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another kernel
		}
		if err != nil {
			return fmt.Errorf("noting the kernel's settings: %w", err)
		}
		before[name] = strings.TrimSpace(string(value))
	}
	data, err := json.Marshal(before)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(s.path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(s.path, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("noting the kernel's settings: %w", err)
	}
	return nil
}

// restore puts back what save noted.
func (s settings) restore() error {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var before map[string]string
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	errs := []error{err}
	for name, value := range before {
		path := filepath.Join(s.proc, name)
		if now, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == value {
			continue
		}
		errs = append(errs, os.WriteFile(path, []byte(value), 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("putting the kernel's settings back as %s has them: %w", s.path, err)
	}
	return os.Remove(s.path)
}
