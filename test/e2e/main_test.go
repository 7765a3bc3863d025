// SPDX-License-Identifier: Apache-2.0

// Package e2e runs Callfleet as its users do: a real control plane, the operator and the router as pods, media pods as
// processes, or as containers on real nodes, the local Teams as Microsoft's side. Nothing is called from inside; tests apply
// resources, speak, listen and read statuses.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/callfleet/callfleet/test/rig"
)

// world is the one rig of all tests. They run one after the other: several of them break things.
var world *rig.Rig

// kubelets is how many real nodes the tests run on; 0: on the one whose pods are processes.
var kubelets = flag.Int("kubelets", 0, "run on so many real nodes, which need root, instead of one whose pods are processes")

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests that say so wait for sounds most of the time, not for a processor; but of more calls than this at once, two cores that have
	// a control plane besides do not play every prompt without a gap.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, 40*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "callfleet-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() {
		if world != nil {
			err = errors.Join(err, world.Close())
		}
		// More than 100 MB, which nobody wants who has interrupted the run.
		if code == 0 && err == nil || interrupted.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		} else {
			fmt.Fprintln(os.Stderr, "e2e: everything of this run is kept in", dir)
		}
	}()
	if world, err = rig.Start(ctx, rig.Options{Dir: dir, Kubelets: *kubelets, Progress: seen.Tee("the output of the rig", os.Stderr)}); err != nil {
		return 1, err
	}
	// Tests cannot be interrupted, so their process ends under them.
	defer context.AfterFunc(interrupted, func() {
		_, _ = world.Close(), os.RemoveAll(dir)
		os.Exit(130)
	})()
	klog.SetLogger(logr.Discard()) // following complains whenever the API server is taken away
	followed, unfollow := context.WithCancel(ctx)
	defer unfollow()
	if err := seen.Follow(followed, world); err != nil {
		return 1, err
	}
	bot, err := world.Bot()
	if err != nil {
		return 1, err
	}
	if err := world.StartBot(ctx, bot); err != nil {
		return 1, err
	}
	end, err := overhear()
	if err != nil {
		return 1, err
	}
	code = m.Run()
	end()
	return code, seen.Leaks(ctx, world, wrongSecret)
}
