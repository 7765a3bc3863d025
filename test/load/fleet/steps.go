// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/hack/devcluster/assets"
)

// appliers send sessions side by side.
const appliers = 16

// scaleOut makes the bots and waits until all their pods take calls.
func (g *ground) scaleOut(ctx context.Context, f *figures) error {
	if _, err := g.leader(ctx); err != nil {
		return err
	}
	began := time.Now()
	for i := range g.options.bots {
		if err := g.client.Create(ctx, g.bot(i)); err != nil {
			return err
		}
	}
	if err := g.log.await(ctx, "media pods that take calls", func() int { return g.options.pods - count(g.log.ready) }); err != nil {
		return err
	}
	f.podsReady = time.Since(began)
	return nil
}

func count(m map[string]bool) (n int) {
	for _, is := range m {
		if is {
			n++
		}
	}
	return n
}

// next are the names of the next n sessions.
func (g *ground) next(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("s-%05d", g.made)
		g.made++
	}
	return names
}

// apply a session of a bot, all bots in turn; the channel is closed when it is bound.
func (g *ground) apply(ctx context.Context, name string, i int) (<-chan struct{}, error) {
	bound := g.log.applying(name)
	return bound, g.client.Create(ctx, session(name, botName(i%g.options.bots)))
}

// idle applies sessions to an operator that has nothing else to do.
func (g *ground) idle(ctx context.Context, f *figures) error {
	names := g.next(g.options.idle)
	for i, name := range names {
		bound, err := g.apply(ctx, name, i)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s is not bound: %w", name, ctx.Err())
		case <-bound:
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.idle = g.log.took(names)
	return g.established(ctx, names)
}

func (g *ground) established(ctx context.Context, names []string) error {
	return g.log.await(ctx, "sessions to be established", func() int { return g.log.without(names, establishedAt) })
}

// rush applies sessions as fast as they are bound.
func (g *ground) rush(ctx context.Context, f *figures) error {
	leader, err := g.leader(ctx)
	if err != nil {
		return err
	}
	names := g.next(g.options.sessions - g.options.idle - g.options.failover)
	before, err := g.countWrites(ctx)
	if err != nil {
		return err
	}
	used, err := g.cpu(leader)
	if err != nil {
		return err
	}
	var group errgroup.Group
	if path := g.options.profile; path != "" {
		group.Go(func() error { return leader.profileFor(ctx, 10*time.Second, path) })
	}
	free := make(chan struct{}, g.options.unbound)
	began := time.Now()
	applying, ctxApply := errgroup.WithContext(ctx)
	applying.SetLimit(appliers)
	for i, name := range names {
		select {
		case <-ctxApply.Done():
		case free <- struct{}{}:
			applying.Go(func() error {
				bound, err := g.apply(ctxApply, name, i)
				if err == nil {
					go func() { <-bound; <-free }()
				}
				return err
			})
		}
	}
	if err := applying.Wait(); err != nil {
		return err
	}
	if err := g.established(ctx, names); err != nil {
		return err
	}
	_, last := g.log.span(names, began)
	f.loaded, f.rushed = g.log.took(names), last.Sub(began)
	after, err := g.countWrites(ctx)
	if err != nil {
		return err
	}
	f.writes = after.since(before)
	now, err := g.cpu(leader)
	if err != nil {
		return err
	}
	for name := range now {
		f.cpu[name] = now[name] - used[name]
	}
	f.managerRSS, err = peak(leader.process.PID)
	return errors.Join(err, group.Wait())
}

// cpu that processes have used so far.
func (g *ground) cpu(leader *manager) (map[string]time.Duration, error) {
	pids := map[string]int{"the manager that leads": leader.process.PID, "this program": os.Getpid()}
	for _, s := range g.cluster.Status(context.Background()) {
		if s.Name == assets.Etcd || s.Name == assets.APIServer {
			pids[s.Name] = s.PID
		}
	}
	used := map[string]time.Duration{}
	for name, pid := range pids {
		d, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		used[name] = d
	}
	return used, nil
}

// settling is how long after the kill of a leader what it wrote before may still arrive.
const settling = 500 * time.Millisecond

// failover kills the leader while it binds.
func (g *ground) failover(ctx context.Context, f *figures) error {
	leader, err := g.leader(ctx)
	if err != nil {
		return err
	}
	names := g.next(g.options.failover)
	group, ctxApply := errgroup.WithContext(ctx)
	group.SetLimit(appliers)
	var killed time.Time
	for i, name := range names {
		if i == len(names)/2 {
			leader.process.Kill()
			killed = time.Now()
		}
		group.Go(func() error {
			_, err := g.apply(ctxApply, name, i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := g.established(ctx, names); err != nil {
		return err
	}
	first, last := g.log.span(names, killed.Add(settling))
	if first.IsZero() {
		return fmt.Errorf("all %d sessions were bound before the leader was gone; raise -failover", len(names))
	}
	f.gap, f.caughtUp = first.Sub(killed), last.Sub(killed)
	return nil
}

// scaleIn halves the first bot's fleet. Pods without calls go; those with calls drain, and stay until the last has ended.
func (g *ground) scaleIn(ctx context.Context, f *figures) error {
	bot := &callfleetv1.CallingBot{}
	bot.Namespace, bot.Name = namespace, botName(0)
	half := g.options.pods / g.options.bots / 2
	if err := g.client.Patch(ctx, bot, ctrlclient.RawPatch("application/merge-patch+json", encode(map[string]any{"spec": map[string]any{"replicas": half}}))); err != nil {
		return err
	}
	mine := func(draining bool) (n int) {
		for name, is := range g.log.draining {
			if is == draining && strings.HasPrefix(name, bot.Name+"-") {
				n++
			}
		}
		return n
	}
	if err := g.log.await(ctx, "pods to be marked", func() int { return max(0, mine(false)-half) }); err != nil {
		return err
	}
	// Whatever is going to be done to pods with calls would be done by then.
	time.Sleep(5 * time.Second)
	before, err := g.countWrites(ctx)
	if err != nil {
		return err
	}
	names := g.log.on(g.log.drains)
	if len(names) == 0 {
		return errors.New("no pod that drains has calls; use more sessions")
	}
	group, ending := errgroup.WithContext(ctx)
	group.SetLimit(appliers)
	for _, name := range names {
		group.Go(func() error {
			s := session(name, bot.Name)
			g.wished.Add(1)
			return g.client.Patch(ending, s, ctrlclient.RawPatch("application/merge-patch+json", []byte(`{"spec":{"desiredState":"Ended"}}`)))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := g.log.await(ctx, "sessions to end", func() int { return g.log.without(names, endedAt) }); err != nil {
		return err
	}
	ended := time.Now()
	after, err := g.countWrites(ctx)
	if err != nil {
		return err
	}
	if err := g.log.await(ctx, "pods that drain to go", func() int { return mine(true) }); err != nil {
		return err
	}
	f.scaledIn = time.Since(ended)
	w := after.since(before)
	until := f.writes
	f.wholeLife = float64(w.manager+w.agents+w.events)/float64(len(names)) + float64(until.manager+until.agents+until.events)/float64(len(f.loaded))
	leader, err := g.leader(ctx)
	if err != nil {
		return err
	}
	rss, err := peak(leader.process.PID)
	f.managerRSS = max(f.managerRSS, rss)
	return err
}
