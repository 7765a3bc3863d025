// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pin keeps all threads of this process, and those they will start, on one core.
func pin(core int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("listing the threads: %w", err)
	}
	var set unix.CPUSet
	set.Set(core)
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			return fmt.Errorf("listing the threads: %w", err)
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pinning to core %d: %w", core, err)
		}
	}
	return nil
}

// cores are the first two that this process may run on: the servers' and the load's. With a single one they share it.
func cores() (server, load int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("asking which cores there are: %w", err)
	}
	var all []int
	for core := 0; core < 1024 && len(all) < 2; core++ {
		if set.IsSet(core) {
			all = append(all, core)
		}
	}
	return all[0], all[len(all)-1], nil
}

// process is a server under load.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a program on the servers' core.
func (b *bench) start(ctx context.Context, name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// A child begins where its parent's thread is.
	if err := pin(b.server); err != nil {
		return nil, err
	}
	err = cmd.Start()
	if err := errors.Join(err, pin(b.generator)); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return &process{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// self runs this program in another role.
func (b *bench) self(ctx context.Context, args ...string) (*process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.start(ctx, path, args...)
}

// ask sends a line and reads the answer's.
func (p *process) ask(question string, answer any) error {
	if question != "" {
		if _, err := fmt.Fprintln(p.in, question); err != nil {
			return fmt.Errorf("asking the server: %w", err)
		}
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("waiting for the server: %w", err)
	}
	return json.Unmarshal(line, answer)
}

// end closes its input, which is what it ends by, and does not wait for long.
func (p *process) end() {
	_ = p.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // how it ends is not what is measured
}

// kill ends one that does not read its input.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is what all threads of the process have used so far, those that ended included.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// proc(5): the name, in parentheses, may have spaces in it; utime and stime are fields 14 and 15, in ticks of which
	// Linux has 100 a second on all its architectures.
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has only %d fields", p.cmd.Process.Pid, len(fields))
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// resident is the memory the process holds, in bytes.
func (p *process) resident() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(raw), &size, &resident); err != nil {
		return 0, err
	}
	return resident * int64(os.Getpagesize()), nil
}
