// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

const userAgent = "kubectl-callfleet"

// cli is what all commands share.
type cli struct {
	genericiooptions.IOStreams
	config *genericclioptions.ConfigFlags

	// port of the media pods' control endpoint.
	port int
	// direct dials the media pod itself.
	direct bool
	// asServiceAccount is whose token goes to the media pod.
	asServiceAccount string
	// output is "", json or yaml; calls knows wide and name too.
	output string
}

// execute runs a command line and gives what the process ends with.
func execute(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	return executeAt(ctx, args, streams, wire.Port)
}

// executeAt does so for media pods that serve control at another port.
func executeAt(ctx context.Context, args []string, streams genericiooptions.IOStreams, port int) int {
	root := newRoot(streams, port)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	f := failureOf(err)
	fmt.Fprintln(streams.ErrOut, "error:", f.err)
	return f.code
}

func newRoot(streams genericiooptions.IOStreams, port int) *cobra.Command {
	c := &cli{IOStreams: streams, port: port, config: genericclioptions.NewConfigFlags(true)}
	// Nothing is discovered, so nothing is cached; and a media pod cannot be told extras.
	c.config.CacheDir, c.config.ImpersonateUserExtra = nil, nil
	root := &cobra.Command{
		Use:   "kubectl-callfleet",
		Short: "Act in the calls of Callfleet's bots",
		Long: `Act in the calls of Callfleet's bots: transfer, play, record, press keys, mute, hold.

A call is named as ms/NAME (a MeetingSession) or call/NAME. Actions go through the API server to the media pod that has
the call. You need the verb "control" on the session or call, and create and get on pods/proxy; the role callfleet-edit
has both. The timeline of the session or call tells who did what.`,
		Example: `  # What goes on in this namespace
  kubectl callfleet calls --live

  # Play a prompt into a call, then give the caller to somebody
  kubectl callfleet play call/reception-1f0c greetings/hello.wav
  kubectl callfleet transfer call/reception-1f0c +12065550100`,
		Annotations:  map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl callfleet"},
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.ErrOut)
	c.config.AddFlags(root.PersistentFlags())
	c.completeFlag(root, "namespace", c.namespaces)
	root.AddGroup(
		&cobra.Group{ID: "see", Title: "See and end:"},
		&cobra.Group{ID: "sound", Title: "Sound and keys:"},
		&cobra.Group{ID: "people", Title: "People:"},
		&cobra.Group{ID: "flows", Title: "Voice menus:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("see", c.newCalls(), c.newListenURL(), c.newHangup())
	add("sound", c.newPlay(), c.newStop(), c.newRecord(), c.newDTMF(), c.newSubscribeTones())
	add("people", c.newTransfer(), c.newMuteParticipant(), c.newRemoveParticipant(), c.newHold(), c.newLargeGallery())
	add("flows", c.newFlow())
	return root
}

// running makes a command's work a cobra RunE.
func running(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return explain(cmd.Context(), work(cmd.Context(), args))
	}
}

// needs is a check of the number of arguments that says what is missing.
func needs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return misuse("%d arguments given, this needs %s\nusage: %s\nSee '%s --help'", len(args), what, cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

// terminal reports whether somebody sits in front of a stream.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// note tells a person what is under way; a script is not bothered.
func (c *cli) note(format string, args ...any) {
	if terminal(c.ErrOut) {
		fmt.Fprintf(c.ErrOut, format+"\n", args...)
	}
}

// cluster is the API server as one command uses it.
type cluster struct {
	config          *rest.Config
	callfleet, core rest.Interface
	namespace       string
}

func (c *cli) connect() (*cluster, error) {
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil, fail(exitFailed, "finding the cluster: %v; check your kubeconfig, or --kubeconfig and --context", err)
	}
	namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fail(exitFailed, "finding the namespace: %v", err)
	}
	own, err := client.ForCallfleet(config, userAgent)
	if err != nil {
		return nil, err
	}
	core, err := client.ForCore(config, userAgent)
	if err != nil {
		return nil, err
	}
	return &cluster{config: config, callfleet: own, core: core, namespace: namespace}, nil
}
