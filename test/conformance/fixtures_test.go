// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"testing"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// meeting is one with Ada in it, and how the bot joins it.
func (s *service) meeting(change ...func(*admin.NewMeeting)) (admin.Meeting, graph.Meeting) {
	s.Helper()
	n := admin.NewMeeting{Subject: "Stand-up", TenantID: tenantID, People: []string{"Ada"}}
	for _, c := range change {
		c(&n)
	}
	m, err := s.admin.CreateMeeting(s.Context(), n)
	s.must(err)
	joined, err := graph.ParseJoinURL(m.JoinURL)
	s.must(err)
	return m, joined
}

// request is one for a call whose media the service hosts.
func (s *service) request(change ...func(*graph.Call)) *graph.Call {
	call := &graph.Call{
		CallbackURI: s.bot.uri(), RequestedModalities: []graph.Modality{graph.ModalityAudio}, MediaConfig: graph.ServiceHostedMedia(), TenantID: tenantID,
	}
	for _, c := range change {
		c(call)
	}
	return call
}

func (s *service) appHosted(call *graph.Call) {
	blob, err := graph.NewBlob(s.bot.server.URL+"/whip", "whip-token")
	s.must(err)
	call.MediaConfig = graph.AppHostedMedia(blob)
}

// join brings the bot into a meeting and waits until it is there.
func (s *service) join(change ...func(*graph.Call)) (callID string, ada graph.Participant, m admin.Meeting) {
	s.Helper()
	m, joined := s.meeting()
	call, err := s.graph.CreateCall(s.Context(), scenario, s.request(append([]func(*graph.Call){joined.Apply}, change...)...))
	s.must(err)
	s.bot.waitState(call.ID, graph.StateEstablished)
	ada = s.bot.waitRoster("Ada", call.ID, named("Ada"))
	return call.ID, ada, m
}

func named(name string) func(graph.Participant) bool {
	return func(p graph.Participant) bool {
		_, id := p.Info.Identity.Primary()
		return id != nil && id.DisplayName == name
	}
}

// ring has Ada call the bot.
func (s *service) ring(change ...func(*admin.IncomingCall)) graph.Notification {
	s.Helper()
	in := admin.IncomingCall{AppID: appID, TenantID: tenantID, DisplayName: "Ada"}
	for _, c := range change {
		c(&in)
	}
	id, err := s.admin.Ring(s.Context(), in)
	s.must(err)
	return s.bot.waitFor("a call", id, func(n graph.Notification) bool {
		return n.ChangeType == graph.Created && n.Call != nil && n.Call.State == graph.StateIncoming
	})
}

// answered is a call between Ada and the bot, whose media the service hosts.
func (s *service) answered() (callID string, ada admin.Person) {
	s.Helper()
	in := s.ring()
	id := in.Resource.CallID
	s.must(s.graph.AnswerCall(s.Context(), scenario, id, graph.Answer{
		CallbackURI: s.bot.uri(), AcceptedModalities: []graph.Modality{graph.ModalityAudio}, MediaConfig: graph.ServiceHostedMedia(),
	}))
	s.bot.waitFor("audio", id, func(n graph.Notification) bool { return n.Call != nil && n.Call.AudioActive() })
	return id, s.call(id).People[0]
}

func (s *service) call(id string) admin.Call {
	s.Helper()
	all, err := s.admin.Calls(s.Context())
	s.must(err)
	for _, c := range all {
		if graph.SameID(c.ID, id) {
			return c
		}
	}
	s.Fatalf("the service knows no call %s", id)
	return admin.Call{}
}

// done checks an operation that is over with its answer.
func done(t testing.TB, op *graph.Operation, kind string) {
	t.Helper()
	if op.Type != kind || op.ID == "" || op.Status != graph.OperationCompleted || op.ClientContext != "context" {
		t.Errorf("the answer is %+v, want a completed %s", *op, kind)
	}
}

// begun checks an operation that is under way.
func begun(t testing.TB, op *graph.Operation, kind string) {
	t.Helper()
	if op.Type != kind || op.ID == "" || op.Ended() || op.ClientContext != "context" {
		t.Errorf("the answer is %+v, want a running %s", *op, kind)
	}
}

// succeeded checks an operation that a notification has ended.
func succeeded(t testing.TB, op *graph.Operation) {
	t.Helper()
	if e := graph.ExplainOperationEnd(op); op.Status != graph.OperationCompleted || e.Class != graph.ClassNormalEnd || op.ClientContext != "context" {
		t.Errorf("ended as %+v: %s", *op, e.Message())
	}
}

// refused checks that the service said no for the reason expected.
func refused(t testing.TB, err error, status int, reason string) {
	t.Helper()
	var e *graph.Error
	if !errors.As(err, &e) || e.StatusCode != status || graph.ExplainError(err).Reason != reason {
		t.Errorf("got %v (%s), want %d and %s", err, graph.ExplainError(err).Reason, status, reason)
	}
}
