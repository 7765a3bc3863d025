// SPDX-License-Identifier: Apache-2.0

// Package proc runs host processes that outlive the command that started them,
// or are tied to it, and finds them again by their pid files.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Spec says what to run.
type Spec struct {
	Path    string
	Args    []string // without the program's name
	Env     []string // nil: that of this process
	Dir     string
	LogPath string // stdout and stderr are appended here
	PIDPath string
	// Detach lets the process survive this one, in a session of its own.
	// Otherwise it is killed when this process ends, where the system can do that.
	Detach bool
}

// Process is a running process, or one that has ended.
type Process struct {
	PID  int
	born string // start time as the system tells it; with the PID, an identity
	done chan struct{}
	exit Exit
	path string // pid file
}

// Exit is how a process ended.
type Exit struct {
	Code       int // as a shell counts: 128 + signal when a signal ended it
	Signal     syscall.Signal
	FinishedAt time.Time
}

// Start runs a process and writes its pid file. The returned process is
// reaped by this package; Done tells when.
func Start(s Spec) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(s.LogPath), 0o755); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(s.Path), err)
	}
	log, err := os.OpenFile(s.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(s.Path), err)
	}
	defer log.Close()

	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = s.Env
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(s.Detach)
	if err := spawn(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(s.Path), err)
	}

	p := &Process{PID: cmd.Process.Pid, born: startTime(cmd.Process.Pid), done: make(chan struct{}), path: s.PIDPath}
	go p.reap(cmd)
	if err := p.writePIDFile(); err != nil {
		p.Kill()
		<-p.done
		return nil, err
	}
	return p, nil
}

func (p *Process) reap(cmd *exec.Cmd) {
	_ = cmd.Wait() // the state says it all; stdout is a file, so nothing is copied
	p.exit = exitOf(cmd.ProcessState)
	// What the process left behind in its group goes with it, as it would
	// with a container.
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	p.removePIDFile()
	close(p.done)
}

func exitOf(state *os.ProcessState) Exit {
	e := Exit{Code: state.ExitCode(), FinishedAt: time.Now()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
		e.Code = 128 + int(e.Signal)
	}
	return e
}

// Done is closed when a process started by this one has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is how the process ended. It is valid once Done is closed.
func (p *Process) Exit() Exit { return p.exit }

// Find returns the process a pid file names, if it still runs.
func Find(pidPath string) (*Process, bool) {
	data, err := os.ReadFile(pidPath)
	if err != nil {
		return nil, false
	}
	pid, born, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	n, err := strconv.Atoi(pid)
	if err != nil || n <= 1 {
		return nil, false
	}
	p := &Process{PID: n, born: born, path: pidPath}
	return p, p.Alive()
}

// Of returns the process that has a pid now, started by whomever.
func Of(pid int) (*Process, bool) {
	p := &Process{PID: pid, born: startTime(pid)}
	return p, p.born != ""
}

// Alive says whether the process still runs. A pid that the system has given
// to another process since does not count, nor does a zombie.
func (p *Process) Alive() bool {
	if p.done != nil {
		select {
		case <-p.done:
			return false
		default:
		}
	}
	born := startTime(p.PID)
	return born != "" && born == p.born
}

// Signal sends a signal to the process itself, not to its group.
func (p *Process) Signal(sig syscall.Signal) error {
	if !p.Alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.PID, sig)
}

// Kill ends the process and everything in its group at once.
func (p *Process) Kill() {
	if p.Alive() {
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	}
}

// Stop asks the process to end, and kills it when it has not after grace or
// when ctx is done. It returns once the process is gone.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if grace > 0 {
		if err := p.Signal(syscall.SIGTERM); err == nil && p.wait(ctx, grace) {
			return nil
		}
	}
	p.Kill()
	// SIGKILL cannot be refused; the wait is for the kernel to be done with it.
	if !p.wait(context.WithoutCancel(ctx), 10*time.Second) {
		return fmt.Errorf("process %d does not end, even when killed", p.PID)
	}
	return nil
}

func (p *Process) wait(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p.done != nil {
		select {
		case <-p.done:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for p.Alive() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.removePIDFile()
	return true
}

func (p *Process) writePIDFile() error {
	if p.path == "" {
		return nil
	}
	tmp := p.path + ".tmp"
	if err := os.WriteFile(tmp, []byte(fmt.Sprintf("%d %s\n", p.PID, p.born)), 0o644); err != nil {
		return fmt.Errorf("writing pid file: %w", err)
	}
	if err := os.Rename(tmp, p.path); err != nil {
		return fmt.Errorf("writing pid file: %w", err)
	}
	return nil
}

// removePIDFile removes the pid file unless it already names a successor.
func (p *Process) removePIDFile() {
	data, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(string(data), strconv.Itoa(p.PID)+" ") {
		return
	}
	_ = os.Remove(p.path)
}
