// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/hack/devcluster/node/probe"
)

// stop asks a container to end: its hook, then SIGTERM. enforceDeadline kills
// it when it has not ended in time.
func (w *worker) stop(c *container, deadline time.Time, why string) {
	if c.stopping != nil {
		if deadline.Before(c.stopping.deadline) {
			c.stopping.deadline = deadline
		}
		return
	}
	c.stopping = &stopping{deadline: deadline}
	process := c.process
	w.event(corev1.EventTypeNormal, "Killing", why)
	hook := c.spec.Lifecycle
	if hook == nil || hook.PreStop == nil || !time.Now().Before(deadline) {
		_ = process.Signal(syscall.SIGTERM)
		return
	}
	target := w.target(c)
	go func() {
		ctx, cancel := context.WithDeadline(w.ctx, deadline)
		defer cancel()
		if err := runHook(ctx, hook.PreStop, target); err != nil {
			w.post(func() { w.event(corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed: "+err.Error()) })
		}
		_ = process.Signal(syscall.SIGTERM)
	}()
}

func runHook(ctx context.Context, hook *corev1.LifecycleHandler, target probe.Target) error {
	if hook.Sleep != nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(hook.Sleep.Seconds) * time.Second):
		}
		return nil
	}
	return probe.Do(ctx, corev1.ProbeHandler{Exec: hook.Exec, HTTPGet: hook.HTTPGet, TCPSocket: hook.TCPSocket}, target)
}

func (w *worker) enforceDeadline(c *container, wait *waiter) {
	if c.stopping == nil || c.stopping.killed {
		return
	}
	if time.Now().Before(c.stopping.deadline) {
		wait.until(c.stopping.deadline)
		return
	}
	c.stopping.killed = true
	c.process.Kill()
}

// afterStart runs a container's post-start hook beside its process. As with
// kubelet, a container whose hook fails is ended.
func (w *worker) afterStart(c *container) {
	if c.spec.Lifecycle == nil || c.spec.Lifecycle.PostStart == nil {
		return
	}
	hook, target, process := c.spec.Lifecycle.PostStart, w.target(c), c.process
	go func() {
		err := runHook(w.ctx, hook, target)
		if err == nil {
			return
		}
		w.post(func() {
			if c.process != process {
				return
			}
			w.event(corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed: "+err.Error())
			w.stop(c, time.Now().Add(w.grace()), "Container "+c.spec.Name+" failed its post-start hook")
		})
	}()
}

// Kubernetes' limits for the message of a container that has ended.
const (
	maxMessageBytes = 4096
	maxLogBytes     = 2048
)

// lastWords is what a container left as the message of its end: the file it
// wrote for that, or the end of its log if the pod asks for it.
func (w *worker) lastWords(c *container, failed bool) string {
	path := c.spec.TerminationMessagePath
	if path == "" {
		path = corev1.TerminationMessagePathDefault
	}
	message := tailOf(filepath.Join(c.root, path), maxMessageBytes)
	if message == "" && failed && c.spec.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
		message = tailOf(w.logPath(c.spec.Name, c.restarts), maxLogBytes)
	}
	return message
}

func tailOf(path string, limit int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	} else if size := info.Size(); size > limit {
		if _, err := f.Seek(size-limit, io.SeekStart); err != nil {
			return ""
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(data), "?")
}
