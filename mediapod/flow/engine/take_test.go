// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

// reel keeps when what it was given was said.
type reel []time.Time

func (r *reel) Keep(at time.Time, _ []int16) { *r = append(*r, at) }
func (*reel) End(bool) error                 { return nil }

const (
	speaks = 's' // 100 ms of a voice
	hears  = '.' // of silence that is sent
	lacks  = ' ' // of nothing that is sent
	jumps  = 'j' // that a call which fell behind leaves out
	idles  = 'i' // without frames, in which the time is looked at
	stops  = '#' // a stop tone
	other  = '5' // another key
	shuts  = '(' // nothing may be kept from here on …
	opens  = ')' // … to here
)

func TestTakesEnd(t *testing.T) {
	voice := audiotest.Speech(t, "standup.wav")[8000:]
	for name, tc := range map[string]struct {
		what string
		want flow.RecordEnd // empty: it goes on
		at   time.Duration  // about
	}{
		"nothing is said":                        {what: "..............................", want: flow.RecordNothing, at: 2 * time.Second},
		"nothing is sent":                        {what: "                              ", want: flow.RecordNothing, at: 2 * time.Second},
		"nothing comes":                          {what: "..iiiiiiiiiiiiiiiiiiiiiiiiiiii", want: flow.RecordNothing, at: 2 * time.Second},
		"the caller is done":                     {what: "..ssssssssss..............", want: flow.RecordSilence, at: 2200 * time.Millisecond},
		"the caller is done, and sends nothing":  {what: "..ssssssssss              ", want: flow.RecordSilence, at: 2200 * time.Millisecond},
		"the caller pauses":                      {what: "..ssssssssss......ssssss......"},
		"time is left out while they pause":      {what: "..ssssssssss..jjjjjjjjjj..", want: flow.RecordSilence, at: 2500 * time.Millisecond},
		"the far side is lost":                   {what: "..ssssssssssiiiiiiiiiiiiiiiii", want: flow.RecordSilence, at: 2500 * time.Millisecond},
		"a stop tone":                            {what: "..sss#", want: flow.RecordStopTone, at: 500 * time.Millisecond},
		"a stop tone at once":                    {what: "#", want: flow.RecordStopTone},
		"another key":                            {what: "..sss5sss"},
		"the first end counts":                   {what: ".....................#", want: flow.RecordNothing, at: 2 * time.Second},
		"as long as it may be":                   {what: "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss", want: flow.RecordMaxDuration, at: 4 * time.Second},
		"time goes on while nothing may be kept": {what: "..ss(ssssssss..............)", want: flow.RecordSilence, at: 2200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			shut := false
			tk := newTake(flow.Record{
				InitialSilence: 2 * time.Second, MaxSilence: time.Second, MaxDuration: 4 * time.Second, StopTones: []callfleetv1.PhoneKey{"#", "*"},
			}, func() bool { return !shut })
			tk.file = &reel{}
			begin := time.Unix(5000, 0)
			now, at := begin, 0
			var why flow.RecordEnd
			var ended time.Duration
			for _, w := range tc.what {
				switch w {
				case stops, other:
					tk.key(callfleetv1.PhoneKey(string(w)))
				case shuts, opens:
					shut = w == shuts
				case jumps:
					now = now.Add(100 * time.Millisecond)
				case idles:
					now = now.Add(100 * time.Millisecond)
					tk.look(now)
				default:
					for range 5 {
						f := &media.Frame{At: now}
						switch w {
						case speaks:
							f.Heard, f.HeardAt = voice[at:at+audio.FrameSamples], now
							at += audio.FrameSamples
						case hears:
							f.Heard, f.HeardAt = silence[:], now
						}
						tk.Tap(f)
						now = now.Add(audio.FrameDuration)
					}
				}
				select {
				case why = <-tk.ended:
					ended = now.Sub(begin)
				default:
				}
			}
			if why != tc.want || (ended-tc.at).Abs() > 400*time.Millisecond {
				t.Errorf("it ended %q after %v, want %q after about %v", why, ended, tc.want, tc.at)
			}
		})
	}
}

// What is played out late was said before, and is not kept if it might not be then.
func TestWhatWasSaidWhileItMightNotBeKeptIsNot(t *testing.T) {
	const delay = 60 * time.Millisecond
	shut := false
	kept := &reel{}
	tk := newTake(flow.Record{InitialSilence: time.Hour, MaxSilence: time.Hour, MaxDuration: time.Hour}, func() bool { return !shut })
	tk.file = kept
	begin := time.Unix(5000, 0)
	from, to := begin.Add(200*time.Millisecond), begin.Add(400*time.Millisecond)
	for now := begin; now.Before(begin.Add(time.Second)); now = now.Add(audio.FrameDuration) {
		shut = !now.Before(from) && now.Before(to)
		tk.Tap(&media.Frame{At: now, Heard: silence[:], HeardAt: now.Add(-delay)})
	}
	if i := slices.IndexFunc(*kept, func(at time.Time) bool { return at.After(from.Add(-delay)) && at.Before(to) }); i >= 0 || len(*kept) < 30 {
		t.Errorf("%d frames are kept, and one of them was said %v after the beginning", len(*kept), (*kept)[max(i, 0)].Sub(begin))
	}
}
