// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

const (
	// keyWithin is how long after a key went up a flow must have it, and quietWithin how long after it went down a prompt must be still.
	keyWithin, quietWithin = 150 * time.Millisecond, 200 * time.Millisecond
	phoneKeys              = "1234567890*#ABCD"
)

// lineOf is a network as a telephone's gateway has it: a little is lost, and some comes late or twice.
var lineOf = impair.Config{Seed: 5, LossPercent: 0.5, Delay: 15 * time.Millisecond, Jitter: 15 * time.Millisecond, ReorderPercent: 1, HoldBack: 30 * time.Millisecond, DuplicatePercent: 1}

// A thousand keys, while prompts are played that each of them ends.
func TestKeysReachAFlowOnceInOrderAndInTime(t *testing.T) {
	bad := media.BadNetwork
	bad.DuplicatePercent = 2
	for name, tc := range map[string]struct {
		events bool
		codec  codec.Codec
		bad    impair.Config
		many   int
	}{
		"events, a bad network":  {true, codec.PCMU, bad, 1000},
		"events, wideband":       {true, codec.G722, bad, 300},
		"tones, a usual network": {false, codec.PCMU, lineOf, 1000},
		"tones, none lost":       {false, codec.PCMA, impair.Config{Seed: 5, Jitter: 20 * time.Millisecond}, 300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := newPhoneCall(t, tc.codec, tc.events, tc.bad)
				d := newInterrupted(k)
				k.FromCaller = d.left(tc.events)
				d.play()
				k.pass(time.Second)
				random := rand.New(rand.NewPCG(9, 0))
				var pressed []time.Duration // how long each
				for range tc.many {
					key := string(phoneKeys[random.IntN(len(phoneKeys))])
					length := 60*time.Millisecond + time.Duration(random.Int64N(int64(240*time.Millisecond)))
					if err := k.Caller.SendKeys(key, length, 80*time.Millisecond); err != nil {
						t.Fatal(err)
					}
					d.keys, pressed = append(d.keys, key), append(pressed, length)
					k.pass(length + 200*time.Millisecond + time.Duration(random.Int64N(int64(300*time.Millisecond))))
				}
				k.pass(time.Second)
				k.stage.Close()
				k.pass(time.Second)
				d.judge(t, pressed)
			})
		})
	}
}

// interrupted plays prompts, one after the other; a key ends the one that is played.
type interrupted struct {
	k      *phoneCall
	events chan flow.Event
	id     int64
	keys   []string
	downs  []time.Duration // when each key's first packet left the caller
	stops  []time.Duration // when the next prompt's first packet could have left the bot
}

func newInterrupted(k *phoneCall) *interrupted {
	d := &interrupted{k: k, events: make(chan flow.Event, 100)}
	k.files.takes = 0
	k.begin(func(e flow.Event) { d.events <- e })
	go func() {
		for e := range d.events {
			switch e.(type) {
			case flow.Tone:
				k.stage.Do(flow.StopPlaying{ID: d.id})
			case flow.Played:
				d.play()
			}
		}
	}()
	k.t.(*testing.T).Cleanup(func() { close(d.events) })
	return d
}

func (d *interrupted) play() {
	d.id++
	d.k.stage.Do(flow.Play{ID: d.id, Prompts: says("30s")})
}

// left notes when a key goes down.
func (d *interrupted) left(events bool) func(*transport.Packet) {
	last, seen := uint32(0), false
	return func(p *transport.Packet) {
		begins := events && p.PayloadType == 126 && (!seen || p.Timestamp != last)
		if !events {
			begins = p.Marker
		}
		if begins {
			d.downs = append(d.downs, d.k.now())
			last, seen = p.Timestamp, true
		}
	}
}

func (d *interrupted) judge(t *testing.T, pressed []time.Duration) {
	var got []string
	var at []time.Duration
	var quiet []time.Duration
	for _, h := range d.k.told {
		switch e := h.Event.(type) {
		case flow.Tone:
			got, at = append(got, string(e.Key)), append(at, h.at)
		case flow.Played:
			quiet = append(quiet, h.at)
		}
	}
	if !slices.Equal(got, d.keys) {
		t.Fatalf("%d of %d keys reached the flow:\n%s, want\n%s", len(got), len(d.keys), strings.Join(got, ""), strings.Join(d.keys, ""))
	}
	if len(d.downs) != len(got) || len(quiet) < len(got) {
		t.Fatalf("%d keys went down, %d prompts ended", len(d.downs), len(quiet))
	}
	var afterDown, afterUp, stopped []time.Duration
	for i := range got {
		afterDown, afterUp, stopped = append(afterDown, at[i]-d.downs[i]), append(afterUp, at[i]-d.downs[i]-pressed[i]), append(stopped, quiet[i]-d.downs[i])
		if afterUp[i] > keyWithin {
			t.Errorf("key %d reached the flow %v after it went up", i, afterUp[i])
		}
		if stopped[i] > quietWithin {
			t.Errorf("the prompt was still %v after key %d went down", stopped[i], i)
		}
	}
	for what, list := range map[string][]time.Duration{"down to event": afterDown, "up to event": afterUp, "down to quiet": stopped} {
		slices.Sort(list)
		t.Logf("%s: median %v, 99 %% %v, most %v", what, list[len(list)/2], list[len(list)*99/100], list[len(list)-1])
	}
}
