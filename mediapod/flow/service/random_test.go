// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/flowtest"
)

// calls is how many random calls are made.
const calls = 200

// everything finds every prompt, and keeps every recording.
type everything struct{}

func (everything) MediaInfo(context.Context, flow.Prompt) (graph.MediaInfo, error) {
	return graph.MediaInfo{URI: "https://example.com/prompt.wav"}, nil
}

func (everything) Keep(_ context.Context, _ string, wav io.Reader) error {
	_, err := io.Copy(io.Discard, wav)
	return err
}

// TestRandomCallsLeaveTheTraceThatAnyStageMust: commands, steps, variables and the end of two hundred flows, in calls that the service
// hosts.
func TestRandomCallsLeaveTheTraceThatAnyStageMust(t *testing.T) {
	for seed := range uint64(calls) {
		c, err := flowtest.Random(seed)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			g := newStrictGraph(t, c)
			var stage *Stage
			got := c.Run(t.Context(), clock.RealClock{}, func(tell func(flow.Event)) flow.Stage {
				stage = New(Config{
					SignalsConfig: SignalsConfig{
						Call: g, Wish: g.wish, HangUp: func() {}, Consult: g.consult, Clock: clock.RealClock{}, Log: logr.Discard(),
					},
					Library: everything{}, Keeper: everything{}, Silent: func() bool { return false },
					Trouble: func(m string) { t.Errorf("call of seed %d: %s", c.Seed, m) },
				}, tell)
				g.changed = stage.Changed
				return noted{stage, g}
			}, g.act)
			if diff := c.Differences(got); diff != "" {
				t.Error(diff)
			}
			g.over("")
			stage.Wait()
			<-time.After(time.Minute) // for what is on its way
		})
	}
}
