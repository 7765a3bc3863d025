// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// lookAgain is how often --wait looks whether a call has ended.
const lookAgain = 500 * time.Millisecond

// ended is what hangup prints.
type ended struct {
	Action    string                `json:"action"`
	Namespace string                `json:"namespace"`
	Object    string                `json:"object"`
	Phase     callfleetv1.CallPhase `json:"phase"`
	EndReason callfleetv1.EndReason `json:"endReason,omitempty"`
}

func (c *cli) newHangup() *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "hangup CALL...",
		Short: "Make the bot leave",
		Long: `Make the bot leave calls: spec.desiredState of each becomes Ended, which works whether or not its media pod can be
reached. A meeting or group call goes on without the bot. What has ended is not connected again; make a new object.

You need patch on the session or call.`,
		Example: `  kubectl callfleet hangup ms/standup

  # All calls of a bot, and wait until they are over
  kubectl callfleet hangup --wait $(kubectl callfleet calls --live --bot reception -o name)`,
		Args: needs(1, -1, "a call"),
		RunE: running(func(ctx context.Context, args []string) error { return c.hangup(ctx, args, wait, timeout) }),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "Wait until the bot has left")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "How long to wait with --wait")
	cmd.ValidArgsFunction = c.completeArgs(c.liveCalls, c.moreCalls)
	c.outputFlag(cmd, "json", "yaml")
	return cmd
}

func (c *cli) hangup(ctx context.Context, args []string, wait bool, timeout time.Duration) error {
	var refs []reference
	for _, arg := range args {
		ref, err := parseReference(arg)
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		t, err := cl.target(ctx, ref)
		if err != nil {
			return err
		}
		if t.status.Phase.Finished() {
			if err := c.tellEnd(t, "is over already"); err != nil {
				return err
			}
			continue
		}
		err = cl.callfleet.Patch(types.MergePatchType).Namespace(cl.namespace).Resource(ref.resource).Name(ref.name).
			Param("fieldManager", userAgent).Body([]byte(`{"spec":{"desiredState":"Ended"}}`)).Do(ctx).Error()
		if err != nil {
			return err
		}
		if !wait {
			if err := c.tellEnd(t, "is asked to end"); err != nil {
				return err
			}
		}
	}
	if !wait {
		return nil
	}
	deadline := time.Now().Add(timeout)
	for _, ref := range refs {
		if err := c.awaitEnd(ctx, cl, ref, deadline); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) awaitEnd(ctx context.Context, cl *cluster, ref reference, deadline time.Time) error {
	for {
		t, err := cl.target(ctx, ref)
		if err != nil {
			return err
		}
		if t.status.Phase.Finished() {
			return c.tellEnd(t, "is over")
		}
		if time.Now().After(deadline) {
			return fail(exitUncertain, "%s is not over yet (%s); it was asked to end, and goes on doing so", t, t.status.Phase)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

func (c *cli) tellEnd(t *target, what string) error {
	text := fmt.Sprintf("%s %s", t, what)
	if t.status.EndReason != "" {
		text += ": " + string(t.status.EndReason)
	}
	return c.print(&ended{Action: "hangup", Namespace: t.namespace, Object: t.String(), Phase: t.status.Phase, EndReason: t.status.EndReason}, text)
}
