// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/mediapod/control/wire"
)

const (
	// hearAgain is how often in a row hearing is tried again, lookAgain after another, when the way to the pod fails.
	hearAgain = 20
	// settles is how long the end of a call may take to get into its status.
	settles = 10 * time.Second
	// overdue is what an answer to waiting for keys may take beyond the waiting.
	overdue = 10 * time.Second
)

func (c *cli) newSubscribeTones() *cobra.Command {
	var count int
	var once bool
	cmd := &cobra.Command{
		Use:   "subscribe-tones CALL",
		Short: "Listen to the keys that the other party presses",
		Long: `Have the service tell the keys that the other party presses, and print each as it comes, one per line: 0 to 9, *, #, A to D,
until the call is over, --count keys were pressed, or Ctrl-C. Keys pressed before are not printed.

Keys may be a PIN, and Microsoft does not allow to persist them. Callfleet has them in no log, status or timeline; act on them,
and do not write them down either. The timeline of the session or call says who subscribed to keys, not what was pressed.

Only calls whose media the service hosts can do this (media.hosting: Service).`,
		Example: `  # Each key as it comes
  kubectl callfleet subscribe-tones call/reception-1f0c

  # Press 1 for sales
  case $(kubectl callfleet subscribe-tones call/reception-1f0c --once) in
  1) kubectl callfleet transfer call/reception-1f0c +12065550100 ;;
  esac

  # Four keys, as JSON
  kubectl callfleet subscribe-tones call/reception-1f0c --count 4 -o json`,
		Args: needs(1, 1, "a call"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("count") && count < 1 {
				return misuse("--count %d is not possible; leave it out to listen until the call is over", count)
			}
			if once {
				count = 1
			}
			return running(func(ctx context.Context, args []string) error { return c.listen(ctx, args[0], count) })(cmd, args)
		},
	}
	cmd.Flags().IntVar(&count, "count", 0, "End after so many keys; absent: when the call is over")
	cmd.Flags().BoolVar(&once, "once", false, "End after one key, as --count 1")
	cmd.MarkFlagsMutuallyExclusive("count", "once")
	return c.actionCommand(cmd)
}

// listen subscribes to keys and prints them, count of them or, if that is 0, until the call is over.
func (c *cli) listen(ctx context.Context, arg string, count int) error {
	p, err := c.begin(ctx, arg)
	if err != nil {
		return err
	}
	// Where to begin is asked before, so that no key is missed.
	heard, err := p.tones(ctx, url.Values{})
	if err != nil {
		return err
	}
	if _, err := p.act(ctx, wire.ActionSubscribeTones, &wire.Nothing{}); err != nil {
		return err
	}
	c.note("Listening for keys in %s; Ctrl-C ends it.", p.target)
	for told := 0; ; {
		heard, err = c.hear(ctx, p, heard.Next)
		if f, ok := errors.AsType[*failure](err); ok && f.code == exitNotFound {
			return c.afterwards(ctx, p, told, count)
		}
		if err != nil {
			return err
		}
		for _, tone := range heard.Tones {
			if err := c.printTone(tone); err != nil {
				return err
			}
			if told++; told == count {
				return nil
			}
		}
		if heard.Over {
			return c.afterwards(ctx, p, told, count)
		}
	}
}

// hear waits a while for keys. It asks for the same ones again, so that it may try again.
func (c *cli) hear(ctx context.Context, p *pod, next int) (*wire.Tones, error) {
	renewed := false
	for failures := 0; ; {
		within, cancel := context.WithTimeout(ctx, max(p.http.Timeout, wire.TonesWait+overdue))
		heard, err := p.waiting().tones(within, url.Values{wire.ParamPosition: {strconv.Itoa(next)}})
		cancel()
		if err == nil {
			return heard, nil
		}
		err = explain(ctx, err)
		switch code := failureOf(err).code; {
		case code == exitForbidden && !renewed: // a call may outlive a token
			renewed = true
			if p.credentials, err = c.credentials(ctx, p.cluster); err != nil {
				return nil, err
			}
		case code == exitFailed && failures < hearAgain:
			failures++
			if err := pause(ctx, lookAgain); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

// afterwards is what comes of listening when the pod holds the call no longer.
func (c *cli) afterwards(ctx context.Context, p *pod, told, count int) error {
	for deadline := time.Now().Add(settles); ; {
		t, err := p.cluster.target(ctx, p.target.reference)
		f, ok := errors.AsType[*failure](err)
		switch gone := ok && f.code == exitNotFound; {
		case err != nil && !gone:
			return err
		case gone || t.uid != p.target.uid || t.status.Phase.Finished():
			if told < count {
				return fail(exitRefused, "%s is over, and %d of %d keys were pressed", p.target, told, count)
			}
			c.note("%s is over.", p.target)
			return nil
		case t.status.MediaPod != p.target.status.MediaPod || time.Now().After(deadline):
			return fail(exitNotFound, "media pod %s holds %s no longer, which is not over (%s, %s); run this again to go on listening",
				p.target.status.MediaPod, t, t.status.Phase, orNoPod(t.status.MediaPod))
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

func orNoPod(name string) string {
	if name == "" {
		return "in no pod at present"
	}
	return "in pod " + name
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// printTone prints a key at once: as a line, a line of JSON, or a document of YAML.
func (c *cli) printTone(tone wire.Tone) error {
	switch c.output {
	case "json":
		return json.NewEncoder(c.Out).Encode(tone)
	case "yaml":
		raw, err := yaml.Marshal(tone)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Out, "---\n%s", raw)
		return err
	}
	_, err := fmt.Fprintln(c.Out, strings.Map(printable, tone.Key))
	return err
}

// printable drops what could steer a terminal: a key that Callfleet does not know is told as the service named it.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}

// waiting is the same pod, asked with more patience than --request-timeout may allow.
func (p *pod) waiting() *pod {
	patient, web := *p, *p.http
	web.Timeout = 0
	patient.http = &web
	return &patient
}

// tones asks for the keys that were pressed in the call.
func (p *pod) tones(ctx context.Context, query url.Values) (*wire.Tones, error) {
	resp, err := p.do(ctx, http.MethodGet, wire.TonesPath(p.target.uid), query, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	heard := &wire.Tones{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(heard); err != nil {
		return nil, fmt.Errorf("the media pod's answer cannot be read: %w", err)
	}
	return heard, nil
}
