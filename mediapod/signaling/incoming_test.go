// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

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

// TestTheBodyOfANewCallIsBounded: it is one call, not a roster.
func TestTheBodyOfANewCallIsBounded(t *testing.T) {
	s := newTestServer(t, &fakeGraph{})
	defer stop(t, s)
	w := post(s, newCallPath, `{"value":[`+string(make([]byte, maxNewCallBytes))+`]}`)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", w.Code)
	}
}
