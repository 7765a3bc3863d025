// SPDX-License-Identifier: Apache-2.0

// Command fastpod is the media pod's process with a clock that runs CLOCK_SPEED times as fast, so that a test lives through
// keepAlives and deadlines in seconds.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/callfleet/callfleet/mediapod/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fastpod:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := agent.ConfigFromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	speed, err := strconv.ParseFloat(os.Getenv("CLOCK_SPEED"), 64)
	if err != nil || speed < 1 {
		return fmt.Errorf("CLOCK_SPEED is %q: it must be a number from 1 on", os.Getenv("CLOCK_SPEED"))
	}
	cfg.Clock = newFastClock(speed)
	kube, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug})).WithValues("mediapod", cfg.MediaPod)
	log.Info("starting", "podIP", cfg.PodIP, "clockSpeed", speed)
	return agent.Run(ctx, cfg, kube, log)
}
