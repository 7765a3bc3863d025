// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/flowtest"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// Random flows, and callers who find their way through them on a telephone: whatever happens in the calls, and when packets come, the
// engine leaves the trace that every stage must leave.
func TestRandomFlowsLeaveTheirTracesOnTheEngine(t *testing.T) {
	voice := media.RecordingOf(t, "prompt.wav")
	for seed := range uint64(200) {
		c, err := flowtest.Random(seed)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			bad := impair.Config{}
			if seed%2 == 1 {
				bad = lineOf
				bad.Seed = seed
			}
			r := &randomCall{phoneCall: newPhoneCall(t, codec.PCMU, seed%3 != 0, bad), c: c, voice: voice}
			r.files.fixed = flowtest.PromptLength
			r.signals.takes, r.signals.does = 30*ms, r.does
			got := make(chan rehearse.Result, 1)
			go func() { got <- c.Run(t.Context(), clock.RealClock{}, r.stageOf, r.act) }()
			for r.now() < time.Hour {
				r.pass(frame)
				select {
				case result := <-got:
					if diff := c.Differences(result); diff != "" {
						t.Error(diff)
					}
					r.pass(time.Second) // what was under way ends
					return
				default:
				}
			}
			t.Fatalf("call of seed %d does not end", seed)
		})
	}
}

// randomCall is a caller who does what the case says.
type randomCall struct {
	*phoneCall
	c     *flowtest.Case
	voice []int16
}

func (r *randomCall) stageOf(tell func(flow.Event)) flow.Stage {
	r.begin(tell)
	return r.stage
}

func (r *randomCall) act(a rehearse.Act) {
	switch {
	case a.HangUp:
		r.signals.tell(flow.Ended{})
	case a.Press != "":
		if err := r.Caller.SendKeys(string(a.Press), 80*ms, 60*ms); err != nil {
			r.t.Error(err)
		}
	default:
		samples := make([]int16, int(a.Speak*audio.SampleRate/time.Second))
		for at := 0; at < len(samples); {
			at += copy(samples[at:], r.voice)
		}
		r.Caller.Play(clipOf(r.t, samples), media.PlayOptions{})
	}
}

// does has transfers and invitations end as the case says.
func (r *randomCall) does(c flow.Command) {
	outcome := r.c.Outcome(c)
	time.AfterFunc(outcome.After, func() {
		switch c := c.(type) {
		case flow.Transfer:
			r.signals.tell(flow.Transferred{ID: c.ID, Failure: outcome.Failure})
		case flow.Invite:
			r.signals.tell(flow.Invited{ID: c.ID, Failure: outcome.Failure})
		}
	})
}
