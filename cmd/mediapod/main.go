// SPDX-License-Identifier: Apache-2.0

// Command mediapod is the process in every media pod: agent, signalling and media engine.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/callfleet/callfleet/mediapod/agent"
	"github.com/callfleet/callfleet/mediapod/media"
)

func main() {
	if os.Getenv("GOGC") == "" { // which goes before
		debug.SetGCPercent(media.GCPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mediapod:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := agent.ConfigFromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	// KUBECONFIG if set, else the service account of the pod.
	kube, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stdout, nil)).WithValues("mediapod", cfg.MediaPod)
	log.Info("starting", "podIP", cfg.PodIP, "mediaPort", cfg.MediaPort)
	return agent.Run(ctx, cfg, kube, log)
}
