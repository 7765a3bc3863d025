// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// scene is a call that a flow runs in. Its time is that of a bubble, so nothing in it takes any.
type scene struct {
	tell func(flow.Event)

	mu    sync.Mutex
	story []string // what happened, in order
	began time.Time

	answer flow.Answered
	// asking, if set, is waited for before a webhook answers.
	asking chan struct{}
	// saved returns what Config.Saved does; nil: at once.
	saved func(context.Context) error
}

func (s *scene) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, fmt.Sprintf("%v ", time.Since(s.began))+fmt.Sprintf(format, args...))
}

func (s *scene) Do(c flow.Command) { s.note("%v", c) }
func (s *scene) Close()            { s.note("closed") }

func (s *scene) Ask(ctx context.Context, a flow.Ask, c flow.Call) flow.Answered {
	s.note("asked %s for %s", a.Key, c.Caller.ID)
	if s.asking != nil {
		select {
		case <-s.asking:
		case <-ctx.Done():
			time.Sleep(time.Second) // nobody lets go at once
			s.note("let go")
			return flow.Answered{Failure: flow.FailedTimeout}
		}
	}
	return s.answer
}

// run runs a machine, and returns where the end of the flow will come.
func (s *scene) run(ctx context.Context, m *flow.Machine) <-chan callfleetv1.FlowEnd {
	s.began = time.Now()
	end := make(chan callfleetv1.FlowEnd, 1)
	go func() {
		end <- flow.Run(ctx, flow.Config{
			Machine: m, Asker: s, Clock: clock.RealClock{},
			Stage: func(tell func(flow.Event)) flow.Stage {
				s.tell = tell
				return s
			},
			Changed: func(p flow.Progress) {
				s.note("at %s after %d steps, state %t, end %q %q", p.Step, p.Steps, p.State != nil, p.End, p.Message)
			},
			Saved: func(ctx context.Context) error {
				if s.saved == nil {
					return nil
				}
				return s.saved(ctx)
			},
		})
	}()
	synctest.Wait()
	return end
}

// told empties the story.
func (s *scene) told() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	story := s.story
	s.story = nil
	return story
}

func (s *scene) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := s.told(); !slices.Equal(got, want) {
		t.Errorf("what happened is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// inBubble runs a test in simulated time, which also fails if goroutines are left.
func inBubble(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &scene{}) })
}

const hooked = `
start: ask
speech: {url: https://speech.example/say}
steps:
- {name: ask, webhook: {url: "https://hook.example/a", sets: [a], onError: sorry}, next: choose}
- {name: choose, menu: {prompts: [{text: "choose ${a}"}], timeout: 5s, choices: [{key: "1", next: end}], noInput: {retries: 0}}}
- {name: sorry, say: sorry, next: end}
- {name: end, return: {}}
`

func TestARunIsTheMachinesCall(t *testing.T) {
	p := program(t, hooked)
	inBubble(t, func(t *testing.T, s *scene) {
		s.answer = flow.Answered{Variables: map[string]string{"a": "now"}}
		end := s.run(t.Context(), flow.New(p, answered()))
		s.expect(t,
			`0s at ask after 1 steps, state true, end "" ""`,
			`0s asked uid-1/main/ask/1 for +12065550199`,
			`0s at choose after 2 steps, state true, end "" ""`,
			`0s play 2 "choose now"`)
		time.Sleep(time.Second)
		s.tell(flow.Played{ID: 2})
		s.expect(t, `1s at choose after 2 steps, state true, end "" ""`)
		time.Sleep(5*time.Second - time.Nanosecond)
		s.expect(t)
		time.Sleep(time.Nanosecond)
		s.expect(t, `6s at choose after 2 steps, state false, end "HungUp" ""`, `6s hang up`, `6s closed`)
		if got := <-end; got != callfleetv1.FlowHungUp {
			t.Errorf("the end is %q", got)
		}
		s.tell(flow.Ended{}) // a stage may be late
	})
}

func TestAKeyThatWasPressedInTimeCounts(t *testing.T) {
	p := program(t, menus)
	inBubble(t, func(t *testing.T, s *scene) {
		m := flow.New(p, answered())
		end := s.run(t.Context(), m)
		s.tell(flow.Played{ID: 1})
		s.tell(flow.Played{ID: 2})
		s.tell(flow.Tone{Key: "2"})
		s.tell(flow.Tone{Key: "1"})
		s.tell(flow.Tone{Key: "7"})
		s.tell(flow.Played{ID: 3})
		s.tell(flow.Played{ID: 4})
		if got := <-end; got != callfleetv1.FlowHungUp || m.Variables()["key"] != "2" || m.At() != "end" {
			t.Errorf("events told at once are not taken in their order: %q at %s with %v", got, m.At(), m.Variables())
		}
	})
}

func TestAWebhookIsAskedOnceItsQuestionIsSaved(t *testing.T) {
	p := program(t, hooked)
	asked := `asked uid-1/main/ask/1 for +12065550199`
	for sentence, tc := range map[string]struct {
		saved func(context.Context) error
		at    time.Duration
	}{
		"as soon as it is": {func(ctx context.Context) error {
			time.Sleep(1500 * time.Millisecond)
			return nil
		}, 1500 * time.Millisecond},
		"or cannot be": {func(context.Context) error { return context.DeadlineExceeded }, 0},
		"or was not for two seconds": {func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, 2 * time.Second},
	} {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				s.saved = tc.saved
				end := s.run(t.Context(), flow.New(p, answered()))
				time.Sleep(tc.at)
				got := s.told()
				if want := tc.at.String() + " " + asked; !slices.Contains(got, want) {
					t.Errorf("what happened is\n%s\nwant %s in it", strings.Join(got, "\n"), want)
				}
				s.tell(flow.Ended{})
				<-end
			})
		})
	}
}

func TestKeysAreTakenWhileAWebhookIsAsked(t *testing.T) {
	p := program(t, hooked)
	inBubble(t, func(t *testing.T, s *scene) {
		s.asking = make(chan struct{})
		end := s.run(t.Context(), flow.New(p, answered()))
		s.tell(flow.Tone{Key: "1"})
		synctest.Wait()
		close(s.asking)
		if got := <-end; got != callfleetv1.FlowReturned {
			t.Errorf("the end is %q", got)
		}
	})
}

func TestTheEndOfTheCallEndsAQuestion(t *testing.T) {
	p := program(t, hooked)
	for name, finish := range map[string]func(s *scene, cancel func()){
		"the caller hangs up":   func(s *scene, _ func()) { s.tell(flow.Ended{}) },
		"the process goes away": func(_ *scene, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.asking = make(chan struct{})
				end := s.run(ctx, flow.New(p, answered()))
				s.told()
				finish(s, cancel)
				got := <-end
				story := s.story // as it is now: nothing is left under way
				if gone := ctx.Err() != nil; gone != (got == "") {
					t.Errorf("the end is %q", got)
				}
				if n := len(story); n < 2 || story[n-2] != "0s closed" || story[n-1] != "1s let go" {
					t.Errorf("the stage was not closed, or the question not waited for: %v", story)
				}
			})
		})
	}
}

func TestWhatGoesAwayDuringAQuestionAsksItAgainElsewhere(t *testing.T) {
	p := program(t, hooked)
	inBubble(t, func(t *testing.T, s *scene) {
		ctx, cancel := context.WithCancel(t.Context())
		s.asking = make(chan struct{})
		first := flow.New(p, answered())
		end := s.run(ctx, first)
		s.told()
		cancel()
		<-end
		close(s.asking)
		s.told()
		second, err := flow.Resume(p, answered(), first.State())
		if err != nil {
			t.Fatal(err)
		}
		end = s.run(t.Context(), second)
		s.expect(t,
			`0s at ask after 1 steps, state true, end "" ""`,
			`0s asked uid-1/main/ask/1 for +12065550199`,
			`0s at choose after 2 steps, state true, end "" ""`,
			`0s play 2 "choose"`)
		s.tell(flow.Ended{})
		<-end
	})
}

func TestAMachineThatWasBegunGoesOnBehindThePrelude(t *testing.T) {
	p := program(t, hooked)
	inBubble(t, func(t *testing.T, s *scene) {
		c := answered()
		c.Answered = false
		m := flow.New(p, c)
		if commands := m.Begin(time.Now()); commands != nil || !m.NeedsAnswer() {
			t.Fatalf("before the answer there is to be done %v", commands)
		}
		end := s.run(t.Context(), m)
		if got := s.told(); len(got) < 2 || !strings.Contains(got[1], "asked uid-1/main/ask/1") {
			t.Errorf("what happened is %v", got)
		}
		s.tell(flow.Ended{})
		<-end
	})
}

func TestWhatChangesNothingIsNotTold(t *testing.T) {
	p := program(t, menus)
	inBubble(t, func(t *testing.T, s *scene) {
		end := s.run(t.Context(), flow.New(p, answered()))
		s.told()
		s.tell(flow.Tone{Key: "x"})
		s.tell(flow.Played{ID: 9})
		s.expect(t)
		s.tell(flow.Tone{Key: "1"})
		s.expect(t, `0s at hello after 1 steps, state true, end "" ""`)
		s.tell(flow.Ended{})
		<-end
		s.expect(t, `0s at hello after 1 steps, state false, end "CallerHungUp" ""`, `0s closed`)
	})
}
