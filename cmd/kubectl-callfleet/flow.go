// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// callFlows is the resource, as the API server spells it.
const callFlows = "callflows"

// newFlow has the commands that are about CallFlows rather than calls.
func (c *cli) newFlow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flow",
		Short: "Look at CallFlows",
		Long: `Look at CallFlows, in files or in the cluster. Nothing is changed, and no cluster is needed for files.

A file has CallFlows as kubectl apply takes them, and may have objects of other kinds besides; - is standard input.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.newFlowGraph(), c.newFlowTest())
	return cmd
}

// isFile reports whether an argument is a file rather than the name of an object.
func isFile(arg string) bool {
	if arg == "-" || filepath.Base(arg) != arg || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(arg)) {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil
}

// readFlows reads the CallFlows of a file.
func (c *cli) readFlows(file string) ([]*callfleetv1.CallFlow, error) {
	var raw []byte
	var err error
	if file == "-" {
		raw, err = io.ReadAll(c.In)
	} else {
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fail(exitFailed, "reading CallFlows: %v", err)
	}
	flows, err := callflow.Read(raw)
	if err != nil {
		return nil, misuse("reading CallFlows from %s: %w", file, err)
	}
	return flows, nil
}

// getFlow gets a CallFlow from the cluster.
func (c *cli) getFlow(ctx context.Context, name string) (*callfleetv1.CallFlow, error) {
	cl, err := c.connect()
	if err != nil {
		return nil, err
	}
	flow := &callfleetv1.CallFlow{}
	return flow, cl.callfleet.Get().Namespace(cl.namespace).Resource(callFlows).Name(name).Do(ctx).Into(flow)
}

// completeFlows completes the names of CallFlows, and files.
func (c *cli) completeFlows(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		return names(ctx, cl.callfleet.Get().Namespace(cl.namespace).Resource(callFlows))
	}), cobra.ShellCompDirectiveDefault
}
