// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// answeringApp is the registration of the bot that is called. Its media is the service's, so that what is measured is
// signalling.
const (
	answeringBot = "answering"
	answeringApp = "6f1f6c0e-5d0f-4a37-9f6b-0a8f2b1c7d55"
	callerID     = "550fae72-d251-43ec-868c-373732c2704f"
)

// answers are how long it took from a call's ringing to the answer's arrival at the service, sorted.
type answers struct {
	took     []time.Duration
	rung     int
	rejected int
	// late is how long after its time each call was made, sorted: what the machine itself did to whoever wanted to run.
	late []time.Duration
}

func (a *answers) print(out io.Writer, how, target string) {
	fmt.Fprintf(out, "incoming call to its answer at the service, %s, p50 of %d\t%.1f ms\t\n", how, a.rung, ms(quantile(a.took, .5)))
	fmt.Fprintf(out, "incoming call to its answer at the service, %s, p99\t%.1f ms\t%s\n", how, ms(quantile(a.took, .99)), target)
	fmt.Fprintf(out, "incoming call to its answer at the service, %s, slowest\t%.1f ms\t15000 ms\n", how, ms(quantile(a.took, 1)))
	fmt.Fprintf(out, "the same p99, to that of a timer's lateness on this machine meanwhile (%.1f ms)\tx%.1f\t\n", ms(quantile(a.late, .99)), ms(quantile(a.took, .99))/ms(quantile(a.late, .99)))
	fmt.Fprintf(out, "calls not answered, %s\t%d\t0\n", how, a.rejected)
}

// startCallee starts the bot that is called, and calls it when the process of its pod has just begun: not Ready yet, without keys
// and tokens. The service sends the notification again until the pod is there.
func startCallee(ctx context.Context, r *rig.Rig) (*rung, time.Duration, error) {
	bot, err := answeringBotOf(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	w, err := r.Client.Watch(ctx, &corev1.PodList{}, client.InNamespace(rig.Namespace))
	if err != nil {
		return nil, 0, err
	}
	defer w.Stop()
	calls := &rung{teams: r.Teams}
	first, err := calls.series(ctx, func() (int, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		started := make(chan error, 1)
		go func() { started <- r.StartBot(ctx, bot) }()
		for {
			select {
			case err := <-started:
				return 0, errors.Join(errors.New("the bot was Ready, or failed, before its pod was seen to run"), err)
			case e, open := <-w.ResultChan():
				if !open {
					return 0, errors.Join(errWatchEnded, ctx.Err())
				}
				if pod, ok := e.Object.(*corev1.Pod); ok && pod.Name == bot.Name+"-0" && runs(pod) {
					return 1, errors.Join(calls.ring(ctx), <-started)
				}
			}
		}
	})
	if err != nil {
		return nil, 0, fmt.Errorf("the first call of a pod just started: %w", err)
	}
	return calls, first.took[0], nil
}

func runs(pod *corev1.Pod) bool {
	return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].State.Running != nil
}

// answering calls the bot so many times a second.
func (c *rung) answering(ctx context.Context, perSecond int, period time.Duration) (*answers, error) {
	fmt.Fprintf(os.Stderr, "==> %d calls a second for %s\n", perSecond, period)
	var late []time.Duration
	a, err := c.series(ctx, func() (int, error) {
		var group errgroup.Group
		n, start := 0, time.Now()
		for time.Since(start) < period {
			due := start.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
			select {
			case <-ctx.Done():
				return n, errors.Join(ctx.Err(), group.Wait())
			case <-time.After(time.Until(due)):
			}
			late = append(late, time.Since(due))
			n++
			group.Go(func() error { return c.ring(ctx) })
			if n%perSecond == 0 {
				group.Go(func() error { return c.look(ctx) }) // and hang up those that were answered
			}
		}
		return n, group.Wait()
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(late)
	a.late = late
	return a, nil
}

// series makes calls and waits until all of them are over.
func (c *rung) series(ctx context.Context, ring func() (int, error)) (*answers, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	n, err := ring()
	if err != nil {
		return nil, fmt.Errorf("ringing: %w", err)
	}
	if err := c.await(ctx, n, 30*time.Second); err != nil {
		return nil, err
	}
	a := &answers{took: c.took(), rung: n}
	if len(a.took) == 0 {
		return nil, errors.New("no call was answered")
	}
	a.rejected = n - len(a.took)
	return a, nil
}

func answeringBotOf(ctx context.Context, r *rig.Rig) (*callfleetv1.CallingBot, error) {
	if err := r.Teams.PutApp(ctx, admin.App{
		ID: answeringApp, TenantID: rig.TenantID, DisplayName: "Answering", Secret: rig.Secret, Roles: rig.Roles,
		WebhookURL: "https://" + r.WebhookHost + "/" + rig.Namespace + "/" + answeringBot + "/calls",
	}); err != nil {
		return nil, err
	}
	if err := r.Teams.SetQuota(ctx, answeringApp, admin.Quota{Concurrent: 2000}); err != nil {
		return nil, err
	}
	bot, err := r.Bot()
	if err != nil {
		return nil, err
	}
	bot.Name, bot.Spec.Replicas = answeringBot, ptr.To[int32](1)
	bot.Spec.Identity.AppID = answeringApp
	bot.Spec.Media = callfleetv1.Media{Hosting: callfleetv1.HostingService}
	bot.Spec.Capacity.Seats = 2000
	bot.Spec.Incoming = []callfleetv1.IncomingRule{{
		Action: callfleetv1.IncomingAnswer, Call: &callfleetv1.IncomingTemplate{TTLSecondsAfterFinished: ptr.To[int32](10)},
	}}
	return bot, nil
}

// rung are the calls of a series. All times are the service's own.
type rung struct {
	teams *admin.Client

	mu       sync.Mutex
	seen     int64 // sequence number of the last event
	at       map[string]time.Time
	answered map[string]time.Time
	ended    map[string]bool
}

func (c *rung) ring(ctx context.Context) error {
	_, err := c.teams.Ring(ctx, admin.IncomingCall{AppID: answeringApp, TenantID: rig.TenantID, UserID: callerID, DisplayName: "Ada"})
	return err
}

// begin forgets what was before.
func (c *rung) begin(ctx context.Context) error {
	events, err := c.teams.Events(ctx, c.seen)
	if err == nil && len(events) > 0 {
		c.seen = events[len(events)-1].Seq
	}
	c.at, c.answered, c.ended = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	return err
}

// look reads what happened since, and hangs up the calls that were answered.
func (c *rung) look(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	events, err := c.teams.Events(ctx, c.seen)
	if err != nil {
		return err
	}
	for _, e := range events {
		c.seen = max(c.seen, e.Seq)
		switch e.What {
		case "IncomingCall":
			c.at[e.CallID] = e.Time
		case "CallAnswered":
			c.answered[e.CallID] = e.Time
			// Callers do not hang up in step: one to two seconds after they were answered.
			time.AfterFunc(time.Until(e.Time.Add(time.Second))+time.Duration(rand.Int64N(int64(time.Second))), func() {
				_ = c.teams.HangUp(ctx, e.CallID, "") // it may be over already
			})
		case "CallEnded":
			c.ended[e.CallID] = true
			if c.answered[e.CallID].IsZero() {
				fmt.Fprintf(os.Stderr, "    a call ended without an answer: %s\n", e.Detail)
			}
		}
	}
	return nil
}

// await looks until so many calls are over.
func (c *rung) await(ctx context.Context, n int, patience time.Duration) error {
	for end := time.Now().Add(patience); ; {
		if err := c.look(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		over := len(c.ended)
		c.mu.Unlock()
		if over >= n {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d calls are not over after %s", n-over, n, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *rung) took() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	for id, at := range c.answered {
		if rang, known := c.at[id]; known {
			took = append(took, at.Sub(rang))
		}
	}
	slices.Sort(took)
	return took
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}
