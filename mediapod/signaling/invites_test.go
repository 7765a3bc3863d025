// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func inviting(ids ...string) Wants {
	var w Wants
	for _, id := range ids {
		w.Invite = append(w.Invite, user(id))
	}
	return w
}

// invited tells what became of whom.
func invited(s Snapshot) (list []string) {
	for _, i := range s.Invites {
		_, id := i.Who.Identity.Primary()
		list = append(list, fmt.Sprintf("%s %s", id.ID, i.State))
	}
	return list
}

func named(p graph.Participant, id string) graph.Participant {
	p.Info.Identity = graph.IdentitySet{User: &graph.Identity{ID: id}}
	return p
}

func TestInvitations(t *testing.T) {
	type step struct {
		do   func(t *testing.T, c *Call, s *Server)
		want []string
	}
	wants := func(ids ...string) func(*testing.T, *Call, *Server) {
		return func(_ *testing.T, c *Call, _ *Server) { want(c, inviting(ids...)) }
	}
	told := func(batch ...graph.Notification) func(*testing.T, *Call, *Server) {
		return func(t *testing.T, _ *Call, s *Server) { tell(t, s, batch...) }
	}
	passes := func(d time.Duration) func(*testing.T, *Call, *Server) {
		return func(*testing.T, *Call, *Server) { pass(d) }
	}
	ended := func(id string, status graph.OperationStatus, code, subcode int) func(*testing.T, *Call, *Server) {
		return told(operationEnd("op-"+id, status, code, subcode))
	}
	tests := map[string]struct {
		invite func(try int, who graph.InvitationParticipantInfo) (*graph.Operation, error)
		remove func(string) error
		steps  []step
		asked  []string // not looked at if nil
	}{
		"joined": {
			steps: []step{
				{wants("ada", "bob"), []string{"ada Ringing", "bob Ringing"}},
				{ended("ada", graph.OperationCompleted, 200, 0), []string{"ada Joined", "bob Ringing"}},
				{told(rosterOf(testCallID, bot(), named(person(1), "BOB"))), []string{"ada Joined", "bob Joined"}},
			},
			asked: []string{"invite ada", "invite bob"},
		},
		"in the call already": {
			steps: []step{
				{told(rosterOf(testCallID, bot(), named(person(1), "ada"))), nil},
				{wants("ada", "ada"), []string{"ada Joined"}},
			},
			asked: []string{},
		},
		"in the lobby is not in the call": {
			steps: []step{
				{told(rosterOf(testCallID, bot(), waiting(named(person(1), "ada")))), nil},
				{wants("ada"), []string{"ada Ringing"}},
			},
		},
		"declined": {
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{ended("ada", graph.OperationFailed, 603, 0), []string{"ada Failed"}},
				{wants("ada"), []string{"ada Failed"}}, // asking again takes taking it out first
				{wants(), nil},
				{wants("ada"), []string{"ada Failed"}}, // the fake ends it with the operation of the same id
			},
			asked: []string{"invite ada", "invite ada"},
		},
		"refused": {
			invite: func(int, graph.InvitationParticipantInfo) (*graph.Operation, error) {
				return nil, answer("invite", 403)
			},
			steps: []step{{wants("ada"), []string{"ada Failed"}}, {passes(time.Hour), []string{"ada Failed"}}},
			asked: []string{"invite ada"},
		},
		"throttled for a while": {
			invite: func(try int, _ graph.InvitationParticipantInfo) (*graph.Operation, error) {
				if try < 3 {
					return nil, answer("invite", 429)
				}
				return &graph.Operation{ID: "op", Status: graph.OperationRunning}, nil
			},
			steps: []step{{wants("ada"), []string{"ada "}}, {passes(10 * time.Second), []string{"ada Ringing"}}},
		},
		"throttled on and on": {
			invite: func(int, graph.InvitationParticipantInfo) (*graph.Operation, error) {
				return nil, answer("invite", 429)
			},
			steps: []step{{wants("ada"), []string{"ada "}}, {passes(time.Minute), []string{"ada Failed"}}},
			asked: []string{"invite ada", "invite ada", "invite ada", "invite ada"},
		},
		"its answer is lost, the roster tells": {
			invite: func(int, graph.InvitationParticipantInfo) (*graph.Operation, error) { return nil, errLost },
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{told(rosterOf(testCallID, bot(), named(person(1), "ada"))), []string{"ada Joined"}},
			},
			asked: []string{"invite ada"}, // a second one would ring a second time
		},
		"nobody ever says": {
			steps: []step{{wants("ada"), []string{"ada Ringing"}}, {passes(inviteWait), []string{"ada Failed"}}},
		},
		"withdrawn while it rings": {
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{wants(), []string{"ada Withdrawn"}},
				{ended("ada", graph.OperationFailed, 400, 8508), []string{"ada Withdrawn"}},
			},
		},
		"withdrawn too late": {
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{ended("ada", graph.OperationCompleted, 200, 0), []string{"ada Joined"}},
				{wants(), nil},
			},
			asked: []string{"invite ada"},
		},
		"withdrawing fails for a while": {
			remove: func() func(string) error {
				tries := 0
				return func(string) error {
					if tries++; tries < 3 {
						return answer("remove participant", 503)
					}
					return nil
				}
			}(),
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{wants(), []string{"ada Ringing"}},
				{passes(10 * time.Second), []string{"ada Withdrawn"}},
			},
		},
		"withdrawn and wanted again": {
			steps: []step{
				{wants("ada"), []string{"ada Ringing"}},
				{wants(), []string{"ada Withdrawn"}},
				{wants("ada"), []string{"ada Ringing", "ada Withdrawn"}},
			},
		},
		"nobody in particular": {steps: []step{{wants(""), nil}}, asked: []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{invite: tt.invite, remove: tt.remove}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				establish(t, s)
				for i, step := range tt.steps {
					step.do(t, c, s)
					if diff := cmp.Diff(step.want, invited(c.Snapshot())); diff != "" {
						t.Errorf("step %d (-want +got):\n%s", i+1, diff)
					}
				}
				for _, i := range c.Snapshot().Invites {
					if (i.State == InviteFailed) != (i.Message != "" && i.Reason != "") {
						t.Errorf("%s with message %q and reason %q", i.State, i.Message, i.Reason)
					}
				}
				if got := g.changes(); tt.asked != nil && !cmp.Equal(tt.asked, append([]string{}, got...)) {
					t.Errorf("asked %v, want %v", got, tt.asked)
				}
			})
		})
	}
}

func TestAnInvitationIsWithdrawnByItsOwnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, removed string
		g := &fakeGraph{
			invite: func(_ int, who graph.InvitationParticipantInfo) (*graph.Operation, error) {
				sent = who.ParticipantID
				return &graph.Operation{ID: "op", Status: graph.OperationRunning}, nil
			},
			remove: func(id string) error { removed = id; return nil },
		}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		want(c, inviting("ada"))
		want(c, Wants{})
		if sent == "" || sent != removed {
			t.Errorf("invited as %q, withdrawn as %q", sent, removed)
		}
	})
}

func TestInvitingMakesAGroupOfACallOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := call(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		want(c, inviting("bob"))
		tell(t, s, operationEnd("op-bob", graph.OperationCompleted, 200, 0), rosterOf(testCallID, bot(), named(person(1), "ada"), named(person(2), "bob")))
		snap := c.Snapshot()
		if diff := cmp.Diff([]string{"bob Joined"}, invited(snap)); diff != "" || !snap.Group || snap.ParticipantCount != 3 {
			t.Errorf("group %t, %d participants, invites (-want +got):\n%s", snap.Group, snap.ParticipantCount, diff)
		}
	})
}
