// SPDX-License-Identifier: Apache-2.0

// Command chaos lets all of it happen to a fleet on two real kubelets while a hundred calls are held: a rolling change of the
// image, a renewal of certificates, kubectl drain, the end of the leading manager and that of a media pod. It prints what
// each cost, and fails unless the calls on the killed media pod are all that were cut.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/callfleet/callfleet/test/rig"
)

// options are what can be asked for.
type options struct {
	calls             int
	shortest, longest time.Duration
	seed              uint64
}

func main() {
	var o options
	flag.IntVar(&o.calls, "calls", 100, "how many calls are held at a time")
	flag.DurationVar(&o.shortest, "shortest", 15*time.Second, "how long the shortest call lasts")
	flag.DurationVar(&o.longest, "longest", 2*time.Minute, "how long the longest call lasts; a drained pod waits for it")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what the lengths of calls and the victim are drawn from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	klog.SetLogger(logr.Discard())
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.calls < 1 || o.shortest <= 0 || o.longest < o.shortest {
		return errors.New("there must be a call, and the longest not be shorter than the shortest")
	}
	fmt.Fprintf(out, "==> %d calls of %s to %s, seed %d\n", o.calls, o.shortest, o.longest, o.seed)
	dir, err := os.MkdirTemp("", "callfleet-chaos-")
	if err != nil {
		return err
	}
	r, err := rig.Start(ctx, rig.Options{Dir: dir, Kubelets: 2, MediaTimeout: mediaTimeout, Progress: out})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		err = errors.Join(err, r.Close())
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		} else {
			fmt.Fprintln(out, "==> everything of this run is kept in", dir)
		}
	}()
	s := &stage{rig: r, out: out, o: o}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	calls := newCalls(r, o)
	talking, hush := context.WithCancel(ctx)
	defer hush()
	calls.start(talking)
	fmt.Fprintln(out, "==> calls begin")
	if err := calls.awaitAll(ctx); err != nil {
		return err
	}
	s.calls = calls

	var results []result
	for _, e := range events {
		fmt.Fprintf(out, "==> %s\n", e.name)
		results = append(results, s.play(ctx, e))
	}
	fmt.Fprintln(out, "==> the last calls end")
	calls.finish()
	results = append(results, calls.tally("after all of it"))
	report(out, results)
	return errors.Join(verdict(results), calls.err())
}

// mediaTimeout is when the service gives up a call without media: later than a machine with two cores, which the local Teams
// shares with both nodes, stands still. Media that a fleet has cut do not come back by then either.
const mediaTimeout = 20 * time.Second

// image is what media pods run after the change: another name for the same program, which is all that a fleet can see of it.
const image = "callfleet/mediapod:next"

// prepare makes the fleet and gives manager and router a second replica.
func (s *stage) prepare(ctx context.Context) error {
	if err := s.rig.Cluster.SetImage(image, filepath.Join(s.rig.Root, "bin", "mediapod")); err != nil {
		return err
	}
	return s.startFleet(ctx)
}
