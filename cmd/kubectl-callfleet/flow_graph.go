// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func (c *cli) newFlowGraph() *cobra.Command {
	var flow string
	cmd := &cobra.Command{
		Use:   "graph FILE|NAME",
		Short: "Draw a CallFlow",
		Long: `Draw a CallFlow: of a file, or of the cluster by its name. Each step is a box, each way from one to another an arrow; what goes
astray, such as a caller who presses nothing, is dotted. A flow with mistakes is drawn too.

Mermaid is what GitHub and many wikis show as a picture; DOT is for Graphviz.`,
		Example: `  # For a pull request
  kubectl callfleet flow graph reception.yaml

  # As a picture
  kubectl callfleet flow graph reception -o dot | dot -Tsvg > reception.svg`,
		Args:              needs(1, 1, "a file with a CallFlow, or the name of one in the cluster"),
		ValidArgsFunction: c.completeFlows,
		RunE: running(func(ctx context.Context, args []string) error {
			drawn, err := c.oneFlow(ctx, args[0], flow)
			if err != nil {
				return err
			}
			draw := callflow.Mermaid
			if c.output == "dot" {
				draw = callflow.DOT
			}
			_, err = fmt.Fprint(c.Out, draw(drawn.Name, &drawn.Spec))
			return err
		}),
	}
	cmd.Flags().StringVar(&flow, "flow", "", "Which CallFlow of a file that has several")
	c.outputFlag(cmd, "mermaid", "dot")
	return cmd
}

// oneFlow is the CallFlow that an argument means: a file's only one or that which is named, or the cluster's of this name.
func (c *cli) oneFlow(ctx context.Context, arg, name string) (*callfleetv1.CallFlow, error) {
	if !isFile(arg) {
		if name != "" {
			return nil, misuse("--flow chooses one of a file's, and %s is no file; leave it out", arg)
		}
		return c.getFlow(ctx, arg)
	}
	flows, err := c.readFlows(arg)
	if err != nil {
		return nil, err
	}
	if name == "" && len(flows) == 1 {
		return flows[0], nil
	}
	var there []string
	for _, f := range flows {
		if f.Name == name {
			return f, nil
		}
		there = append(there, f.Name)
	}
	if name == "" {
		return nil, misuse("%s has several CallFlows; choose one with --flow: %s", arg, strings.Join(there, ", "))
	}
	return nil, fail(exitNotFound, "%s has no CallFlow %s; it has %s", arg, name, strings.Join(there, ", "))
}
