// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callfleet/callfleet/mediapod/control/wire"
)

func (c *cli) newTransfer() *cobra.Command {
	var participant, consult string
	cmd := &cobra.Command{
		Use:   "transfer CALL TO",
		Short: "Give a call to somebody else",
		Long: `Give a call to somebody else and wait until they have it or the transfer failed; then the call goes on as it was.

TO is the object id of a user, a telephone number such as +12065550100 (the bot needs an application instance with a
number). A resource account is named by its object id, too.

Out of a meeting or group call one participant is transferred: say who with --participant.

With --consult the transfer is consultative: the bot has a call with TO already, and the caller takes the bot's place in
it.`,
		Example: `  # To a colleague
  kubectl callfleet transfer call/reception-1f0c 1fdd12d0-4620-44ed-baec-459b611f84b2

  # To a telephone
  kubectl callfleet transfer call/reception-1f0c +12065550100

  # To a colleague the bot has called and spoken to
  kubectl callfleet transfer call/reception-1f0c 1fdd12d0-4620-44ed-baec-459b611f84b2 --consult call/ask-jane`,
		Args: needs(2, 2, "a call and whom to give it to"),
		RunE: running(func(ctx context.Context, args []string) error {
			to, err := parseIdentity(args[1])
			if err != nil {
				return misuse("%v", err)
			}
			p, err := c.begin(ctx, args[0])
			if err != nil {
				return err
			}
			body := &wire.Transfer{To: to}
			if participant != "" {
				if body.Participant, err = p.target.participant(participant); err != nil {
					return err
				}
			}
			if consult != "" {
				if body.ReplacesCallID, err = p.cluster.graphCall(ctx, consult); err != nil {
					return err
				}
			}
			outcome, err := p.act(ctx, wire.ActionTransfer, body)
			if err != nil {
				return err
			}
			return c.print(outcome, p.target.String()+": "+outcome.Message)
		}),
	}
	cmd.Flags().StringVar(&participant, "participant", "", "Who is transferred out of a meeting or group call: an id or a name of status.participants")
	cmd.Flags().StringVar(&consult, "consult", "", "The bot's own call with TO, as call/NAME: the caller takes the bot's place in it")
	c.completeFlag(cmd, "consult", c.liveCalls)
	return c.actionCommand(cmd)
}

// graphCall is the service's id for another call of the bot.
func (cl *cluster) graphCall(ctx context.Context, arg string) (string, error) {
	if !strings.Contains(arg, "/") {
		return arg, nil // it is one
	}
	ref, err := parseReference(arg)
	if err != nil {
		return "", err
	}
	t, err := cl.target(ctx, ref)
	if err != nil {
		return "", err
	}
	if err := t.reachable(); err != nil {
		return "", err
	}
	if t.status.Call == nil || t.status.Call.ID == "" {
		return "", fail(exitRefused, "%s is not connected yet (%s); wait until it is", t, t.status.Phase)
	}
	return t.status.Call.ID, nil
}

// participantCommand is an action on one participant.
func (c *cli) participantCommand(action wire.Action, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " CALL PARTICIPANT"
	cmd.Args = needs(2, 2, "a call and a participant")
	cmd.Long += `

PARTICIPANT is an id or a name of status.participants of the session or call. This works in meetings and group calls.`
	cmd.RunE = running(func(ctx context.Context, args []string) error {
		return c.simply(ctx, args[0], action, func(t *target) (wire.Request, error) {
			id, err := t.participant(args[1])
			return &wire.OfParticipant{Participant: id}, err
		})
	})
	cmd.ValidArgsFunction = c.completeArgs(c.liveCalls, c.participants)
	return c.actionCommand(cmd)
}

func (c *cli) newMuteParticipant() *cobra.Command {
	return c.participantCommand(wire.ActionMuteParticipant, &cobra.Command{
		Use:     "mute-participant",
		Short:   "Mute somebody in a meeting",
		Long:    `Mute somebody in a meeting or group call. Only they can unmute themselves.`,
		Example: `  kubectl callfleet mute-participant ms/standup 'Jane Doe'`,
	})
}

func (c *cli) newRemoveParticipant() *cobra.Command {
	return c.participantCommand(wire.ActionRemoveParticipant, &cobra.Command{
		Use:   "remove-participant",
		Short: "Remove somebody from a meeting",
		Long: `Remove somebody from a meeting or group call, without a warning to them; an invitation that still rings is withdrawn. The
tenant must let the bot do this: Set-CsApplicationMeetingConfiguration -AllowRemoveParticipantAppIds @{Add="APP-ID"}.`,
		Example: `  kubectl callfleet remove-participant ms/standup 'Jane Doe'`,
	})
}

func (c *cli) newHold() *cobra.Command {
	hold := &cobra.Command{
		Use:   "hold",
		Short: "Put somebody on hold, or take them off",
		Long:  `Put somebody in a meeting or group call on hold, with music, or take them off hold. One participant can be on hold at a time.`,
		Args:  needs(0, 0, "start or stop"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misuse("hold needs start or stop; see '%s --help'", cmd.CommandPath())
		},
	}
	var music string
	start := c.participantCommand(wire.ActionStartHold, &cobra.Command{
		Use:   "start",
		Short: "Put somebody on hold",
		Long:  "Put somebody on hold, with the service's own music or with a prompt.\n\n" + promptForm,
		Example: `  kubectl callfleet hold start ms/standup 'Jane Doe'

  # With one's own music
  kubectl callfleet hold start ms/standup 'Jane Doe' --prompt music/waiting.wav`,
	})
	start.Flags().StringVar(&music, "prompt", "", "What is played: CONFIGMAP/KEY or an https:// address; absent: the service's own music")
	c.completeFlag(start, "prompt", c.promptsAsFlag)
	start.RunE = running(func(ctx context.Context, args []string) error {
		body := &wire.StartHold{}
		if music != "" {
			prompt, err := parsePrompt(music)
			if err != nil {
				return err
			}
			body.Prompt = &prompt
		}
		return c.simply(ctx, args[0], wire.ActionStartHold, func(t *target) (wire.Request, error) {
			var err error
			body.Participant, err = t.participant(args[1])
			return body, err
		})
	})
	hold.AddCommand(start, c.participantCommand(wire.ActionStopHold, &cobra.Command{
		Use:     "stop",
		Short:   "Take somebody off hold",
		Long:    "Take somebody off hold.",
		Example: `  kubectl callfleet hold stop ms/standup 'Jane Doe'`,
	}))
	return hold
}

func (c *cli) newLargeGallery() *cobra.Command {
	return c.actionCommand(&cobra.Command{
		Use:   "large-gallery CALL",
		Short: "Have everybody's video sent as one picture",
		Long: `Have the service add a participant to a meeting or group call that sends everybody's video as one picture, the large
gallery.`,
		Example: `  kubectl callfleet large-gallery ms/standup`,
		Args:    needs(1, 1, "a call"),
		RunE: running(func(ctx context.Context, args []string) error {
			return c.simply(ctx, args[0], wire.ActionLargeGallery, fixed(&wire.Nothing{}))
		}),
	})
}
