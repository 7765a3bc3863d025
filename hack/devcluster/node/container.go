// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// container is a container of a pod. At most one of process, waiting and
// terminated tells its state; terminated stays set while waiting for a restart.
type container struct {
	spec    *corev1.Container
	isInit  bool
	sidecar bool // an init container that goes on running

	process    *proc.Process
	startedAt  metav1.Time
	env        []string // of the process, for exec probes and hooks
	root       string
	waiting    *corev1.ContainerStateWaiting
	terminated *corev1.ContainerStateTerminated
	last       *corev1.ContainerStateTerminated
	restarts   int32
	binary     string

	started, ready bool
	cancelProbes   context.CancelFunc
	stopping       *stopping
	backOff        time.Duration
	retryAt        time.Time
}

// stopping is a container that was asked to end.
type stopping struct {
	deadline time.Time
	killed   bool
}

// newContainer takes over what the API server knows of a container, in case an
// earlier agent ran it. Its process is gone by now.
func (w *worker) newContainer(spec *corev1.Container, known []corev1.ContainerStatus, isInit bool) *container {
	c := &container{spec: spec, isInit: isInit}
	c.sidecar = isInit && spec.RestartPolicy != nil && *spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
	for _, s := range known {
		if s.Name != spec.Name {
			continue
		}
		c.restarts = s.RestartCount
		c.last = s.LastTerminationState.Terminated
		c.terminated = s.State.Terminated
		if s.State.Running != nil {
			c.terminated = &corev1.ContainerStateTerminated{
				ExitCode: 128 + int32(syscall.SIGKILL), Reason: "ContainerStatusUnknown",
				Message:   "the node agent was restarted, which ended the process",
				StartedAt: s.State.Running.StartedAt, FinishedAt: metav1.Now().Rfc3339Copy(),
				ContainerID: s.ContainerID,
			}
		} else if s.State.Waiting != nil && c.last != nil {
			c.terminated = c.last
		}
	}
	return c
}

func (c *container) succeeded() bool {
	return c.process == nil && c.terminated != nil && c.terminated.ExitCode == 0
}

func (c *container) id() string {
	return fmt.Sprintf("devcluster://%s-%d", c.spec.Name, c.restarts)
}

// ensureRunning starts a container that is to run and does not.
func (w *worker) ensureRunning(c *container, wait *waiter) {
	if c.process != nil {
		w.enforceDeadline(c, wait)
		return
	}
	if c.terminated != nil && !w.mayRestart(c) {
		return
	}
	if now := time.Now(); now.Before(c.retryAt) {
		wait.until(c.retryAt)
		return
	}
	path, ok := w.agent.cfg.Image(c.spec.Image)
	if !ok {
		w.imageMissing(c, wait)
		return
	}
	if err := w.start(c, path); err != nil {
		w.startFailed(c, err, wait)
	}
}

func (w *worker) mayRestart(c *container) bool {
	switch {
	case c.sidecar:
		return true
	case c.isInit:
		return c.terminated.ExitCode != 0 && w.pod.Spec.RestartPolicy != corev1.RestartPolicyNever
	case w.pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure:
		return c.terminated.ExitCode != 0
	}
	return w.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways
}

// imageMissing does what kubelet does when a registry does not know an image.
func (w *worker) imageMissing(c *container, wait *waiter) {
	message := fmt.Sprintf("no host binary is given for image %q; start the cluster with --image %s=/path/to/binary", c.spec.Image, c.spec.Image)
	first := c.waiting == nil || c.waiting.Reason != "ImagePullBackOff" && c.waiting.Reason != "ErrImagePull"
	c.waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: message}
	delay := imageRetry
	if first {
		c.waiting.Reason = "ErrImagePull"
		delay = time.Second
		w.event(corev1.EventTypeWarning, "Failed", "Failed to pull image: "+message)
	}
	c.retryAt = time.Now().Add(delay)
	wait.until(c.retryAt)
}

// imageRetry is how soon a new image is noticed; looking costs nothing here.
const imageRetry = 2 * time.Second

// configRetry is how soon a container is tried again whose environment could
// not be made, say for want of a Secret.
const configRetry = time.Second

type configError struct{ error }

func (w *worker) startFailed(c *container, err error, wait *waiter) {
	if _, ok := errors.AsType[configError](err); ok {
		c.waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: err.Error()}
		w.eventOnce(corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
		c.retryAt = time.Now().Add(configRetry)
		wait.until(c.retryAt)
		return
	}
	// The binary cannot be run at all: as kubelet shows it, a container that
	// ended with 128 before it started.
	now := metav1.Now().Rfc3339Copy()
	w.event(corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
	w.ended(c, &corev1.ContainerStateTerminated{
		ExitCode: 128, Reason: "StartError", Message: err.Error(), StartedAt: now, FinishedAt: now, ContainerID: c.id(),
	}, 0)
	wait.until(c.retryAt)
}

// start runs the process of a container.
func (w *worker) start(c *container, image string) error {
	root, err := w.makeRoot(c.spec)
	if err != nil {
		return configError{err}
	}
	env, err := w.environment(c.spec, root)
	if err != nil {
		return configError{err}
	}
	path, args := commandLine(c.spec, image, env)
	if c.terminated != nil {
		c.last = c.terminated
		c.restarts++
	}
	process, err := proc.Start(proc.Spec{
		Path: path, Args: args, Env: env.list(), Dir: workingDir(root, c.spec),
		LogPath: w.logPath(c.spec.Name, c.restarts), PIDPath: filepath.Join(w.containerDir(c.spec.Name), "pid"),
	})
	if err != nil {
		return err
	}
	c.process, c.binary, c.env, c.root = process, path, env.list(), root
	c.startedAt = metav1.Now().Rfc3339Copy()
	c.waiting, c.terminated = nil, nil
	c.started, c.ready = c.spec.StartupProbe == nil, false
	w.event(corev1.EventTypeNormal, "Started", "Started container "+c.spec.Name)
	w.startProbes(c)
	w.afterStart(c)
	began := time.Now()
	go func() {
		<-process.Done()
		w.post(func() { w.processEnded(c, process, time.Since(began)) })
	}()
	return nil
}

func (w *worker) processEnded(c *container, process *proc.Process, ran time.Duration) {
	if c.process != process {
		return
	}
	exit := process.Exit()
	t := &corev1.ContainerStateTerminated{
		ExitCode: int32(exit.Code), Reason: "Error",
		StartedAt: c.startedAt, FinishedAt: metav1.NewTime(exit.FinishedAt).Rfc3339Copy(), ContainerID: c.id(),
	}
	if exit.Code == 0 {
		t.Reason = "Completed"
	}
	t.Message = w.lastWords(c, exit.Code != 0)
	c.process = nil
	w.ended(c, t, ran)
}

// ended notes the end of a container and when it may start again: at once the
// first time, then after 10 s, 20 s and so on. A long good run starts over.
func (w *worker) ended(c *container, t *corev1.ContainerStateTerminated, ran time.Duration) {
	c.stopProbes()
	c.terminated, c.waiting, c.stopping = t, nil, nil
	c.started, c.ready = false, false
	if ran > 2*maxBackOff {
		c.backOff = 0
	}
	c.retryAt = time.Now().Add(c.backOff)
	if c.backOff > 0 && w.ending == nil && w.mayRestart(c) {
		message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
			c.backOff, c.spec.Name, w.pod.Name, w.pod.Namespace, w.uid)
		c.waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: message}
		w.event(corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container "+c.spec.Name+" in pod "+w.pod.Name)
	}
	c.backOff = min(max(2*c.backOff, w.agent.cfg.BackOff), maxBackOff)
}

func (w *worker) containerDir(name string) string {
	return filepath.Join(w.dir, "containers", name)
}

// logPath is the file of one run of a container, as kubelet has it in
// /var/log/pods.
func (w *worker) logPath(container string, run int32) string {
	return filepath.Join(logDir(w.agent.cfg.Logs, w.pod), container, strconv.Itoa(int(run))+".log")
}

func logDir(logs string, pod *corev1.Pod) string {
	return filepath.Join(logs, pod.Namespace+"_"+pod.Name+"_"+string(pod.UID))
}

func workingDir(root string, c *corev1.Container) string {
	if c.WorkingDir == "" {
		return root
	}
	dir := filepath.Join(root, c.WorkingDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return root
	}
	return dir
}

func findProcess(pidPath string) (*proc.Process, bool) { return proc.Find(pidPath) }
