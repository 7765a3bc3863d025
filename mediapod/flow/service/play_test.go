// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func texts(all ...string) (prompts []flow.Prompt) {
	for _, t := range all {
		prompts = append(prompts, flow.Prompt{Text: t})
	}
	return prompts
}

func TestPromptsArePlayedToTheirEnd(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(3 * time.Second)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a", "b")})
		s.wait(2900 * time.Millisecond)
		s.expect("while it plays", "")
		s.wait(200 * time.Millisecond)
		s.expect("at its end", "Played{ID:1 Failure:}")
		if got := s.call.asked(); got != "subscribe to tones, play" {
			t.Errorf("asked for %s", got)
		}
	})
}

func TestAPromptThatIsStoppedWasPlayed(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(time.Minute)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(time.Second)
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.expect("stopped", "Played{ID:1 Failure:}")
		s.stage.Do(flow.StopPlaying{ID: 1}) // it is over: what comes next must not end by it
		s.stage.Do(flow.Play{ID: 2, Prompts: texts("b")})
		s.wait(59 * time.Second)
		s.expect("the next plays", "")
		s.wait(2 * time.Second)
		s.expect("to its end", "Played{ID:2 Failure:}")
	})
}

// TestAStopThatOvertakesItsPromptIsRepeated: the service knew of nothing to stop when it was told to.
func TestAStopThatOvertakesItsPromptIsRepeated(t *testing.T) {
	perform(t, func(s *scene) {
		stop := s.call.plays(time.Minute)
		plays, stops := s.call.handle, 0
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.StopMedia); is {
				if stops++; stops == 2 {
					stop()
				}
				return signaling.Result{}, nil
			}
			return plays(ctx, a)
		}
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(time.Millisecond)
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.expect("at once", "")
		s.wait(stopAgain)
		s.expect("told again", "Played{ID:1 Failure:}")
	})
}

// TestAPromptCountsAsStoppedThoughNothingSaysSo: the notification of its end was lost.
func TestAPromptCountsAsStoppedThoughNothingSaysSo(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(time.Hour)
		plays := s.call.handle
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.StopMedia); is {
				return signaling.Result{}, nil
			}
			return plays(ctx, a)
		}
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(time.Millisecond)
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.wait(stopsTaken * stopAgain)
		s.expect("after two stops", "Played{ID:1 Failure:}")
	})
}

// TestAStopThatTheServiceRefusesIsAskedForAgain, by 429 and by 503.
func TestAStopThatTheServiceRefusesIsAskedForAgain(t *testing.T) {
	perform(t, func(s *scene) {
		stop := s.call.plays(time.Hour)
		plays, errs := s.call.handle, []error{throttled, serverErr, throttled}
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.StopMedia); is {
				if len(errs) == 0 {
					stop()
					return signaling.Result{}, nil
				}
				err := errs[0]
				errs = errs[1:]
				return signaling.Result{}, err
			}
			return plays(ctx, a)
		}
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(time.Millisecond)
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.wait(2 * stopAgain)
		s.expect("while it refuses", "")
		s.wait(stopAgain)
		s.expect("once it does not", "Played{ID:1 Failure:}")
	})
}

func TestWhatBecomesOfPromptsThatTheServiceDoesNotPlay(t *testing.T) {
	tests := map[string]struct {
		errs  []error
		want  string
		after time.Duration
		asked int
	}{
		"throttled, then played": {errs: []error{throttled}, after: time.Second, want: "Played{ID:1 Failure:}", asked: 2},
		"away, then played":      {errs: []error{serverErr, serverErr}, after: 3 * time.Second, want: "Played{ID:1 Failure:}", asked: 3},
		"away for long":          {errs: []error{serverErr, serverErr, serverErr}, after: 3 * time.Second, want: "Played{ID:1 Failure:PromptFailed}", asked: 3},
		"refused":                {errs: []error{forbidden}, want: "Played{ID:1 Failure:PromptFailed}", asked: 1},
		"the operation failed":   {errs: []error{failedOp}, want: "Played{ID:1 Failure:PromptFailed}", asked: 1},
		"stopped by an action":   {errs: []error{canceled}, want: "Played{ID:1 Failure:}", asked: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				asked := 0
				s.call.handle = func(_ context.Context, a signaling.Action) (result signaling.Result, err error) {
					if _, is := a.(signaling.PlayPrompt); !is {
						return signaling.Result{}, nil
					}
					if asked++; asked <= len(tc.errs) {
						err = tc.errs[asked-1]
					}
					switch err {
					case canceled:
						result = ended(graph.OperationFailed, 400, 8508, "operationCanceled")
					case failedOp:
						result = ended(graph.OperationFailed, 400, 8535, "")
					}
					return result, err
				}
				s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
				s.wait(tc.after)
				s.expect("in the end", tc.want)
				if asked != tc.asked {
					t.Errorf("asked %d times, want %d", asked, tc.asked)
				}
			})
		})
	}
}

func TestTheRestIsPlayedOfPromptsThatCannotBeHad(t *testing.T) {
	perform(t, func(s *scene) {
		s.missing["b"] = true
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a", "b", "c")})
		s.expect("the rest", "Played{ID:1 Failure:PromptFailed}")
		played := s.call.acts[1].(signaling.PlayPrompt).Prompts
		if len(played) != 2 || played[0].URI != "a" || played[1].URI != "c" {
			t.Errorf("played %v", played)
		}
		s.stage.Do(flow.Play{ID: 2, Prompts: texts("b")})
		s.expect("nothing", "Played{ID:2 Failure:PromptFailed}")
		if got := s.call.asked(); got != "subscribe to tones, play" {
			t.Errorf("asked for %s", got)
		}
		if len(s.trouble) != 2 {
			t.Errorf("trouble: %q", s.trouble)
		}
	})
}

func TestAPromptThatIsLookedForIsStopped(t *testing.T) {
	perform(t, func(s *scene) {
		s.open().Do(flow.Play{ID: 1, Prompts: texts("slow")})
		s.wait(time.Second)
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.expect("stopped", "Played{ID:1 Failure:}")
	})
}

func TestMusicIsPlayedUntilItIsStopped(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(20 * time.Second)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a", "b"), Loop: true})
		s.wait(50 * time.Second)
		s.expect("meanwhile", "")
		if got := s.call.asked(); got != "subscribe to tones, play, play, play" {
			t.Errorf("asked for %s", got)
		}
		if got := len(s.call.acts[1].(signaling.PlayPrompt).Prompts); got != signaling.MaxPrompts {
			t.Errorf("%d prompts in one request", got)
		}
		s.stage.Do(flow.StopPlaying{ID: 1})
		s.expect("stopped", "Played{ID:1 Failure:}")
		s.wait(time.Minute)
		s.expect("for good", "")
	})
}

// TestASilentBotPlaysNothing in a call of two, in which the service cannot mute it.
func TestASilentBotPlaysNothing(t *testing.T) {
	perform(t, func(s *scene) {
		s.silent = true
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.expect("a prompt", "Played{ID:1 Failure:}")
		s.stage.Do(flow.Play{ID: 2, Prompts: texts("a"), Loop: true})
		s.wait(time.Minute)
		s.expect("music", "")
		s.stage.Do(flow.StopPlaying{ID: 2})
		s.expect("stopped", "Played{ID:2 Failure:}")
		if got := s.call.asked(); got != "subscribe to tones" {
			t.Errorf("asked for %s", got)
		}
	})
}

func TestKeysAreToldInTheirOrderAndBeforeWhatCameAfter(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.tones = []graph.Tone{"tone9"} // while the call was taken over
		s.call.handle = func(_ context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.PlayPrompt); is {
				time.Sleep(time.Second)
				s.call.press("1*#")
				s.call.tone(graph.ToneFlash, "d")
			}
			return signaling.Result{}, nil
		}
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(2 * time.Second)
		s.expect("keys", "Tone{Key:9}, Tone{Key:1}, Tone{Key:*}, Tone{Key:#}, Tone{Key:D}, Played{ID:1 Failure:}")
	})
}

// TestKeysAreAskedForUntilTheyAreNotified, and the caller does not wait for that for ever.
func TestKeysAreAskedForUntilTheyAreNotified(t *testing.T) {
	perform(t, func(s *scene) {
		attempts := 0
		s.call.handle = func(_ context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.SubscribeToTones); !is {
				return signaling.Result{}, nil
			}
			if attempts++; attempts <= 5 {
				return signaling.Result{}, []error{throttled, serverErr}[attempts%2]
			}
			return signaling.Result{}, nil
		}
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(subscribeFirst - time.Millisecond)
		s.expect("before the prompt", "")
		s.wait(2 * time.Millisecond)
		s.expect("without keys", "Played{ID:1 Failure:}")
		s.wait(time.Minute)
		if attempts != 6 || len(s.trouble) != 1 {
			t.Errorf("%d attempts, trouble %q", attempts, s.trouble)
		}
	})
}

func TestACallThatEndsEndsWhatIsUnderWay(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(time.Minute)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.wait(time.Second)
		s.call.press("5")
		s.call.end(signaling.EndRemoteHungUp)
		s.expect("all", "Tone{Key:5}, Ended{}")
	})
}

// TestACallThatGoesOnElsewhereHasNotEnded.
func TestACallThatGoesOnElsewhereHasNotEnded(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(time.Minute)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		close(s.call.done)
		s.expect("nothing", "")
	})
}

func TestAClosedStageTellsNothing(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.plays(time.Second)
		s.open().Do(flow.Play{ID: 1, Prompts: texts("a")})
		s.stage.Do(flow.Invite{ID: 2, Who: flow.Party{User: "ada"}, Timeout: time.Minute})
		s.stage.Do(flow.Transfer{ID: 3, To: flow.Party{User: "ada"}, Timeout: time.Minute, Consultative: true})
		s.stage.Close()
		s.call.press("1")
		s.wait(2 * time.Minute)
		s.call.end(signaling.EndRemoteHungUp)
		s.expect("nothing", "")
	})
}

func TestMuteAndHangUpAreDoneAtOnce(t *testing.T) {
	perform(t, func(s *scene) {
		stage := s.open()
		stage.Do(flow.Mute{Muted: true})
		if !s.wished().Muted {
			t.Error("not muted")
		}
		stage.Do(flow.Mute{})
		stage.Do(flow.HangUp{})
		if s.wished().Muted || s.hangUps != 1 {
			t.Errorf("muted %t, hung up %d times", s.wished().Muted, s.hangUps)
		}
	})
}

func TestOnlyKeysOfATelephoneAreKeys(t *testing.T) {
	for key, want := range map[callfleetv1.PhoneKey]bool{"0": true, "9": true, "*": true, "#": true, "A": true, "D": true, "E": false, "flash": false, "": false} {
		if got := phoneKey(key); got != want {
			t.Errorf("%q: %t", key, got)
		}
	}
}
