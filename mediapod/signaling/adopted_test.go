// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

// TestWhoWasInvitedIsNotRungAgain by the process that takes the call over, nor is anybody it finds in the call.
func TestWhoWasInvitedIsNotRungAgain(t *testing.T) {
	known := func(state InviteState, message string) []Invite {
		return []Invite{{Who: user("ada"), State: state, Message: message}}
	}
	ada := newInvite("scenario", Invite{Who: user("ada")}).Who.ParticipantID
	ended := func(status graph.OperationStatus, code int) graph.Notification {
		return operationEnded(graph.Operation{ID: "unknown here", Status: status, ClientContext: ada, ResultInfo: &graph.ResultInfo{Code: code}})
	}
	alone := []graph.Participant{bot(), person(1)}
	tests := map[string]struct {
		before []Invite
		roster []graph.Participant
		wants  Wants
		tell   []graph.Notification
		after  time.Duration
		first  []string // what the first snapshot tells
		then   []string
		asked  []string
	}{
		"rings":    {before: known(InviteRinging, ""), roster: alone, wants: inviting("ada"), first: []string{"ada Ringing"}, then: []string{"ada Ringing"}},
		"came":     {before: known(InviteJoined, ""), roster: alone, wants: inviting("ada"), first: []string{"ada Joined"}, then: []string{"ada Joined"}},
		"declined": {before: known(InviteFailed, "Not now."), roster: alone, wants: inviting("ada"), after: time.Hour, first: []string{"ada Failed"}, then: []string{"ada Failed"}},
		"rang, and is there": {
			before: known(InviteRinging, ""), roster: append(alone, named(person(2), "ada")), wants: inviting("ada"),
			first: []string{"ada Ringing"}, then: []string{"ada Joined"},
		},
		"rings, and declines": {
			before: known(InviteRinging, ""), roster: alone, wants: inviting("ada"), tell: []graph.Notification{ended(graph.OperationFailed, 603)},
			first: []string{"ada Ringing"}, then: []string{"ada Failed"},
		},
		"rings, and comes": {
			before: known(InviteRinging, ""), roster: alone, wants: inviting("ada"), tell: []graph.Notification{ended(graph.OperationCompleted, 200)},
			first: []string{"ada Ringing"}, then: []string{"ada Joined"},
		},
		"rings, and nobody says how it ends": {
			before: known(InviteRinging, ""), roster: alone, wants: inviting("ada"), after: inviteWait,
			first: []string{"ada Ringing"}, then: []string{"ada Failed"},
		},
		"rings, and is not wanted any more": {
			before: known(InviteRinging, ""), roster: alone, first: []string{"ada Ringing"}, then: []string{"ada Withdrawn"}, asked: []string{"remove " + ada},
		},
		"in the call, and nobody knew": {roster: append(alone, named(person(2), "ada")), wants: inviting("ada"), then: []string{"ada Joined"}},
		"not in the call":              {roster: alone, wants: inviting("ada"), then: []string{"ada Ringing"}, asked: []string{"invite ada"}},
		"another one is invited": {
			before: known(InviteJoined, ""), roster: alone, wants: inviting("ada", "bob"), first: []string{"ada Joined"},
			then: []string{"ada Joined", "bob Ringing"}, asked: []string{"invite bob"},
		},
		"the roster stays empty": {
			wants: inviting("ada"), after: (rosterTries + 1) * (rosterWait + time.Second), then: []string{"ada Ringing"}, asked: []string{"invite ada"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					get:  func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil },
					list: func(string) ([]graph.Participant, error) { time.Sleep(time.Second); return tt.roster, nil },
				}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := adopt(t, s, func(r *AdoptRequest) {
					r.Group, r.Before = true, AdoptedState{Established: time.Now(), Invites: tt.before}
				})
				if diff := cmp.Diff(tt.first, invited(c.Snapshot())); diff != "" {
					t.Errorf("at first (-want +got):\n%s", diff)
				}
				want(c, tt.wants)
				for _, asked := range g.changes() {
					if asked == "invite ada" {
						t.Error("invited before the roster was known")
					}
				}
				pass(2 * time.Second)
				tell(t, s, tt.tell...)
				pass(tt.after)
				if diff := cmp.Diff(tt.then, invited(c.Snapshot())); diff != "" {
					t.Errorf("invites (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.asked, g.changes()); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestNobodyIsInvitedBeforeTheRosterIsKnown: a meeting that is joined again has those in it who came before.
func TestNobodyIsInvitedBeforeTheRosterIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		want(c, inviting("ada", "bob"))
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(2 * settleWait)
		wantPhase(t, c, PhaseEstablished)
		if got := g.changes(); len(got) != 0 {
			t.Errorf("asked %v before the roster was known", got)
		}
		tell(t, s, rosterOf(testCallID, bot(), named(person(1), "ada")))
		if diff := cmp.Diff([]string{"ada Joined", "bob Ringing"}, invited(c.Snapshot())); diff != "" {
			t.Errorf("invites (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"invite bob"}, g.changes()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

// TestAnAdoptedCallThatIsGone is told by what was last known of it.
func TestAnAdoptedCallThatIsGone(t *testing.T) {
	tests := map[string]struct {
		before AdoptedState
		want   EndReason
	}{
		"nothing known":         {AdoptedState{}, EndCallLost},
		"established":           {AdoptedState{Established: time.Now(), State: graph.StateEstablished}, EndCallLost},
		"being transferred":     {AdoptedState{Established: time.Now(), State: graph.StateTransferring}, EndCallLost},
		"the transfer taken":    {AdoptedState{Established: time.Now(), State: graph.StateTransferAccepted}, EndTransferred},
		"about to be over":      {AdoptedState{Established: time.Now(), State: graph.StateTerminating}, EndRemoteHungUp},
		"a state of tomorrow's": {AdoptedState{Established: time.Now(), State: "levitating"}, EndCallLost},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, &fakeGraph{get: func(string) (*graph.Call, error) { return nil, errGone }})
				defer stop(t, s)
				wantEnd(t, adopt(t, s, func(r *AdoptRequest) { r.Before = tt.before }), tt.want)
			})
		})
	}
}

// TestAnAdoptedTransferThatFailed leaves the call as it was, though the notification that said so was missed.
func TestAnAdoptedTransferThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := adopt(t, s, func(r *AdoptRequest) {
			r.Before = AdoptedState{Established: time.Now(), State: graph.StateTransferring}
		})
		pass(2 * reconcileEvery)
		wantPhase(t, c, PhaseEstablished)
		if snap := c.Snapshot(); snap.State != graph.StateEstablished {
			t.Errorf("state %s", snap.State)
		}
	})
}

// TestAnAdoptedCallRingsNoLongerThanItMay, counted from when it began to.
func TestAnAdoptedCallRingsNoLongerThanItMay(t *testing.T) {
	tests := map[string]struct {
		left  time.Duration // when it is adopted
		get   func(string) (*graph.Call, error)
		after time.Duration
		want  EndReason // "": it goes on
	}{
		"rings on":                       {left: 10 * time.Second, get: ringing, after: 9 * time.Second},
		"too long":                       {left: 10 * time.Second, get: ringing, after: 10*time.Second + terminatedWait, want: EndNoAnswer},
		"too long before it was adopted": {left: -time.Minute, get: ringing, after: rangOutAgain + terminatedWait, want: EndNoAnswer},
		"answered meanwhile": {left: -time.Minute, get: func(id string) (*graph.Call, error) {
			time.Sleep(3 * time.Second)
			return updated(id, graph.StateEstablished).Call, nil
		}, after: time.Hour},
		"nobody can say":      {left: -time.Minute, get: func(string) (*graph.Call, error) { return nil, answer("get call", 503) }, after: time.Hour},
		"as long as it likes": {get: ringing, after: time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, &fakeGraph{get: tt.get})
				defer stop(t, s)
				c := adopt(t, s, func(r *AdoptRequest) {
					if tt.left != 0 {
						r.Before.RingsUntil = time.Now().Add(tt.left)
					}
				})
				pass(tt.after)
				if tt.want != "" {
					wantEnd(t, c, tt.want)
				} else if snap := c.Snapshot(); snap.End != nil || snap.Phase == PhaseLeaving {
					t.Errorf("phase %s, end %+v", snap.Phase, snap.End)
				}
			})
		})
	}
}

func ringing(id string) (*graph.Call, error) { return updated(id, graph.StateRinging).Call, nil }

// TestABotWaitsOnInTheLobbyWhenItsCallIsAdopted, until a roster says that it was let in.
func TestABotWaitsOnInTheLobbyWhenItsCallIsAdopted(t *testing.T) {
	tests := map[string]struct {
		roster []graph.Participant
		tell   []graph.Notification
		phase  Phase
		end    EndReason
		events []string
	}{
		"no roster":          {phase: PhaseInLobby, events: []string{EventAdopted}},
		"it still waits":     {roster: []graph.Participant{waiting(bot())}, phase: PhaseInLobby, events: []string{EventAdopted}},
		"it was let in":      {roster: []graph.Participant{bot(), person(1)}, phase: PhaseEstablished, events: []string{EventAdopted, EventParticipantJoined, EventAdmitted, EventEstablished}},
		"it is let in later": {tell: []graph.Notification{rosterOf(testCallID, bot(), person(1))}, phase: PhaseEstablished, events: []string{EventAdopted, EventParticipantJoined, EventAdmitted, EventEstablished}},
		"it is turned away":  {tell: []graph.Notification{deleted(testCallID, 200, 5300)}, end: EndLobbyDenied, events: []string{EventAdopted, EventEnded}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					get: func(id string) (*graph.Call, error) {
						return updated(id, graph.StateEstablished, func(c *graph.Call) { c.MyParticipantID = testSelf }).Call, nil
					},
					list: func(string) ([]graph.Participant, error) { return tt.roster, nil },
				}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := adopt(t, s, func(r *AdoptRequest) { r.Group, r.Before.InLobby = true, true })
				pass(time.Minute)
				tell(t, s, tt.tell...)
				if diff := cmp.Diff(tt.events, eventsOf(c.Snapshot())); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if tt.end != "" {
					wantEnd(t, c, tt.end)
					return
				}
				wantPhase(t, c, tt.phase)
			})
		})
	}
}
