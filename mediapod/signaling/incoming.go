// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

// Headers of new calls. The router sets the first, the service the second.
const (
	lastHeader   = "Callfleet-Last"
	regionHeader = "X-Microsoft-Skype-Caller-Region"
)

// Incoming is a call that came in, to be decided about.
type Incoming struct {
	CallID   string
	ChainID  string
	TenantID string // of the notification's token
	Call     *graph.Call
	// From and To are who calls whom; zero where the service does not say.
	From, To graph.IdentitySet
	// OnBehalfOf is on whose behalf it comes, and Transferor who gave it to the bot; nil where the service names nobody.
	OnBehalfOf, Transferor *graph.IdentitySet
	// Group: it is a group call or meeting. PolicyRecording: the bot is to record somebody by policy.
	Group, PolicyRecording bool
	// Country and Region of the caller, as the service names them; may be empty.
	Country, Region string
	// Last: every other pod has refused, so that this one must dispose of the call.
	Last bool
}

// Decision is what to do with an incoming call: exactly one member. The zero value rejects it as forbidden.
type Decision struct {
	Answer   *AnswerRequest
	Reject   graph.RejectReason
	Redirect *graph.Redirect
	// Location is the webhook of a fleet elsewhere that is to take the call.
	Location string
	// Full: another pod is to take it, or, if there is none, it is rejected as busy.
	Full bool
}

// AnswerRequest is how to answer.
type AnswerRequest struct {
	UID        string // of the session that the call gets
	ScenarioID string // empty: the call's chain
	// Modalities accepted; empty: audio.
	Modalities []graph.Modality
	// Blob and PreFetch as in JoinRequest.
	Blob     string
	PreFetch []graph.MediaInfo
	// Locate, if set, gives the blob when the answer is about to be sent, and again for each try: who makes it has to be asked,
	// which deciding about the call must not wait for.
	Locate func(ctx context.Context) (blob string, err error)
	// ParticipantCapacity above 1 lets later participants of a policy recording share the call.
	ParticipantCapacity int
	OnChange            func()
	// Started is called exactly once, before the answer is sent, with the call, whose end tells if it could not be answered; or
	// with nil, if none was begun, because the pod is stopping or the UID is taken. It must be quick.
	Started func(*Call)
}

// arrival is what comes with a request besides its body.
type arrival struct {
	tenant string // of the token
	region string // of the caller
	last   bool   // no other pod takes the calls
}

func arrivalOf(r *http.Request, claims Claims) arrival {
	return arrival{tenant: claims.TenantID, region: r.Header.Get(regionHeader), last: r.Header.Get(lastHeader) == "true"}
}

// disposition is what became of a request with new calls.
type disposition struct {
	code     int
	location string
}

// takeNewCalls decides about the calls of a request.
func (s *Server) takeNewCalls(notifications []graph.Notification, with arrival) disposition {
	// Policy recording has the shortest deadline.
	slices.SortStableFunc(notifications, func(a, b graph.Notification) int {
		return compareBool(policyRecording(b.Call), policyRecording(a.Call))
	})
	for i, n := range notifications {
		// What was not acted on may be sent elsewhere as a whole; what was, may not.
		d, o := s.takeNewCall(n, with, i == 0)
		s.metrics.notifications[o].Inc()
		if d.code != 0 {
			return d
		}
	}
	return disposition{code: http.StatusAccepted}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// takeNewCall decides about one; a code given is for the request as a whole.
func (s *Server) takeNewCall(n graph.Notification, with arrival, first bool) (disposition, outcome) {
	id := n.Resource.CallID
	if n.Resource.Kind != graph.KindCall || id == "" {
		return disposition{}, outcomeIgnored
	}
	held := s.find(id)
	switch {
	case terminal(n) || n.ChangeType != graph.Created && (n.Call == nil || n.Call.State != graph.StateIncoming):
		return disposition{}, s.latecomer(n, held)
	case held != nil, !s.decide(id):
		return disposition{}, outcomeDuplicate
	}
	defer s.decided(id)
	in := incomingOf(n, with)
	in.Last = in.Last || !first
	var decision Decision
	if s.cfg.Incoming != nil {
		decision = s.cfg.Incoming(in)
	}
	return s.act(in, decision, first), outcomeIncoming
}

// latecomer is news of a call that came to the webhook: one that was given up before it was answered, mostly.
func (s *Server) latecomer(n graph.Notification, held *Call) outcome {
	switch {
	case held != nil:
		if _, accepted := s.deliver(held.UID(), []graph.Notification{n}); accepted {
			return outcomeApplied
		}
		return outcomeOverflow
	case terminal(n):
		s.over.add(n.Resource.CallID)
		return outcomeLate
	}
	return outcomeIgnored
}

// decide reports whether the call is still to be decided about, and keeps others from doing so meanwhile.
func (s *Server) decide(callID string) bool {
	id := graph.NormalID(callID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deciding[id] || s.over.has(callID) {
		return false
	}
	s.deciding[id] = true
	return true
}

func (s *Server) decided(callID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.deciding, graph.NormalID(callID))
}

func incomingOf(n graph.Notification, with arrival) Incoming {
	call := n.Call
	if call == nil {
		call = &graph.Call{ID: n.Resource.CallID, State: graph.StateIncoming}
	}
	in := Incoming{
		CallID: n.Resource.CallID, ChainID: call.CallChainID, TenantID: with.tenant, Call: call, Region: with.region, Last: with.last,
		Group: call.ChatInfo != nil || call.MeetingInfo != nil, PolicyRecording: policyRecording(call),
	}
	if call.Source != nil {
		in.From, in.Country = call.Source.Identity, call.Source.CountryCode
		if in.Region == "" {
			in.Region = call.Source.Region
		}
	}
	if c := call.IncomingContext; c != nil {
		in.OnBehalfOf, in.Transferor = c.OnBehalfOf, c.Transferor
	}
	if len(call.Targets) > 0 {
		in.To = call.Targets[0].Identity
	}
	return in
}

// policyRecording: the service says so in the call's metadata, or names somebody who is observed, which it does only then
// (Graph, "incomingContext").
func policyRecording(call *graph.Call) bool {
	return call != nil && (observed(call) != "" || call.RecordsByPolicy())
}

// observed is the participant who is to be recorded by policy; empty if the service names none.
func observed(call *graph.Call) string {
	if call == nil || call.IncomingContext == nil {
		return ""
	}
	return call.IncomingContext.ObservedParticipantID
}

// act carries a decision out.
func (s *Server) act(in Incoming, d Decision, first bool) disposition {
	s.metrics.incoming.WithLabelValues(d.name()).Inc()
	switch {
	case d.Answer != nil:
		if s.answer(in, *d.Answer) == nil {
			return disposition{}
		}
		return s.passOn(in, first) // stopping
	case d.Location != "" && !first:
		return s.reject(in, first, graph.RejectBusy) // the request holds other calls, which were acted on
	case d.Location != "":
		return disposition{code: http.StatusFound, location: d.Location}
	case d.Redirect != nil:
		return s.redirect(in, first, *d.Redirect)
	case d.Full:
		return s.passOn(in, first)
	case d.Reject != "":
		return s.reject(in, first, d.Reject)
	}
	return s.reject(in, first, graph.RejectForbidden)
}

func (d Decision) name() string {
	switch {
	case d.Answer != nil:
		return "answer"
	case d.Location != "":
		return "elsewhere"
	case d.Redirect != nil:
		return "redirect"
	case d.Full:
		return "full"
	}
	return "reject"
}

// answer begins to hold an incoming call.
func (s *Server) answer(in Incoming, req AnswerRequest) error {
	begin := func(c *Call) {
		if req.Started != nil {
			req.Started(c)
		}
	}
	if req.UID == "" {
		begin(nil)
		return errors.New("signaling: an answer needs a UID")
	}
	if req.ScenarioID == "" {
		req.ScenarioID = in.ChainID
	}
	if req.ScenarioID == "" {
		req.ScenarioID = uuid.NewString()
	}
	within := answerDeadline
	if in.PolicyRecording {
		within = policyDeadline
	}
	media := mediaConfig(req.Blob, req.PreFetch)
	if req.Locate != nil {
		media = graph.AppHostedMedia(req.Blob)
	}
	_, err := s.hold(plan{
		uid: req.UID, onChange: req.OnChange, started: begin, locate: req.Locate,
		setting: setting{
			origin: originIncoming, group: in.Group, hosting: media.Hosting, modalities: modalities(req.Modalities), tenant: in.TenantID, scenario: req.ScenarioID,
			callID: in.CallID, chainID: in.ChainID, callback: s.callbackURI(req.UID),
			keepAliveEvery: s.cfg.KeepAliveEvery, answerWithin: within, capacity: req.ParticipantCapacity, observed: observed(in.Call),
		},
		answer: graph.Answer{
			CallbackURI: s.callbackURI(req.UID), AcceptedModalities: modalities(req.Modalities), MediaConfig: media,
			ParticipantCapacity: req.ParticipantCapacity, CallOptions: rosterOptions(in.Group, true),
		},
	})
	if err != nil {
		begin(nil)
		if errors.Is(err, ErrAlreadyJoined) {
			return nil // the same call, told of twice
		}
	}
	return err
}
