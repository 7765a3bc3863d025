// SPDX-License-Identifier: Apache-2.0

// Command teamsim runs a local Teams: login, Graph calls API, meetings with people in them, and a page to look at.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/teamsim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "teamsim:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	level := slog.Level(-c.verbosity)
	options.Log = logr.FromSlogHandler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	server, err := teamsim.Start(options)
	if err != nil {
		return err
	}
	defer server.Close()
	if c.seedFile != "" {
		if err := plant(ctx, server.Admin(), c.seedFile); err != nil {
			return err
		}
	}
	info := server.Info()
	options.Log.Info("teamsim is ready", "url", info.URL, "page", info.AdminURL)
	if c.printReady {
		if err := json.NewEncoder(stdout).Encode(info); err != nil {
			return fmt.Errorf("print ready line: %w", err)
		}
	}
	<-ctx.Done()
	options.Log.Info("stopping")
	return nil
}
