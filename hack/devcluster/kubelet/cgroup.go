// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupMount = "/sys/fs/cgroup"

// cgroup is the control group of one node. Everything that runs for the node
// is in it, in a group for its own programs or in those that kubelet makes for
// pods: so what has to end is known even when nobody is left who started it.
type cgroup struct {
	mount string // /sys/fs/cgroup
	name  string
}

// own is the group for what is not a pod's.
const own = "own"

// hierarchies are where the group has to exist: one for each controller in
// version 1 and that of version 2 where both are, or the only one of version 2.
func (c cgroup) hierarchies() ([]string, error) {
	if c.unified() {
		return []string{c.mount}, nil
	}
	entries, err := os.ReadDir(c.mount)
	if err != nil {
		return nil, fmt.Errorf("looking for control groups: %w", err)
	}
	var all []string
	for _, e := range entries {
		dir := filepath.Join(c.mount, e.Name())
		// Links such as cpu → cpu,cpuacct are followed by whoever uses them.
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil || !e.IsDir() {
			continue
		}
		all = append(all, dir)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no control groups in %s; kubelets need them", c.mount)
	}
	return all, nil
}

func (c cgroup) unified() bool {
	_, err := os.Stat(filepath.Join(c.mount, "cgroup.controllers"))
	return err == nil
}

// create makes the group everywhere. A cpuset of version 1 begins empty, and
// nothing can run in it before it has cores and memory.
func (c cgroup) create() error {
	all, err := c.hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := os.MkdirAll(filepath.Join(h, c.name, own), 0o755); err != nil {
			return fmt.Errorf("making a control group: %w", err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h, file))
			if c.unified() || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			for _, group := range []string{c.name, filepath.Join(c.name, own)} {
				if err == nil {
					err = os.WriteFile(filepath.Join(h, group, file), value, 0o644)
				}
			}
			if err != nil {
				return fmt.Errorf("giving a control group cores and memory: %w", err)
			}
		}
	}
	return nil
}

// procsFile is what a process writes itself into to belong to the node. With
// version 1, one hierarchy is enough to find it.
func (c cgroup) procsFile() (string, error) {
	all, err := c.hierarchies()
	if err != nil {
		return "", err
	}
	at := all[0]
	for _, h := range all {
		if filepath.Base(h) == "pids" {
			at = h
		}
	}
	return filepath.Join(at, c.name, own, "cgroup.procs"), nil
}

// remove kills everything in the group and removes it.
func (c cgroup) remove() error {
	all, err := c.hierarchies()
	if err != nil {
		return err
	}
	// Killed processes need a moment, and some may have forked meanwhile.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := 0
		for _, h := range all {
			n, err := killAll(filepath.Join(h, c.name))
			if err != nil {
				return err
			}
			left += n
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes and groups of %s do not go away, even when killed", left, c.name)
		}
	}
}

// killAll kills what is in the group and below, removes what is empty, and
// tells how much is left.
func killAll(dir string) (left int, err error) {
	var groups []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("looking for what runs in %s: %w", dir, err)
	}
	for _, group := range slices.Backward(groups) {
		data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil {
			continue // it is gone
		}
		for _, field := range strings.Fields(string(data)) {
			left++
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left++
		}
	}
	return left, nil
}
