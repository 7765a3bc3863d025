// SPDX-License-Identifier: Apache-2.0

// Command fleet measures how much the operator carries: thousands of sessions on hundreds of Windows nodes that kwok
// plays, with a real control plane, the real manager twice, and a stand-in for the agents in the pods. It prints what it
// measured beside the targets. Times are for people to judge; what must hold at all times is not: it fails when a pod is
// taken from a call, a seat is sold twice, or a session is lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// options are the size of it.
type options struct {
	nodes, bots, pods, sessions int
	// idle sessions are applied one after the other, and failover sessions while the leader is killed; the rest at once.
	idle, failover int
	// unbound is how many sessions may be applied and not bound yet at a time, in the rush.
	unbound int
	// measure is how often each call's measurements are written; 0: never.
	measure time.Duration
	keep    bool
	profile string
}

func (o *options) bind(flags *flag.FlagSet) {
	flags.IntVar(&o.nodes, "nodes", 200, "Windows nodes")
	flags.IntVar(&o.bots, "bots", 10, "CallingBots that share the pods")
	flags.IntVar(&o.pods, "pods", 1000, "media pods")
	flags.IntVar(&o.sessions, "sessions", 10_000, "meeting sessions")
	flags.IntVar(&o.idle, "idle", 100, "of the sessions, those that are applied one after the other")
	flags.IntVar(&o.failover, "failover", 200, "of the sessions, those that are applied while the leader is killed")
	flags.IntVar(&o.unbound, "unbound", 200, "how many sessions may be applied and not bound yet at a time")
	flags.DurationVar(&o.measure, "measure", 0, "how often each call's measurements are written; agents do it every 30s, 0 is never")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder with logs")
	flags.StringVar(&o.profile, "profile", "", "file for a CPU profile of the leader in the rush")
}

func (o *options) validate() error {
	switch {
	case o.nodes < 1 || o.bots < 1 || o.idle < 1 || o.failover < 1 || o.unbound < 1:
		return errors.New("-nodes, -bots, -idle, -failover and -unbound must be at least 1")
	case o.pods < 2*o.bots || o.pods%o.bots != 0:
		return errors.New("-pods must be a multiple of -bots, two for each at least")
	case o.sessions <= o.idle+o.failover:
		return errors.New("-sessions must be more than -idle and -failover together")
	}
	return nil
}

// seats of a pod: a fifth more than all sessions take, as a fleet that is full to the last seat is none that works.
func (o *options) seats() int { return (o.sessions*6/5 + o.pods - 1) / o.pods }

func main() {
	var o options
	o.bind(flag.CommandLine)
	flag.Parse()
	if err := o.validate(); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// patience with a step that the machine may take its time for.
const patience = 30 * time.Minute

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "callfleet-fleet-")
	if err != nil {
		return err
	}
	defer func() {
		if o.keep {
			fmt.Fprintln(os.Stderr, "==> logs are in", filepath.Join(dir, "log"))
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	g, err := setUp(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	f := newFigures(o)
	f.alone = g.alone
	for _, step := range []struct {
		name string
		do   func(context.Context, *figures) error
	}{
		{fmt.Sprintf("%d media pods for %d bots on %d nodes", o.pods, o.bots, o.nodes), g.scaleOut},
		{fmt.Sprintf("%d sessions, one after the other", o.idle), g.idle},
		{fmt.Sprintf("%d sessions at once", o.sessions-o.idle-o.failover), g.rush},
		{fmt.Sprintf("%d sessions while the leader is killed", o.failover), g.failover},
		{"a fleet is halved while its calls go on", g.scaleIn},
	} {
		began := time.Now()
		fmt.Fprintf(os.Stderr, "==> %s\n", step.name)
		stepCtx, cancel := context.WithTimeout(ctx, patience)
		err := step.do(stepCtx, f)
		cancel()
		if err := errors.Join(err, g.agents.broken()); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "    done after %.1f s\n", time.Since(began).Seconds())
	}
	fmt.Printf("%d nodes, %d pods of %d bots, %d sessions; %d cores, which all of it shares\n\n", o.nodes, o.pods, o.bots, o.sessions, runtime.NumCPU())
	return f.print(os.Stdout)
}
