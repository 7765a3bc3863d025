// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary run a process and wait, for a test that
// kills it.
const helperEnv = "PROC_TEST_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		helper(dir)
		return
	}
	os.Exit(m.Run())
}

func helper(dir string) {
	for _, detach := range []bool{true, false} {
		name := fmt.Sprintf("detach-%v", detach)
		if _, err := Start(script(dir, name, "exec sleep 1000", detach)); err != nil {
			panic(err)
		}
	}
	fmt.Println("started")
	select {}
}

func script(dir, name, text string, detach bool) Spec {
	return Spec{
		Path: "/bin/sh", Args: []string{"-c", text}, Env: os.Environ(), Dir: dir, Detach: detach,
		LogPath: filepath.Join(dir, name+".log"), PIDPath: filepath.Join(dir, name+".pid"),
	}
}

func start(t *testing.T, text string) (*Process, Spec) {
	t.Helper()
	spec := script(t.TempDir(), "test", text, false)
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	return p, spec
}

func TestExitIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		code   int
		signal syscall.Signal
	}{
		"success": {"exit 0", 0, 0},
		"failure": {"exit 7", 7, 0},
		"signal":  {"kill -9 $$", 137, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			p, spec := start(t, c.script)
			wait(t, p)
			if e := p.Exit(); e.Code != c.code || e.Signal != c.signal || e.FinishedAt.IsZero() {
				t.Errorf("exit = %+v, want code %d, signal %d", e, c.code, c.signal)
			}
			if p.Alive() {
				t.Error("it is said to be alive")
			}
			if _, found := Find(spec.PIDPath); found {
				t.Error("it is still found")
			}
		})
	}
}

func TestOutputIsAppended(t *testing.T) {
	p, spec := start(t, "echo out; echo err >&2")
	wait(t, p)
	again, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, again)
	data, err := os.ReadFile(spec.LogPath)
	if err != nil || string(data) != "out\nerr\nout\nerr\n" {
		t.Errorf("log = %q, %v", data, err)
	}
}

func TestFindKnowsARecycledPID(t *testing.T) {
	p, spec := start(t, "exec sleep 1000")
	found, ok := Find(spec.PIDPath)
	if !ok || found.PID != p.PID {
		t.Fatalf("found %+v, %v", found, ok)
	}
	// As if the process had ended and the system given its pid to another one.
	if err := os.WriteFile(spec.PIDPath, []byte(strconv.Itoa(p.PID)+" 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := Find(spec.PIDPath); ok {
		t.Error("a process that was born at another time is taken for ours")
	}
	for _, content := range []string{"", "x y", "1 1", "-5 1", "99999999 1"} {
		if err := os.WriteFile(spec.PIDPath, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := Find(spec.PIDPath); ok {
			t.Errorf("pid file %q names a process", content)
		}
	}
}

func TestStopAsksFirst(t *testing.T) {
	p, spec := start(t, `trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	awaitLog(t, spec, "ready\n")
	if err := p.Stop(context.Background(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if e := p.Exit(); e.Code != 3 {
		t.Errorf("exit = %+v, want its own code", e)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	p, spec := start(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	awaitLog(t, spec, "ready\n")
	found, ok := Find(spec.PIDPath) // as another command does, which is not its parent
	if !ok {
		t.Fatal("not found")
	}
	if err := found.Stop(context.Background(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if e := p.Exit(); e.Signal != syscall.SIGKILL {
		t.Errorf("exit = %+v, want killed", e)
	}
}

func TestChildrenEndWithTheProcess(t *testing.T) {
	p, spec := start(t, `sleep 1000 & echo $!`)
	wait(t, p)
	data, err := os.ReadFile(spec.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child is gone", func() bool { return startTime(child) == "" })
}

func TestOnlyDetachedProcessesOutliveTheirParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process that its parent is gone")
	}
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helperEnv+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("helper said %q, %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()

	detached, ok := Find(filepath.Join(dir, "detach-true.pid"))
	if !ok {
		t.Error("the detached process is gone")
	} else if err := detached.Stop(context.Background(), 0); err != nil {
		t.Error(err)
	}
	eventually(t, "the tied process is gone", func() bool {
		_, alive := Find(filepath.Join(dir, "detach-false.pid"))
		return !alive
	})
}

func TestStartFailsForWhatCannotRun(t *testing.T) {
	dir := t.TempDir()
	spec := script(dir, "x", "", false)
	spec.Path = filepath.Join(dir, "absent")
	if _, err := Start(spec); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error = %v", err)
	}
}

func wait(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the process does not end")
	}
}

func awaitLog(t *testing.T, spec Spec, want string) {
	t.Helper()
	eventually(t, "the log has "+want, func() bool {
		data, _ := os.ReadFile(spec.LogPath)
		return string(data) == want
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
