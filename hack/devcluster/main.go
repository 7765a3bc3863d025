// SPDX-License-Identifier: Apache-2.0

// Command devcluster runs a real Kubernetes control plane on a laptop, and a
// node whose pods are processes of this host.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/callfleet/callfleet/hack/devcluster/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command.New().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
}
