// SPDX-License-Identifier: Apache-2.0

// Command demo shows the whole path on one machine: a bot and a session are applied, the bot is in a meeting in which
// somebody speaks, and what she hears back is measured. It exits non-zero if her voice was not heard.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/callfleet/callfleet/test/rig"
)

func main() {
	keep := flag.Bool("keep", false, "leave everything running")
	down := flag.Bool("down", false, "take down what an earlier run left running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := func() error { return run(ctx, *keep) }
	if *down {
		do = func() error { return end(ctx) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, keep bool) (err error) {
	dir := demoDir
	if err := removeOld(ctx, dir); err != nil {
		return err
	}
	heading("Setting up")
	r, err := rig.Start(ctx, rig.Options{Dir: dir, Keep: keep, Progress: os.Stdout})
	defer func() {
		if keep && err == nil {
			printKept(r)
			return
		}
		if r != nil {
			heading("Cleaning up")
			err = errors.Join(err, r.Close())
		}
		// The logs of a failure are kept; an interruption is none.
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err != nil {
		return err
	}
	up := r.Took["control plane and node"] + r.Took["operator and router"]
	fmt.Printf("Control plane, operator and router were up after %.1f s.\n", up.Seconds())
	return show(ctx, r)
}

// end takes down what an earlier run left running, and removes its folder.
func end(ctx context.Context) error {
	if _, err := os.Stat(demoDir); errors.Is(err, os.ErrNotExist) {
		fmt.Println("There is no demo in " + demoDir + ".")
		return nil
	}
	if err := rig.Stop(ctx, demoDir); err != nil {
		return err
	}
	return os.RemoveAll(demoDir)
}

// removeOld clears what an earlier run left, but not one that still runs.
func removeOld(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if rig.Running(ctx, dir) {
		return fmt.Errorf("an earlier demo still runs in %s; end it with: make demo-down", dir)
	}
	return os.RemoveAll(dir)
}

func heading(text string) { fmt.Printf("\n\033[1m%s\033[0m\n", text) }

func printKept(r *rig.Rig) {
	heading("Left running")
	fmt.Printf(`  export KUBECONFIG=%s
  %s -n voice get cb,mp,ms

  The local Teams:  %s   (page and admin API)
  Logs:             %s
  Take it down:     make demo-down
`, r.Cluster.Kubeconfig, r.Cluster.Binaries["kubectl"], r.Info.AdminURL, r.Cluster.LogDir())
}

const patience = 30 * time.Second

var demoDir = filepath.Join(".devcluster", "demo")
