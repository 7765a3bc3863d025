// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/hack/devcluster/node/probe"
)

func (w *worker) target(c *container) probe.Target {
	env, root, spec := c.env, c.root, c.spec
	return probe.Target{IP: w.ip.String(), Ports: spec.Ports, Command: func(ctx context.Context, command []string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Env, cmd.Dir = env, workingDir(root, spec)
		return cmd
	}}
}

func (w *worker) startProbes(c *container) {
	ctx, cancel := context.WithCancel(w.ctx)
	c.cancelProbes = cancel
	if c.spec.StartupProbe != nil {
		go w.runProbe(ctx, c, probe.Startup, c.spec.StartupProbe, w.target(c))
		return // the others wait for it
	}
	w.startSteadyProbes(ctx, c)
}

func (w *worker) startSteadyProbes(ctx context.Context, c *container) {
	if c.spec.LivenessProbe != nil {
		go w.runProbe(ctx, c, probe.Liveness, c.spec.LivenessProbe, w.target(c))
	}
	if c.spec.ReadinessProbe == nil {
		c.ready = true
		return
	}
	go w.runProbe(ctx, c, probe.Readiness, c.spec.ReadinessProbe, w.target(c))
}

func (w *worker) runProbe(ctx context.Context, c *container, kind probe.Kind, p *corev1.Probe, target probe.Target) {
	onWorker := func(f func()) {
		w.post(func() {
			if ctx.Err() == nil { // still the same run of the container
				f()
			}
		})
	}
	probe.Run(ctx, kind, p, target, probe.Observer{
		Failed: func(err error) {
			onWorker(func() {
				w.event(corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe failed: %v", kind, err))
			})
		},
		Verdict: func(ok bool) {
			onWorker(func() { w.verdict(ctx, c, kind, p, ok) })
		},
	})
}

func (w *worker) verdict(ctx context.Context, c *container, kind probe.Kind, p *corev1.Probe, ok bool) {
	switch {
	case kind == probe.Readiness:
		c.ready = ok
	case kind == probe.Startup && ok:
		c.started = true
		w.startSteadyProbes(ctx, c)
	case !ok && w.ending == nil:
		grace := w.grace()
		if p.TerminationGracePeriodSeconds != nil {
			grace = time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
		}
		w.stop(c, time.Now().Add(grace), fmt.Sprintf("Container %s failed %s probe, will be restarted", c.spec.Name, kind))
	}
}

func (c *container) stopProbes() {
	if c.cancelProbes != nil {
		c.cancelProbes()
	}
}
