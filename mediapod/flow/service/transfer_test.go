// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

var ada = flow.Party{User: "ada"}

func refusedFor(reason string) error {
	return &signaling.ActionError{Failure: signaling.ActionRefused, Reason: reason}
}

func TestWhatBecomesOfABlindTransfer(t *testing.T) {
	tests := map[string]struct {
		to    flow.Party
		errs  []error
		want  string
		asked int
	}{
		"nobody answers":      {to: ada, errs: []error{refusedFor(graph.ReasonNoAnswer)}, want: "Transferred{ID:1 Failure:NoAnswer}", asked: 1},
		"they decline":        {to: ada, errs: []error{refusedFor(graph.ReasonDeclined)}, want: "Transferred{ID:1 Failure:Declined}", asked: 1},
		"they are busy":       {to: ada, errs: []error{refusedFor(graph.ReasonBusy)}, want: "Transferred{ID:1 Failure:Declined}", asked: 1},
		"they do not exist":   {to: ada, errs: []error{refusedFor(graph.ReasonCalleeNotFound)}, want: "Transferred{ID:1 Failure:Invalid}", asked: 1},
		"the number is none":  {to: flow.Party{Phone: "12"}, errs: []error{refusedFor(graph.ReasonInvalidNumber)}, want: "Transferred{ID:1 Failure:Invalid}", asked: 1},
		"nobody is named":     {want: "Transferred{ID:1 Failure:Invalid}"},
		"the service forbids": {to: ada, errs: []error{forbidden}, want: "Transferred{ID:1 Failure:Refused}", asked: 1},
		"the service is away": {to: ada, errs: []error{serverErr}, want: "Transferred{ID:1 Failure:Refused}", asked: 1},
		"it rings for ever": {
			to: ada, errs: []error{&signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonTimeout, Temporary: true}},
			want: "Transferred{ID:1 Failure:NoAnswer}", asked: 1, // it does not ring again
		},
		"throttled at first":   {to: ada, errs: []error{throttled, refusedFor(graph.ReasonDeclined)}, want: "Transferred{ID:1 Failure:Declined}", asked: 2},
		"it makes no sense":    {to: ada, errs: []error{&signaling.ActionError{Failure: signaling.ActionInvalid}}, want: "Transferred{ID:1 Failure:Invalid}", asked: 1},
		"and why nobody knows": {to: ada, errs: []error{&signaling.ActionError{Failure: signaling.ActionRefused}}, want: "Transferred{ID:1 Failure:Refused}", asked: 1},
		"it succeeds":          {to: ada, want: "Transferred{ID:1 Failure:}", asked: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				asked := 0
				s.call.handle = func(_ context.Context, a signaling.Action) (signaling.Result, error) {
					if _, is := a.(signaling.Transfer); is {
						if asked++; asked <= len(tc.errs) {
							return signaling.Result{}, tc.errs[asked-1]
						}
					}
					return signaling.Result{}, nil
				}
				s.open().Do(flow.Transfer{ID: 1, To: tc.to, Timeout: time.Minute})
				s.wait(5 * time.Second)
				s.expect("in the end", tc.want)
				if asked != tc.asked {
					t.Errorf("asked %d times, want %d", asked, tc.asked)
				}
			})
		})
	}
}

// TestATransferThatNobodyTakesInTimeFails, though the service goes on trying.
func TestATransferThatNobodyTakesInTimeFails(t *testing.T) {
	perform(t, func(s *scene) {
		s.call.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
			if _, is := a.(signaling.Transfer); is {
				<-ctx.Done()
				return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionUncertain}
			}
			return signaling.Result{}, nil
		}
		s.open().Do(flow.Transfer{ID: 1, To: ada, Timeout: 20 * time.Second})
		s.wait(19 * time.Second)
		s.expect("before", "")
		s.wait(2 * time.Second)
		s.expect("after", "Transferred{ID:1 Failure:NoAnswer}")
		s.call.end(signaling.EndTransferred)
		s.expect("they answered after all", "Ended{}")
	})
}

// TestATransferIsToldOfOnce: its success is the end of the call.
func TestATransferIsToldOfOnce(t *testing.T) {
	for _, why := range []signaling.EndReason{signaling.EndTransferred, signaling.EndRemoteHungUp} {
		perform(t, func(s *scene) {
			s.call.handle = func(_ context.Context, a signaling.Action) (signaling.Result, error) {
				if _, is := a.(signaling.Transfer); !is {
					return signaling.Result{}, nil
				}
				<-s.call.done
				if why == signaling.EndTransferred {
					return signaling.Result{}, nil
				}
				return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionRefused}
			}
			s.open().Do(flow.Transfer{ID: 1, To: ada, Timeout: 20 * time.Second})
			s.wait(time.Second)
			s.call.end(why)
			if why == signaling.EndTransferred {
				s.expect("transferred", "Transferred{ID:1 Failure:}, Ended{}")
			} else {
				s.expect("the caller hung up", "Ended{}")
			}
		})
	}
}

func TestWhomTheBotTalksToIsTransferred(t *testing.T) {
	jane := graph.Participant{ID: "p1", Info: graph.ParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "jane"}}}}
	bob := graph.Participant{ID: "p2", Info: graph.ParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}}
	bot := graph.Participant{ID: "p3", Info: graph.ParticipantInfo{Identity: graph.IdentitySet{Application: &graph.Identity{ID: "bot"}}}}
	waits := bob
	waits.IsInLobby = true
	for name, tc := range map[string]struct {
		there []graph.Participant
		want  string
	}{
		"one":                    {there: []graph.Participant{bot, jane, waits}, want: "Transferred{ID:1 Failure:}"},
		"nobody knows which one": {there: []graph.Participant{bot, jane, bob}, want: "Transferred{ID:1 Failure:Refused}"},
		"nobody":                 {there: []graph.Participant{bot}, want: "Transferred{ID:1 Failure:Refused}"},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				s.call.snap.Group, s.call.snap.Participants = true, tc.there
				s.open().Do(flow.Transfer{ID: 1, To: ada, Timeout: time.Minute})
				s.expect("in the end", tc.want)
				if len(s.call.acts) > 1 && s.call.acts[1].(signaling.Transfer).Transferee.ParticipantID != "p1" {
					t.Errorf("%+v", s.call.acts[1])
				}
			})
		})
	}
}

func consultative(to flow.Party) flow.Transfer {
	return flow.Transfer{ID: 1, To: to, Consultative: true, Timeout: 20 * time.Second}
}

func TestTheCallerIsPutThroughOnceTheyHaveAnswered(t *testing.T) {
	perform(t, func(s *scene) {
		s.open().Do(consultative(ada))
		s.wait(5 * time.Second)
		if got := s.call.asked(); got != "subscribe to tones" || s.rings != 20*time.Second {
			t.Errorf("asked for %s, rings for %s", got, s.rings)
		}
		s.second.change(func(snap *signaling.Snapshot) { snap.Phase, snap.CallID = signaling.PhaseEstablished, "call-2" })
		s.expect("answered", "Transferred{ID:1 Failure:}")
		given := s.call.acts[1].(signaling.Transfer)
		if given.ReplacesCallID != "call-2" || given.Target.Identity.User.ID != "ada" {
			t.Errorf("%+v", given)
		}
	})
}

func TestASecondCallThatComesToNothingIsHungUp(t *testing.T) {
	establish := func(s *scene) {
		s.second.change(func(snap *signaling.Snapshot) { snap.Phase, snap.CallID = signaling.PhaseEstablished, "call-2" })
	}
	tests := map[string]struct {
		happens func(*scene)
		errs    error // of the transfer
		want    string
	}{
		"they decline":                     {happens: func(s *scene) { s.second.end(signaling.EndCallDeclined) }, want: "Transferred{ID:1 Failure:Declined}"},
		"the service says nobody answered": {happens: func(s *scene) { s.second.end(signaling.EndNoAnswer) }, want: "Transferred{ID:1 Failure:NoAnswer}"},
		"they are nobody":                  {happens: func(s *scene) { s.second.end(signaling.EndInvalidTarget) }, want: "Transferred{ID:1 Failure:Invalid}"},
		"Graph is broken":                  {happens: func(s *scene) { s.second.end(signaling.EndServiceError) }, want: "Transferred{ID:1 Failure:Refused}"},
		"nobody answers in time":           {happens: func(s *scene) { s.wait(20 * time.Second) }, want: "Transferred{ID:1 Failure:NoAnswer}"},
		"they cannot be put through":       {happens: establish, errs: forbidden, want: "Transferred{ID:1 Failure:Refused}"},
		"putting through takes for ever":   {happens: establish, errs: &signaling.ActionError{Failure: signaling.ActionUncertain}, want: "Transferred{ID:1 Failure:Refused}"},
		"the caller hangs up":              {happens: func(s *scene) { s.call.end(signaling.EndRemoteHungUp) }, want: "Ended{}"},
		"the process lets go of the call":  {happens: func(s *scene) { s.stage.Close() }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				s.call.handle = func(_ context.Context, a signaling.Action) (signaling.Result, error) {
					if _, is := a.(signaling.Transfer); is {
						return signaling.Result{}, tc.errs
					}
					return signaling.Result{}, nil
				}
				s.open().Do(consultative(ada))
				synctest.Wait()
				tc.happens(s)
				s.expect("in the end", tc.want)
				if s.second.hungUp == "" {
					t.Error("the second call goes on")
				}
			})
		})
	}
}

func TestATelephoneThatTheBotCannotCallIsRefused(t *testing.T) {
	perform(t, func(s *scene) {
		s.open().Do(consultative(flow.Party{Phone: "+12065550100"}))
		s.expect("at once", "Transferred{ID:1 Failure:Refused}")
	})
}

func TestWhatBecomesOfAnInvitation(t *testing.T) {
	state := func(state signaling.InviteState, reason string) func(*scene) {
		return func(s *scene) {
			s.call.change(func(snap *signaling.Snapshot) {
				invites := append([]signaling.Invite(nil), snap.Invites...)
				invites[0].State, invites[0].Reason = state, reason
				snap.Invites = invites
			})
		}
	}
	tests := map[string]struct {
		who     flow.Party
		happens func(*scene)
		want    string
	}{
		"they come":         {who: ada, happens: state(signaling.InviteJoined, ""), want: "Invited{ID:1 Failure:}"},
		"they decline":      {who: ada, happens: state(signaling.InviteFailed, graph.ReasonDeclined), want: "Invited{ID:1 Failure:Declined}"},
		"they are nobody":   {who: ada, happens: state(signaling.InviteFailed, graph.ReasonCalleeNotFound), want: "Invited{ID:1 Failure:Invalid}"},
		"nobody says":       {who: ada, happens: state(signaling.InviteFailed, graph.ReasonTimeout), want: "Invited{ID:1 Failure:NoAnswer}"},
		"Graph is broken":   {who: ada, happens: state(signaling.InviteFailed, graph.ReasonThrottled), want: "Invited{ID:1 Failure:Refused}"},
		"they let it ring":  {who: ada, happens: func(s *scene) { s.wait(20 * time.Second) }, want: "Invited{ID:1 Failure:NoAnswer}"},
		"nobody is named":   {happens: func(*scene) {}, want: "Invited{ID:1 Failure:Invalid}"},
		"the call is over":  {who: ada, happens: func(s *scene) { s.call.end(signaling.EndRemoteHungUp) }, want: "Ended{}"},
		"and it is let go ": {who: ada, happens: func(s *scene) { s.stage.Close() }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perform(t, func(s *scene) {
				s.open().Do(flow.Invite{ID: 1, Who: tc.who, Hidden: true, Timeout: 20 * time.Second})
				s.wait(time.Second)
				if tc.who != (flow.Party{}) && (len(s.wished().Invite) != 1 || !s.wished().Invite[0].Hidden) {
					t.Errorf("wishes %+v", s.wished())
				}
				tc.happens(s)
				s.wait(forgetWithin)
				s.expect("in the end", tc.want)
				if tc.want != "" && tc.want != "Ended{}" && len(s.wished().Invite) != 0 {
					t.Errorf("they are still wanted: %+v", s.wished())
				}
			})
		})
	}
}

// TestTheSameCanBeInvitedAgain, though they did not come the first time.
func TestTheSameCanBeInvitedAgain(t *testing.T) {
	perform(t, func(s *scene) {
		stage := s.open()
		for id := int64(1); id <= 2; id++ {
			stage.Do(flow.Invite{ID: id, Who: ada, Timeout: time.Minute})
			s.wait(time.Second)
			s.expect("it rings", "")
			s.call.change(func(snap *signaling.Snapshot) {
				snap.Invites = []signaling.Invite{{Who: snap.Invites[0].Who, State: signaling.InviteFailed, Reason: graph.ReasonDeclined}}
			})
			s.wait(time.Second)
			s.expect("declined", map[int64]string{1: "Invited{ID:1 Failure:Declined}", 2: "Invited{ID:2 Failure:Declined}"}[id])
		}
	})
}
