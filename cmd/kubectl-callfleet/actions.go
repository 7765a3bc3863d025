// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// actionCommand finishes a command that acts in a call: its first argument is the call.
func (c *cli) actionCommand(cmd *cobra.Command) *cobra.Command {
	c.outputFlag(cmd, "json", "yaml")
	cmd.Flags().StringVar(&c.asServiceAccount, "as-service-account", "",
		"Act as this service account of the namespace, for which a token good for ten minutes is made; for kubeconfigs without a token")
	c.completeFlag(cmd, "as-service-account", c.serviceAccounts)
	cmd.Flags().BoolVar(&c.direct, "direct", false,
		"dial the media pod's own address, where the API server cannot: on a development cluster, or from inside the pods' network")
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = c.completeArgs(c.liveCalls, nil)
	}
	return cmd
}

// begin finds the call of a command and the way to it.
func (c *cli) begin(ctx context.Context, arg string) (*pod, error) {
	ref, err := parseReference(arg)
	if err != nil {
		return nil, err
	}
	cl, err := c.connect()
	if err != nil {
		return nil, err
	}
	t, err := cl.target(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.reach(ctx, cl, t)
}

// simply runs an action whose answer is its outcome.
func (c *cli) simply(ctx context.Context, arg string, action wire.Action, body func(*target) (wire.Request, error)) error {
	p, err := c.begin(ctx, arg)
	if err != nil {
		return err
	}
	request, err := body(p.target)
	if err != nil {
		return err
	}
	outcome, err := p.act(ctx, action, request)
	if err != nil {
		return err
	}
	return c.print(outcome, fmt.Sprintf("%s: %s", p.target, outcome.Message))
}

func fixed(body wire.Request) func(*target) (wire.Request, error) {
	return func(*target) (wire.Request, error) { return body, nil }
}

// parsePrompt reads where a sound file is.
func parsePrompt(arg string) (wire.Prompt, error) {
	if strings.Contains(arg, "://") {
		p := wire.Prompt{URL: callfleetv1.HTTPSURL(arg)}
		if err := p.Validate(); err != nil {
			return wire.Prompt{}, misuse("%v", err)
		}
		return p, nil
	}
	name, key, ok := strings.Cut(arg, "/")
	if !ok || name == "" || key == "" {
		return wire.Prompt{}, misuse("%q names no sound file; write CONFIGMAP/KEY or an https:// address", arg)
	}
	return wire.Prompt{ConfigMap: &callfleetv1.KeyReference{Name: name, Key: key}}, nil
}

const (
	promptForm = `A prompt is a WAV file with 16 kHz, 16 bit, mono, PCM: CONFIGMAP/KEY for a key under binaryData of a ConfigMap beside the
bot, or an https:// address that Microsoft's service can reach.`
	// promptHelp is of what the service does with the media it hosts.
	promptHelp = promptForm + ` Only calls whose media the service hosts can do this
(media.hosting: Service).`
)

func (c *cli) newPlay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "play CALL PROMPT...",
		Short: "Play prompts into a call",
		Long: `Play up to 20 prompts into a call, one after the other, and wait for their end. Ctrl-C ends the waiting, not the prompts;
see stop for that.

` + promptHelp,
		Example: `  # A greeting from a ConfigMap
  kubectl create configmap greetings --from-file=hello.wav
  kubectl callfleet play call/reception-1f0c greetings/hello.wav

  # Two in a row, one from the web
  kubectl callfleet play ms/standup greetings/hello.wav https://cdn.contoso.com/news.wav`,
		Args: needs(2, 1+wire.MaxPrompts, "a call and 1 to 20 prompts"),
		RunE: running(func(ctx context.Context, args []string) error {
			body := &wire.Play{}
			for _, arg := range args[1:] {
				prompt, err := parsePrompt(arg)
				if err != nil {
					return err
				}
				body.Prompts = append(body.Prompts, prompt)
			}
			c.note("Playing; Ctrl-C ends the waiting, not the prompt.")
			return c.simply(ctx, args[0], wire.ActionPlay, fixed(body))
		}),
	}
	cmd.ValidArgsFunction = c.completeArgs(c.liveCalls, c.promptKeys)
	return c.actionCommand(cmd)
}

func (c *cli) newStop() *cobra.Command {
	return c.actionCommand(&cobra.Command{
		Use:     "stop CALL",
		Short:   "Stop prompts and recordings in a call",
		Long:    `Stop the prompts and recordings that are under way or queued in a call. The call itself goes on; see hangup.`,
		Example: `  kubectl callfleet stop call/reception-1f0c`,
		Args:    needs(1, 1, "a call"),
		RunE: running(func(ctx context.Context, args []string) error {
			return c.simply(ctx, args[0], wire.ActionStop, fixed(&wire.Nothing{}))
		}),
	})
}

func (c *cli) newDTMF() *cobra.Command {
	var delay time.Duration
	cmd := &cobra.Command{
		Use:   "dtmf CALL KEYS",
		Short: "Press keys in a call",
		Long: `Press keys in a call, as somebody with a telephone would: 0 to 9, *, #, and A to D. Blanks, commas and dashes between
them mean nothing.`,
		Example: `  # A conference's PIN
  kubectl callfleet dtmf call/dial-in '1234#'

  # Slowly, for an old telephone system
  kubectl callfleet dtmf call/dial-in '1 2 3' --delay 500ms`,
		Args: needs(2, 2, "a call and keys"),
		RunE: running(func(ctx context.Context, args []string) error {
			body := &wire.SendTones{Tones: args[1]}
			if delay != 0 {
				body.Delay = &metav1.Duration{Duration: delay}
			}
			return c.simply(ctx, args[0], wire.ActionSendTones, fixed(body))
		}),
	}
	cmd.Flags().DurationVar(&delay, "delay", 0, "Time between the keys, up to 10s; absent: as the service does")
	return c.actionCommand(cmd)
}
