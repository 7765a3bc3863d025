// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

const ms = time.Millisecond

// inBubble has a call on a network that does nothing wrong, and its stage.
func inBubble(t *testing.T, does func(k *phoneCall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := newPhoneCall(t, codec.PCMU, true, impair.Config{})
		k.begin(nil)
		does(k)
		k.stage.Close()
		k.pass(2 * time.Second)
	})
}

func TestPromptsArePlayedWithoutAPause(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.stage.Do(flow.Play{ID: 1, Prompts: says("500ms", "300ms", "200ms")})
		k.pass(1500 * ms)
		if n := k.said(0, time.Hour); n < 50 || n > 51 || k.sent[len(k.sent)-1].at-k.sent[0].at > time.Second {
			t.Errorf("%d packets of a second, within %v", n, k.sent[len(k.sent)-1].at-k.sent[0].at)
		}
		if at := k.at(flow.Played{ID: 1}); at < 980*ms || at > 1040*ms {
			t.Errorf("a second is played after %v", at)
		}
	})
}

func TestAPromptThatIsNotThereIsLeftOut(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.stage.Do(flow.Play{ID: 1, Prompts: says("500ms", "broken", "300ms")})
		k.pass(time.Second)
		if at := k.at(flow.Played{ID: 1, Failure: flow.FailedPrompt}); at < 780*ms || at > 850*ms {
			t.Errorf("the rest is played after %v", at)
		}
		k.stage.Do(flow.Play{ID: 2, Prompts: says("broken")})
		k.pass(20 * ms)
		k.at(flow.Played{ID: 2, Failure: flow.FailedPrompt})
	})
}

// The next frame is silent, whatever waits behind.
func TestAStopActsByTheNextFrame(t *testing.T) {
	for name, play := range map[string]flow.Play{
		"one":         {ID: 1, Prompts: says("10s")},
		"several":     {ID: 1, Prompts: says("10s", "9s", "8s")},
		"a loop":      {ID: 1, Prompts: says("300ms"), Loop: true},
		"a long loop": {ID: 1, Prompts: says("300ms", "200ms"), Loop: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(k *phoneCall) {
				k.stage.Do(play)
				k.pass(3 * time.Second)
				if n := k.said(0, 3*time.Second); n < 149 {
					t.Errorf("%d packets in three seconds", n)
				}
				at := k.now()
				k.stage.Do(flow.StopPlaying{ID: 1})
				k.stage.Do(flow.Play{ID: 2, Prompts: says("100ms")})
				k.pass(time.Second)
				if said := k.said(at, time.Hour); k.at(flow.Played{ID: 1}) != at || said > 6 {
					t.Errorf("stopped after %v, it ended after %v; %d packets follow, want the 5 or 6 of the next prompt", at, k.at(flow.Played{ID: 1}), said)
				}
				k.at(flow.Played{ID: 2})
			})
		})
	}
}

func TestALoopOfSeveralPromptsPlaysThemAll(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.stage.Do(flow.Play{ID: 1, Prompts: says("300ms", "quiet 200ms"), Loop: true})
		k.pass(5 * time.Second)
		if n := k.said(0, time.Hour); n < 145 || n > 165 || len(k.sent) < 249 {
			t.Errorf("of %d packets in five seconds %d have sound, want three of five", len(k.sent), n)
		}
	})
}

func TestAPromptCanBeStoppedWhileItIsLookedFor(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.files.takes = time.Second
		k.stage.Do(flow.Play{ID: 1, Prompts: says("2s")})
		k.pass(300 * ms)
		k.stage.Do(flow.StopPlaying{ID: 1})
		k.pass(20 * ms)
		if at := k.at(flow.Played{ID: 1}); at > 320*ms {
			t.Errorf("it ended after %v", at)
		}
		k.pass(2 * time.Second)
		if n := k.said(0, time.Hour); n > 0 {
			t.Errorf("%d packets of it were sent", n)
		}
	})
}

// A prompt is fetched and decoded once for all who play it, and looked for again after a minute beside being played.
func TestClipsAreKnown(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.files.takes = 200 * ms
		k.stage.Do(flow.Play{ID: 1, Prompts: says("100ms", "100ms")})
		k.pass(time.Second)
		begun := k.now()
		k.stage.Do(flow.Play{ID: 2, Prompts: says("100ms")})
		k.pass(40 * ms)
		if k.said(begun, time.Hour) == 0 || k.files.count("100ms") != 1 {
			t.Errorf("a prompt that is known was looked for %d times, and %d packets of it were sent at once", k.files.count("100ms"), k.said(begun, time.Hour))
		}
		k.pass(time.Second)
		time.Sleep(2 * time.Minute)
		begun = k.now()
		k.stage.Do(flow.Play{ID: 3, Prompts: says("100ms")})
		k.pass(5 * time.Second)
		if k.said(begun, begun+3*time.Minute) == 0 || k.files.count("100ms") != 2 {
			t.Errorf("a prompt of two minutes ago was looked for %d times", k.files.count("100ms"))
		}
	})
}

// recorded is a record step as most are.
func recorded(change func(*flow.Record)) flow.Record {
	r := flow.Record{
		ID: 5, Name: "leave-1", Beep: true, MaxDuration: 20 * time.Second, InitialSilence: 4 * time.Second, MaxSilence: 2 * time.Second,
		StopTones: []callfleetv1.PhoneKey{"#"},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestRecordingsEnd(t *testing.T) {
	voice := media.RecordingOf(t, "prompt.wav")
	long := time.Duration(len(voice)) * time.Second / audio.SampleRate
	for name, tc := range map[string]struct {
		change   func(*flow.Record)
		speaks   bool
		forever  bool
		presses  string
		want     flow.Recorded
		min, max time.Duration // of the file
	}{
		"when nothing is said": {want: flow.Recorded{ID: 5, End: flow.RecordNothing}},
		"when the caller is done": {speaks: true, want: flow.Recorded{ID: 5, End: flow.RecordSilence, Name: "leave-1"},
			min: long + 1700*ms, max: long + 3500*ms},
		"with a stop tone": {speaks: true, presses: "#", want: flow.Recorded{ID: 5, End: flow.RecordStopTone, Name: "leave-1"},
			min: long - 200*ms, max: long + 1200*ms},
		"not with another key": {speaks: true, presses: "5", want: flow.Recorded{ID: 5, End: flow.RecordSilence, Name: "leave-1"},
			min: long + 1700*ms, max: long + 3500*ms},
		"when it is as long as it may be": {speaks: true, forever: true, change: func(r *flow.Record) { r.MaxDuration = 5 * time.Second },
			want: flow.Recorded{ID: 5, End: flow.RecordMaxDuration, Name: "leave-1"}, min: 4800 * ms, max: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(k *phoneCall) {
				k.signals.takes = 300 * ms
				k.stage.Do(recorded(tc.change))
				k.pass(time.Second)
				if tc.speaks {
					k.Caller.Play(clipOf(t, voice), media.PlayOptions{Loop: tc.forever})
				}
				k.pass(long + 200*ms)
				if tc.presses != "" {
					if err := k.Caller.SendKeys(tc.presses, 100*ms, 100*ms); err != nil {
						t.Fatal(err)
					}
				}
				k.pass(6 * time.Second)
				at := k.at(tc.want)
				if tc.presses == "#" && k.at(flow.Tone{Key: "#"}) > at {
					t.Error("the stop tone is told after the end that it brought")
				}
				if tc.want.End == flow.RecordNothing && (k.tape.kept || at < 4500*ms || at > 5*time.Second) {
					t.Errorf("a recording of nothing ended after %v, and is kept: %v", at, k.tape.kept)
				}
				if d := k.tape.length(); tc.max > 0 && (d < tc.min || d > tc.max || !k.tape.kept || k.tape.heard() < 2*time.Second) {
					t.Errorf("%v are kept: %v; want %v to %v", d, k.tape.kept, tc.min, tc.max)
				}
				if want := []string{"announce", "withdraw"}; !slices.Equal(k.signals.history, want) || k.tape.ended != 1 {
					t.Errorf("the service was told %v, and %d files ended", k.signals.history, k.tape.ended)
				}
			})
		})
	}
}

// Nothing reaches the disk before the service has taken in that the call is recorded, nor while it says otherwise; and the beep is heard
// in between.
func TestNothingIsRecordedThatMayNotBe(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.Caller.Play(clipOf(t, media.RecordingOf(t, "standup.wav")), media.PlayOptions{Loop: true})
		k.signals.takes = 2 * time.Second
		k.stage.Do(recorded(nil))
		k.pass(1900 * ms)
		if len(k.tape.names) > 0 || len(k.sent) > 0 {
			t.Errorf("before it may, %v is recorded, and there was a beep of %d packets", k.tape.names, len(k.sent))
		}
		k.pass(400 * ms)
		if n := k.said(2*time.Second, 2400*ms); n < 14 || n > 16 {
			t.Errorf("a beep of 300 ms has %d packets", n)
		}
		k.pass(2 * time.Second)
		before := k.tape.heard()
		k.signals.Withdraw() // by somebody else
		k.pass(2 * time.Second)
		if d := k.tape.heard() - before; d != 0 || before < 1500*ms {
			t.Errorf("of two seconds in which it might be recorded %v are kept, and of those after %v", before, d)
		}
	})
}

func TestARecordingThatCannotBeMadeFails(t *testing.T) {
	failed := flow.Recorded{ID: 5, End: flow.RecordFailed, Failure: flow.FailedRecording}
	for name, breaks := range map[string]func(*phoneCall){
		"the service refuses": func(k *phoneCall) { k.signals.refuses = true },
		"there is no room":    func(k *phoneCall) { k.tape.fails = errors.New("no room") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(k *phoneCall) {
				breaks(k)
				k.stage.Do(recorded(nil))
				k.pass(time.Second)
				k.at(failed)
				if last := k.signals.history[len(k.signals.history)-1]; last != "withdraw" {
					t.Errorf("the last that the service was told is %s", last)
				}
			})
		})
	}
	t.Run("the disk breaks", func(t *testing.T) {
		inBubble(t, func(k *phoneCall) {
			k.Caller.Play(clipOf(t, media.RecordingOf(t, "standup.wav")), media.PlayOptions{Loop: true})
			k.stage.Do(recorded(nil))
			k.pass(time.Second)
			k.tape.wrong(errors.New("a bad sector"))
			k.pass(100 * ms)
			k.at(failed)
		})
	})
}

// Most who leave a message hang up when they are done.
func TestWhatWasSaidIsKeptWhenTheCallEnds(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.Caller.Play(clipOf(t, media.RecordingOf(t, "standup.wav")), media.PlayOptions{Loop: true})
		k.stage.Do(recorded(nil))
		k.pass(2 * time.Second)
		k.stage.Close()
		synctest.Wait()
		if !k.tape.kept || k.tape.heard() < time.Second || len(k.events()) > 0 {
			t.Errorf("%v are kept: %v; told %v", k.tape.heard(), k.tape.kept, k.events())
		}
	})
}

// A far side that is lost has no frames: a recording ends all the same.
func TestARecordingEndsWithoutFrames(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.stage.Do(recorded(nil))
		k.pass(time.Second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if at := k.at(flow.Recorded{ID: 5, End: flow.RecordNothing}); at > 6*time.Second {
			t.Errorf("it ended after %v", at)
		}
	})
}

func TestNothingIsToldOnceAStageIsClosed(t *testing.T) {
	inBubble(t, func(k *phoneCall) {
		k.stage.Do(flow.Play{ID: 1, Prompts: says("2s")})
		k.pass(500 * ms)
		at := k.now()
		k.stage.Close()
		if err := k.Caller.SendKeys("1", 100*ms, 100*ms); err != nil {
			t.Fatal(err)
		}
		k.pass(time.Second)
		if len(k.events()) > 0 || k.said(at, time.Hour) > 0 {
			t.Errorf("told %v, said %d packets", k.events(), k.said(at, time.Hour))
		}
		if want := []string{"close"}; !slices.Equal(k.signals.history, want) {
			t.Errorf("its signalling was told %v", k.signals.history)
		}
	})
}
