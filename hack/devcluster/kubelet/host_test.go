// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestWhatIsMissingIsSaidWithHowToGetIt(t *testing.T) {
	none := func(string) (string, error) { return "", exec.ErrNotFound }
	all := func(name string) (string, error) { return "/usr/bin/" + name, nil }
	for name, c := range map[string]struct {
		look func(string) (string, error)
		cni  string
		want []string
	}{
		"nothing is":            {all, "/usr/lib/cni", nil},
		"plug-ins are":          {all, "", []string{"bridge, host-local and portmap", "apt-get install --no-install-recommends containernetworking-plugins"}},
		"all of it is, at once": {none, "", []string{"containerd, ctr, runc", "install --no-install-recommends conntrack containerd containernetworking-plugins iproute2 iptables mount nftables runc socat util-linux"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := missing(c.look, c.cni)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("missing: %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestTheKernelsSettingsArePutBackAsTheFirstClusterFoundThem(t *testing.T) {
	dir := t.TempDir()
	s := settings{path: filepath.Join(dir, "host", "settings.json"), proc: filepath.Join(dir, "sys")}
	set := func(name, value string) {
		t.Helper()
		path := filepath.Join(s.proc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(value), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	set("vm/overcommit_memory", "0\n")
	set("kernel/panic", "5\n")
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	set("vm/overcommit_memory", "1\n")
	if err := s.save(); err != nil { // another cluster
		t.Fatal(err)
	}
	if err := s.restore(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"vm/overcommit_memory": "0", "kernel/panic": "5"} {
		if got, err := os.ReadFile(filepath.Join(s.proc, name)); strings.TrimSpace(string(got)) != want {
			t.Errorf("%s is %q, %v; it was %s", name, got, err, want)
		}
	}
	set("kernel/panic", "7\n") // somebody else, later
	if err := s.restore(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(s.proc, "kernel/panic")); string(got) != "7\n" {
		t.Errorf("settings are put back twice: %s", got)
	}
}

func TestAControlGroupGoesWithAllThatRunsInIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("control groups need root")
	}
	g := cgroup{mount: cgroupMount, name: "callfleet-test-" + strconv.Itoa(os.Getpid())}
	if err := g.create(); err != nil {
		t.Skip("no control groups can be made here:", err)
	}
	t.Cleanup(func() { _ = g.remove() })
	procs, err := g.procsFile()
	if err != nil {
		t.Fatal(err)
	}
	deeper := filepath.Join(filepath.Dir(filepath.Dir(procs)), "pods")
	if err := os.Mkdir(deeper, 0o755); err != nil {
		t.Fatal(err)
	}
	var running []*exec.Cmd
	for _, file := range []string{procs, filepath.Join(deeper, "cgroup.procs")} {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
		if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
			_ = cmd.Process.Kill()
			t.Skip("processes cannot be moved here:", err)
		}
	}
	ended := make(chan error, len(running))
	for _, cmd := range running {
		go func() { ended <- cmd.Wait() }()
	}
	if err := g.remove(); err != nil {
		t.Fatal(err)
	}
	for range running {
		var exit *exec.ExitError
		if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a process of the group ended with %v", err)
		}
	}
	all, err := g.hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if _, err := os.Stat(filepath.Join(h, g.name)); !os.IsNotExist(err) {
			t.Errorf("left in %s: %v", h, err)
		}
	}
	if err := g.remove(); err != nil {
		t.Errorf("what is gone cannot be removed once more: %v", err)
	}
}
