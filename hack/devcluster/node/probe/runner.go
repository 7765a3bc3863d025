// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kind is what a probe is for.
type Kind string

// The kinds of probes.
const (
	Startup   Kind = "Startup"
	Readiness Kind = "Readiness"
	Liveness  Kind = "Liveness"
)

// eager is how often a probe that may make a container ready is tried before
// its first period is over. kubelet asks once right after the start and then
// waits a period, which makes a process that needs 50 ms to listen ready only
// after a second or ten.
const eager = 50 * time.Millisecond

// Observer hears what a probe finds. It is called from the goroutine of Run.
type Observer struct {
	// Verdict is called when the verdict changes: thresholds are counted.
	Verdict func(ok bool)
	// Failed is called for each failure that counts, for events.
	Failed func(err error)
}

// Run probes until ctx is done. A startup probe ends with its first success.
func Run(ctx context.Context, kind Kind, p *corev1.Probe, target Target, o Observer) {
	period, timeout := seconds(p.PeriodSeconds, 10), seconds(p.TimeoutSeconds, 1)
	if !sleep(ctx, time.Duration(p.InitialDelaySeconds)*time.Second) {
		return
	}
	began := time.Now()
	count := counter{success: max(int(p.SuccessThreshold), 1), failure: max(int(p.FailureThreshold), 1)}
	if p.FailureThreshold == 0 {
		count.failure = 3
	}
	for {
		tried := time.Now()
		err := try(ctx, timeout, p.ProbeHandler, target)
		if ctx.Err() != nil {
			return
		}
		warmingUp := kind != Liveness && !count.everOK && time.Since(began) < period
		wait := period - time.Since(tried)
		if err != nil && warmingUp {
			wait = min(eager, period-time.Since(began))
		} else {
			if err != nil {
				o.Failed(err)
			}
			if verdict, changed := count.add(err == nil); changed {
				o.Verdict(verdict)
				if kind == Startup {
					// The container has started, or will be killed: either
					// way there is nothing left to find out.
					return
				}
			}
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

func try(ctx context.Context, timeout time.Duration, handler corev1.ProbeHandler, target Target) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return Do(ctx, handler, target)
}

// counter turns results into verdicts: as many in a row as the threshold says.
type counter struct {
	success, failure int
	run              int
	last             bool
	everOK           bool
	verdict          *bool
}

// add counts a result and tells the verdict when it changes.
func (c *counter) add(ok bool) (verdict, changed bool) {
	if c.run == 0 || ok != c.last {
		c.run = 0
	}
	c.last = ok
	c.run++
	threshold := c.failure
	if ok {
		c.everOK = true
		threshold = c.success
	}
	if c.run < threshold || (c.verdict != nil && *c.verdict == ok) {
		return false, false
	}
	c.verdict = &ok
	return ok, true
}

func seconds(n int32, otherwise int32) time.Duration {
	if n <= 0 {
		n = otherwise
	}
	return time.Duration(n) * time.Second
}

// sleep waits and says whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
