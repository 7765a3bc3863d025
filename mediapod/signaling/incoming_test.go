// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

// ring is the notification of an incoming call, as it comes over the wire.
func ring(t testing.TB, ids ...string) string {
	t.Helper()
	var value []any
	for _, id := range ids {
		value = append(value, map[string]any{
			"@odata.type": "#microsoft.graph.commsNotification", "changeType": "Created", "resourceUrl": "/communications/calls/" + id,
			"resourceData": map[string]any{
				"@odata.type": "#microsoft.graph.call", "id": id, "state": "incoming", "direction": "incoming", "callChainId": "chain-" + id,
				"myParticipantId": testSelf, "tenantId": testTenant,
				"source": map[string]any{
					"countryCode": "US", "region": "amer",
					"identity": map[string]any{"user": map[string]any{"id": "ada", "tenantId": testTenant}},
				},
				"targets": []any{map[string]any{"identity": map[string]any{"application": map[string]any{"id": testAppID}}}},
			},
		})
	}
	body, err := json.Marshal(map[string]any{"@odata.type": "#microsoft.graph.commsNotifications", "value": value})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// recordedRing is the same for a call under a recording policy.
func recordedRing(id string) graph.Notification {
	return graph.Notification{
		ChangeType: graph.Created, Resource: graph.Resource{Kind: graph.KindCall, CallID: id},
		Call: &graph.Call{
			ID: id, State: graph.StateIncoming, CallChainID: "chain", MyParticipantID: testSelf,
			MeetingInfo:     &graph.MeetingInfo{Token: "token"},
			IncomingContext: &graph.IncomingContext{SourceParticipantID: "p-1", ObservedParticipantID: "p-1"},
		},
	}
}

// desk decides about incoming calls as it is told, and holds what was begun.
type desk struct {
	decide func(Incoming) Decision

	mu      sync.Mutex
	seen    []Incoming
	started []*Call
	refused int
}

func (d *desk) incoming(in Incoming) Decision {
	d.mu.Lock()
	d.seen = append(d.seen, in)
	d.mu.Unlock()
	decision := d.decide(in)
	if decision.Answer != nil && decision.Answer.Started == nil {
		decision.Answer.Started = d.start
	}
	return decision
}

func (d *desk) start(c *Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c == nil {
		d.refused++
		return
	}
	d.started = append(d.started, c)
}

func (d *desk) call(t *testing.T) *Call {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.started) != 1 {
		t.Fatalf("%d calls were begun, want one", len(d.started))
	}
	return d.started[0]
}

func answerIt(in Incoming) Decision {
	return Decision{Answer: &AnswerRequest{UID: testUID, Blob: testBlob}}
}

func withDesk(d *desk) func(*Config) { return func(c *Config) { c.Incoming = d.incoming } }

func TestIncomingCallsAreDecidedAbout(t *testing.T) {
	redirect := &graph.Redirect{Targets: []graph.InvitationParticipantInfo{{}, {}}}
	last := func(r *http.Request) { r.Header.Set("Callfleet-Last", "true") }
	tests := map[string]struct {
		decide func(Incoming) Decision
		change func(*http.Request)
		code   int
		asked  []string
		header http.Header
	}{
		"answered":        {decide: answerIt, code: 202, asked: []string{"answer " + otherCall}},
		"rejected":        {decide: func(Incoming) Decision { return Decision{Reject: graph.RejectBusy} }, code: 202, asked: []string{"reject as busy " + otherCall}},
		"no decision":     {decide: func(Incoming) Decision { return Decision{} }, code: 202, asked: []string{"reject as forbidden " + otherCall}},
		"redirected":      {decide: func(Incoming) Decision { return Decision{Redirect: redirect} }, code: 202, asked: []string{"redirect to 2 " + otherCall}},
		"for elsewhere":   {decide: func(Incoming) Decision { return Decision{Location: "https://eu.example/calls"} }, code: 302, header: http.Header{"Location": {"https://eu.example/calls"}}},
		"full":            {decide: func(Incoming) Decision { return Decision{Full: true} }, code: 503},
		"full, the last":  {decide: func(Incoming) Decision { return Decision{Full: true} }, change: last, code: 202, asked: []string{"reject as busy " + otherCall}},
		"answer, no UID":  {decide: func(Incoming) Decision { return Decision{Answer: &AnswerRequest{}} }, code: 503},
		"nobody decides":  {code: 202, asked: []string{"reject as forbidden " + otherCall}},
		"service-hosted":  {decide: func(Incoming) Decision { return Decision{Answer: &AnswerRequest{UID: testUID}} }, code: 202, asked: []string{"answer " + otherCall}},
		"elsewhere, last": {decide: func(Incoming) Decision { return Decision{Location: "https://eu.example/calls"} }, change: last, code: 302},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g, func(c *Config) {
					if tt.decide != nil {
						c.Incoming = tt.decide
					}
				})
				defer stop(t, s)
				change := tt.change
				if change == nil {
					change = func(*http.Request) {}
				}
				w := post(s, newCallPath, ring(t, otherCall), change)
				synctest.Wait()
				if w.Code != tt.code {
					t.Errorf("answered %d, want %d", w.Code, tt.code)
				}
				if diff := cmp.Diff(tt.asked, g.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				for name, want := range tt.header {
					if diff := cmp.Diff(want, w.Header()[name]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			})
		})
	}
}

func TestADecisionIsGivenWhatTheServiceSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{decide: func(Incoming) Decision { return Decision{Reject: graph.RejectNone} }}
		s := newTestServer(t, &fakeGraph{}, withDesk(d))
		defer stop(t, s)
		post(s, newCallPath, ring(t, otherCall), func(r *http.Request) { r.Header.Set("X-Microsoft-Skype-Caller-Region", "emea") })
		s.takeNewCalls([]graph.Notification{recordedRing(testCallID)}, arrival{tenant: testTenant, last: true})
		plain, recorded := d.seen[0], d.seen[1]
		if plain.CallID != otherCall || plain.ChainID != "chain-"+otherCall || plain.TenantID != testTenant || plain.Group || plain.PolicyRecording || plain.Last ||
			plain.Country != "US" || plain.Region != "emea" || plain.From.User.ID != "ada" || plain.To.Application.ID != testAppID {
			t.Errorf("decided about %+v", plain)
		}
		if !recorded.Group || !recorded.PolicyRecording || !recorded.Last || recorded.Call.MeetingInfo == nil {
			t.Errorf("decided about %+v, want a call of policy recording in a meeting", recorded)
		}
	})
}

func TestAnsweringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		d := &desk{decide: answerIt}
		s := newTestServer(t, g, withDesk(d))
		defer stop(t, s)
		if w := post(s, newCallPath, ring(t, testCallID)); w.Code != http.StatusAccepted || w.Header().Get("Connection") != "close" {
			t.Errorf("answered %d, Connection %q", w.Code, w.Header().Get("Connection"))
		}
		synctest.Wait()
		want := []graph.Answer{{
			CallbackURI:        "https://bots.example/voice/reception/pods/reception-0/calls/" + testUID,
			AcceptedModalities: []graph.Modality{graph.ModalityAudio}, MediaConfig: graph.AppHostedMedia(testBlob),
		}}
		if diff := cmp.Diff(want, g.answers); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		c := d.call(t)
		if snap := c.Snapshot(); snap.Phase != PhaseJoining || snap.State != graph.StateIncoming || snap.CallID != testCallID || snap.Group || snap.TenantID != testTenant || snap.Hosting != graph.AppHosted {
			t.Errorf("snapshot %+v", snap)
		}
		tell(t, s, updated(testCallID, graph.StateEstablishing), updated(testCallID, graph.StateEstablished))
		wantPhase(t, c, PhaseEstablished) // at once: a call of two has no lobby and no roster
		pass(time.Hour)
		if got := g.count("list", testCallID); got != 0 {
			t.Errorf("the roster of a call of two was asked for %d times", got)
		}
		if got := g.count("get", testCallID); got < 20 {
			t.Errorf("the call was looked at %d times within an hour, want about every two minutes", got)
		}
		tell(t, s, deleted(testCallID, 200, 4521))
		snap := wantEnd(t, c, EndRemoteHungUp)
		if diff := cmp.Diff([]string{EventIncoming, EventAnswered, EventEstablishing, EventEstablished, EventEnded}, eventsOf(snap)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestGroupCallsAreAnsweredWithADeltaRoster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		d := &desk{decide: func(in Incoming) Decision {
			return Decision{Answer: &AnswerRequest{UID: testUID, ParticipantCapacity: 100, Modalities: []graph.Modality{graph.ModalityAudio, graph.ModalityVideo}}}
		}}
		s := newTestServer(t, g, withDesk(d))
		defer stop(t, s)
		s.takeNewCalls([]graph.Notification{recordedRing(testCallID)}, arrival{tenant: testTenant})
		synctest.Wait()
		got := g.answers[0]
		if got.CallOptions == nil || !got.CallOptions.IsDeltaRosterEnabled || !got.CallOptions.Incoming || got.ParticipantCapacity != 100 ||
			len(got.AcceptedModalities) != 2 || got.MediaConfig.Hosting != graph.ServiceHosted {
			t.Errorf("answer %+v", got)
		}
	})
}

func TestTheSameCallIsDecidedAboutOnce(t *testing.T) {
	tests := map[string]func(Incoming) Decision{
		"answered":   answerIt,
		"rejected":   func(Incoming) Decision { return Decision{Reject: graph.RejectBusy} },
		"redirected": func(Incoming) Decision { return Decision{Redirect: &graph.Redirect{}} },
	}
	for name, decide := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				d := &desk{decide: decide}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				for range 5 {
					go post(s, newCallPath, ring(t, testCallID, testCallID))
				}
				synctest.Wait()
				post(s, newCallPath, ring(t, testCallID))
				synctest.Wait()
				if len(d.seen) != 1 || len(g.asked) != 1 || d.refused != 0 {
					t.Errorf("decided %d times, asked %v, want each once", len(d.seen), g.asked)
				}
			})
		})
	}
}

func TestACallThatIsFullElsewhereIsDecidedAboutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		g := &fakeGraph{}
		s := newTestServer(t, g, func(c *Config) {
			c.Incoming = func(in Incoming) Decision {
				if full {
					return Decision{Full: true}
				}
				return answerIt(in)
			}
		})
		defer stop(t, s)
		if w := post(s, newCallPath, ring(t, testCallID)); w.Code != http.StatusServiceUnavailable {
			t.Fatalf("answered %d", w.Code)
		}
		full = false // a seat was given back, and the router came round again
		post(s, newCallPath, ring(t, testCallID))
		synctest.Wait()
		if g.count("answer", testCallID) != 1 {
			t.Errorf("asked %v, want the call answered", g.asked)
		}
	})
}

func TestAFullPodReadsNothing(t *testing.T) {
	full := func(c *Config) { c.Full = func() bool { return true } }
	s := newTestServer(t, &fakeGraph{}, full)
	body := &countingBody{}
	w := post(s, newCallPath, "", func(r *http.Request) { r.Body = http.NoBody })
	if w.Code != http.StatusServiceUnavailable || body.reads != 0 {
		t.Errorf("answered %d", w.Code)
	}
	if w := post(s, newCallPath, ring(t, otherCall), func(r *http.Request) { r.Header.Set("Callfleet-Last", "true") }); w.Code != http.StatusAccepted {
		t.Errorf("the last pod answered %d, want it to dispose of the call", w.Code)
	}
	stop(t, s)
}

func TestAStoppingPodPassesCallsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		d := &desk{decide: answerIt}
		s := newTestServer(t, g, withDesk(d))
		stop(t, s)
		if w := post(s, newCallPath, ring(t, otherCall)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want another pod to be tried", w.Code)
		}
		if d.refused != 1 || len(d.started) != 0 {
			t.Errorf("told of %d refusals and %d calls, want the seat given back once", d.refused, len(d.started))
		}
	})
}

func TestPolicyRecordingIsAnsweredFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{decide: func(Incoming) Decision { return Decision{Reject: graph.RejectNone} }}
		s := newTestServer(t, &fakeGraph{}, withDesk(d))
		defer stop(t, s)
		plain := updated(otherCall, graph.StateIncoming)
		plain.ChangeType = graph.Created
		s.takeNewCalls([]graph.Notification{plain, recordedRing(testCallID)}, arrival{tenant: testTenant})
		if len(d.seen) != 2 || !d.seen[0].PolicyRecording {
			t.Errorf("decided in the order %+v", d.seen)
		}
	})
}

func TestAnswersThatFail(t *testing.T) {
	notFound := answer("answer call", http.StatusNotFound)
	tests := map[string]struct {
		errs     []error // of one try after the other; the last one stays
		get      func(string) (*graph.Call, error)
		slow     time.Duration
		want     EndReason
		answers  int
		rejected bool
		elsewhere,
		established bool
	}{
		"gone before it was answered": {errs: []error{notFound}, get: func(string) (*graph.Call, error) { return nil, errGone }, want: EndCallerGaveUp, answers: 1},
		"refused":                     {errs: []error{answer("answer call", http.StatusForbidden)}, want: EndPermissionMissing, answers: 1, rejected: true},
		"failing, then taken":         {errs: []error{answer("answer call", 503), answer("answer call", 503), nil}, answers: 3, established: true},
		"failing all the time":        {errs: []error{answer("answer call", 503)}, want: EndServiceError, answers: 30, rejected: true},
		"an earlier try was taken": {
			errs: []error{errLost, notFound}, answers: 2, established: true,
			get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablishing).Call, nil },
		},
		"another pod was quicker": {
			errs: []error{answer("answer call", http.StatusConflict)}, answers: 1, want: EndCallLost, elsewhere: true,
			get: func(id string) (*graph.Call, error) {
				c := updated(id, graph.StateEstablished).Call
				c.CallbackURI = "https://bots.example/voice/reception/pods/reception-1/calls/" + testUID
				return c, nil
			},
		},
		"unknown for a moment": {
			errs: []error{notFound, nil}, answers: 2, established: true,
			get: func(id string) (*graph.Call, error) { return updated(id, graph.StateIncoming).Call, nil },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{get: tt.get, answer: func(_ context.Context, try int, _ graph.Answer) error {
					time.Sleep(tt.slow)
					return tt.errs[min(try, len(tt.errs))-1]
				}}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				pass(answerDeadline + time.Second)
				c := d.call(t)
				if got := g.count("answer", testCallID); got != tt.answers {
					t.Errorf("%d answers, want %d", got, tt.answers)
				}
				if got := g.count("reject as busy", testCallID) == 1; got != tt.rejected {
					t.Errorf("turned away: %t, want %t", got, tt.rejected)
				}
				if tt.established {
					tell(t, s, updated(testCallID, graph.StateEstablished))
					wantPhase(t, c, PhaseEstablished)
					return
				}
				snap := wantEnd(t, c, tt.want)
				if snap.End.Elsewhere != tt.elsewhere || g.count("delete", testCallID) != 0 {
					t.Errorf("end %+v, asked %v", snap.End, g.asked)
				}
			})
		})
	}
}

func TestAnAnswerAfterTheDeadlineIsTooLate(t *testing.T) {
	for name, tt := range map[string]struct {
		n    graph.Notification
		slow time.Duration
		want EndReason
	}{
		"policy recording, after its 5 s":  {n: recordedRing(testCallID), slow: policyDeadline, want: EndAnsweredTooLate},
		"policy recording, before its 5 s": {n: recordedRing(testCallID), slow: policyDeadline - time.Second, want: EndCallerGaveUp},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					answer: func(context.Context, int, graph.Answer) error {
						time.Sleep(tt.slow)
						return answer("answer call", http.StatusNotFound)
					},
					get: func(string) (*graph.Call, error) { return nil, errGone },
				}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				s.takeNewCalls([]graph.Notification{tt.n}, arrival{tenant: testTenant})
				synctest.Wait()
				pass(policyDeadline + time.Second)
				wantEnd(t, d.call(t), tt.want)
			})
		})
	}
}

func TestTheCallerGivesUp(t *testing.T) {
	tests := map[string]func(t *testing.T, s *Server){
		"told at the call's own address": func(t *testing.T, s *Server) { tell(t, s, deleted(testCallID, 200, 0)) },
		"told at the webhook": func(t *testing.T, s *Server) {
			s.takeNewCalls([]graph.Notification{deleted(testCallID, 487, 0)}, arrival{tenant: testTenant})
		},
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := make(chan struct{})
				g := &fakeGraph{answer: func(context.Context, int, graph.Answer) error { <-taken; return answer("answer call", 404) }}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				synctest.Wait()
				giveUp(t, s)
				synctest.Wait()
				close(taken)
				if end := wantEnd(t, d.call(t), EndCallerGaveUp).End; end.Failed {
					t.Errorf("end %+v, want no fault", end)
				}
			})
		})
	}
}

func TestHangingUpWhileAnswering(t *testing.T) {
	tests := map[string]struct {
		err      error
		hungUp   bool
		rejected bool
	}{
		"the answer is taken": {hungUp: true},
		"the answer fails":    {err: answer("answer call", 503), rejected: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := make(chan struct{})
				g := &fakeGraph{answer: func(context.Context, int, graph.Answer) error { <-now; return tt.err }}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				synctest.Wait()
				c := d.call(t)
				c.HangUp(EndedByBot)
				synctest.Wait()
				wantPhase(t, c, PhaseLeaving)
				close(now)
				pass(terminatedWait)
				wantEnd(t, c, EndedByBot)
				if got := g.count("delete", testCallID) == 1; got != tt.hungUp {
					t.Errorf("hung up: %t, want %t", got, tt.hungUp)
				}
				if got := g.count("reject as busy", testCallID) == 1; got != tt.rejected {
					t.Errorf("rejected: %t, want %t", got, tt.rejected)
				}
			})
		})
	}
}

func joiningOf(participant string) graph.Notification {
	return graph.Notification{
		Resource: graph.Resource{Kind: graph.KindParticipantJoining, CallID: testCallID, ID: participant},
		Call:     &graph.Call{ID: testCallID},
	}
}

func TestParticipantsShareACallOfPolicyRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		more := true
		d := &desk{decide: func(in Incoming) Decision {
			return Decision{Answer: &AnswerRequest{UID: testUID, ParticipantCapacity: 3}}
		}}
		s := newTestServer(t, &fakeGraph{}, withDesk(d), func(c *Config) { c.AcceptsMore = func() bool { return more } })
		defer stop(t, s)
		s.takeNewCalls([]graph.Notification{recordedRing(testCallID)}, arrival{tenant: testTenant})
		synctest.Wait()
		tell(t, s, updated(testCallID, graph.StateEstablished))

		ask := func(participant string) string {
			code, body := s.takeCallback(t.Context(), testUID, testTenant, []graph.Notification{joiningOf(participant)})
			if code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
			var response struct {
				Type string `json:"@odata.type"`
				URI  string `json:"inviteUri"`
			}
			if err := json.Unmarshal(body, &response); err != nil {
				t.Fatal(err)
			}
			if response.Type == "#microsoft.graph.inviteNewBotResponse" && response.URI != "https://bots.example/voice/reception/calls" {
				t.Errorf("a new bot is to be called at %q", response.URI)
			}
			return response.Type
		}
		const accept, anew = "#microsoft.graph.acceptJoinResponse", "#microsoft.graph.inviteNewBotResponse"
		left := joiningOf("p-2")
		left.Resource.Kind = graph.KindParticipantLeft
		steps := []struct {
			what string
			do   func() string
			want string
		}{
			{"the second", func() string { return ask("p-2") }, accept},
			{"the second again", func() string { return ask("P2") }, accept},
			{"while the pod takes no more", func() string { more = false; defer func() { more = true }(); return ask("p-3") }, anew},
			{"the third", func() string { return ask("p-3") }, accept},
			{"the fourth", func() string { return ask("p-4") }, anew},
			{"after one left", func() string { tell(t, s, left, left); return ask("p-4") }, accept},
			{"and no more", func() string { return ask("p-5") }, anew},
			{"after the first left", func() string { left.Resource.ID = "p-1"; tell(t, s, left); return ask("p-5") }, accept},
			{"while leaving", func() string { d.call(t).HangUp(EndedByBot); synctest.Wait(); return ask("p-2") }, anew},
		}
		for _, step := range steps {
			if got := step.do(); got != step.want {
				t.Errorf("%s: %s, want %s", step.what, got, step.want)
			}
		}
		if code, body := s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{joiningOf("p-9")}); code != 200 || len(body) == 0 {
			t.Errorf("a call nobody holds was answered %d %s", code, body)
		}
	})
}

func TestAJoiningParticipantIsAnsweredInJSON(t *testing.T) {
	s := newTestServer(t, &fakeGraph{}, withDesk(&desk{}))
	defer stop(t, s)
	body := `{"@odata.type":"#microsoft.graph.commsNotifications","value":[{"@odata.type":"#microsoft.graph.participantJoiningNotification","call":{"@odata.type":"#microsoft.graph.call","id":"x"}}]}`
	w := post(s, callbackPath+testUID, body)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("answered %d %s: %s", w.Code, w.Header(), w.Body)
	}
}

// TestTheBodyOfANewCallIsBounded: it is one call, not a roster.
func TestTheBodyOfANewCallIsBounded(t *testing.T) {
	s := newTestServer(t, &fakeGraph{})
	defer stop(t, s)
	w := post(s, newCallPath, `{"value":[`+string(make([]byte, maxNewCallBytes))+`]}`)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", w.Code)
	}
}
