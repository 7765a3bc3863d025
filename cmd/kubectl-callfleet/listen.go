// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// listening is what listen-url prints.
type listening struct {
	Namespace string `json:"namespace"`
	Object    string `json:"object"`
	URL       string `json:"url"`
	// Listeners is how many listen in already.
	Listeners int32 `json:"listeners"`
}

func (c *cli) newListenURL() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "listen-url CALL",
		Short: "Print where to listen in to a call",
		Long: `Print the WHEP address at which a supervisor listens in to a call: both sides are heard, and nobody hears the supervisor.
Open it with any WHEP player, with a Kubernetes token as the bearer token. Whoever the token belongs to needs the verb
"listen" on the session or call; the role callfleet-supervisor has it. The timeline tells who listened and when.

The media pod sees the token. Make one for the purpose that soon runs out, of a service account that may do nothing else.

Only calls whose media the bot hosts (media.hosting: Application) can be listened to. You need get on the session or call.`,
		Example: `  kubectl create serviceaccount supervisor
  kubectl create rolebinding supervisor --clusterrole=callfleet-supervisor --serviceaccount=NAMESPACE:supervisor

  # Address and token for a player
  kubectl callfleet listen-url call/reception-1f0c
  kubectl create token supervisor --duration=10m`,
		Args: needs(1, 1, "a call"),
		RunE: running(func(ctx context.Context, args []string) error { return c.listenURL(ctx, args[0]) }),
	}
	cmd.ValidArgsFunction = c.completeArgs(c.liveCalls, nil)
	c.outputFlag(cmd, "json", "yaml")
	return cmd
}

func (c *cli) listenURL(ctx context.Context, arg string) error {
	ref, err := parseReference(arg)
	if err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	t, err := cl.target(ctx, ref)
	if err != nil {
		return err
	}
	if err := t.reachable(); err != nil {
		return err
	}
	media := t.status.Media
	switch {
	case t.status.Call != nil && t.status.Call.Hosting == callfleetv1.HostingService:
		return fail(exitRefused, "the service hosts the media of %s, so there is nothing to listen to in the media pod; it takes a bot with media.hosting: Application", t)
	case media == nil || media.ListenURL == "":
		return fail(exitRefused, "%s has no media yet (%s); try again when it is established", t, t.status.Phase)
	}
	return c.print(&listening{Namespace: t.namespace, Object: t.String(), URL: media.ListenURL, Listeners: media.Listeners}, media.ListenURL)
}
