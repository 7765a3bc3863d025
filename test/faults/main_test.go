// SPDX-License-Identifier: Apache-2.0

// Package faults lets a thousand calls go wrong in every way that is known: notifications lost, doubled and out of order,
// requests refused or done without a reply, processes killed, the API server away. What happens follows from a seed;
// afterwards, and all along, what must hold at all times is checked. The operator, the router and the media pods are the
// real ones, as processes; only the pods' clock runs fast.
package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/callfleet/callfleet/test/rig"
)

var (
	firstSeed = flag.Uint64("seed", 1, "seed of the first round; the next one has the next")
	total     = flag.Int("scenarios", 1000, "how many scenarios there are in all")
	perRound  = flag.Int("round", 112, "how many scenarios a round has")
	only      = flag.Int("only", -1, "play this scenario of each round alone")
)

// speed of the clocks of the media pods and of the local Teams. Faster, and this machine would miss the deadlines.
const speed = 10

// world is the one rig of all rounds.
var world *rig.Rig

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() { // the judge and the draw, which need no cluster
		os.Exit(m.Run())
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, 10*time.Minute) // nothing may be built yet, and the machine busy
	defer cancel()
	dir, err := os.MkdirTemp("", "callfleet-faults-")
	if err != nil {
		return 1, err
	}
	defer func() {
		if world != nil {
			err = errors.Join(err, world.Close())
		}
		if code == 0 && err == nil || interrupted.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		} else {
			fmt.Fprintln(os.Stderr, "faults: everything of this run is kept in", dir)
		}
	}()
	klog.SetLogger(logr.Discard()) // the node agent is here, and the API server is taken away from it
	pod := filepath.Join(dir, "fastpod")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", pod, "./fastpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	world, err = rig.Start(ctx, rig.Options{
		Dir: dir, Progress: os.Stderr, Images: map[string]string{"mediapod": pod}, BackOff: 100 * time.Millisecond,
	})
	if err != nil {
		return 1, err
	}
	// Tests cannot be interrupted, so their process ends under them.
	defer context.AfterFunc(interrupted, func() {
		_, _ = world.Close(), os.RemoveAll(dir)
		os.Exit(130)
	})()
	if err := startBots(ctx); err != nil {
		return 1, err
	}
	var seen rig.Haystack
	followed, unfollow := context.WithCancel(interrupted)
	defer unfollow()
	if err := seen.Follow(followed, world); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, seen.Leaks(followed, world)
}
