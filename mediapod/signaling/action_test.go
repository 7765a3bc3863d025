// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// actingGraph takes actions. begun is told of every request and gives the answer.
type actingGraph struct {
	*fakeGraph
	begun func(what, clientContext string) (*graph.Operation, error)
	read  func(operationID string) (*graph.Operation, error)
	file  string
}

func (g *actingGraph) TransferCall(_ context.Context, _, callID string, tr graph.Transfer) error {
	_, who := tr.Target.Identity.Primary()
	_, err := g.begun("transfer "+callID+" to "+who.ID+" replacing "+tr.Target.ReplacesCallID, "")
	return err
}

func (g *actingGraph) PlayPrompt(_ context.Context, _, callID string, prompts []graph.MediaInfo, token string) (*graph.Operation, error) {
	return g.begun("play "+callID+" "+prompts[0].URI, token)
}

func (g *actingGraph) RecordResponse(_ context.Context, _, callID string, r graph.RecordRequest) (*graph.Operation, error) {
	return g.begun("record "+callID+" "+r.MaxDuration.String(), r.ClientContext)
}

func (g *actingGraph) DownloadRecording(_ context.Context, location, token string) (io.ReadCloser, error) {
	if location != "https://rec/1" || token != "rec0rdingtoken" {
		return nil, &graph.Error{Operation: "download recording", StatusCode: http.StatusNotFound}
	}
	return io.NopCloser(strings.NewReader(g.file)), nil
}

func (g *actingGraph) CancelMediaProcessing(_ context.Context, _, callID, token string) (*graph.Operation, error) {
	return g.begun("stop "+callID, token)
}

func (g *actingGraph) SubscribeToTone(_ context.Context, _, callID, token string) (*graph.Operation, error) {
	return g.begun("subscribe "+callID, token)
}

func (g *actingGraph) SendDTMFTones(_ context.Context, _, callID string, tones []graph.Tone, delay time.Duration, token string) (*graph.Operation, error) {
	return g.begun("dtmf "+callID+" "+tones[0].Key()+" "+delay.String(), token)
}

func (g *actingGraph) MuteParticipant(_ context.Context, _, callID, id, token string) (*graph.Operation, error) {
	return g.begun("mute "+callID+" "+id, token)
}

func (g *actingGraph) RemoveParticipant(_ context.Context, _, callID, id string) error {
	_, err := g.begun("remove "+callID+" "+id, "")
	return err
}

func (g *actingGraph) StartHoldMusic(_ context.Context, _, callID, id string, prompt *graph.MediaInfo, token string) (*graph.Operation, error) {
	return g.begun("hold "+callID+" "+id, token)
}

func (g *actingGraph) StopHoldMusic(_ context.Context, _, callID, id, token string) (*graph.Operation, error) {
	return g.begun("unhold "+callID+" "+id, token)
}

func (g *actingGraph) AddLargeGalleryView(_ context.Context, _, callID, token string) (*graph.Operation, error) {
	return g.begun("gallery "+callID, token)
}

func (g *actingGraph) GetOperation(_ context.Context, _, _, id string) (*graph.Operation, error) {
	if g.read == nil {
		return nil, errGone
	}
	return g.read(id)
}

// acting is an established call in which actions can be done, and the requests they make.
type acting struct {
	server *Server
	graph  *actingGraph
	call   *Call
	asked  []string
}

func act(t *testing.T, change func(*JoinRequest)) *acting {
	t.Helper()
	a := &acting{}
	a.graph = &actingGraph{fakeGraph: &fakeGraph{}}
	a.graph.begun = func(what, _ string) (*graph.Operation, error) {
		a.asked = append(a.asked, what)
		return completed(), nil
	}
	a.server = newTestServer(t, a.graph)
	if change == nil {
		change = func(*JoinRequest) {}
	}
	a.call = join(t, a.server, change)
	if a.call.Snapshot().Group {
		establish(t, a.server)
	} else { // no roster comes in a call between two
		tell(t, a.server, updated(testCallID, graph.StateEstablished))
		pass(settleWait)
	}
	wantPhase(t, a.call, PhaseEstablished)
	return a
}

func serviceHosted(r *JoinRequest) { r.Blob = "" }

// announced has everybody told that the call is recorded.
func (a *acting) announced(t *testing.T) *acting {
	t.Helper()
	want(a.call, Wants{Recording: graph.Recording})
	if got := a.call.Snapshot().Recording; got != graph.Recording {
		t.Fatalf("the recording status is %q", got)
	}
	return a
}

func toOne(r *JoinRequest) {
	r.Blob, r.Meeting = "", graph.Meeting{}
	r.Targets = []graph.InvitationParticipantInfo{{Identity: graph.IdentitySet{User: &graph.Identity{ID: "alice"}}}}
}

// running answers with an operation that is yet to end.
func (a *acting) running(id string) *string {
	token := new(string)
	a.graph.begun = func(what, clientContext string) (*graph.Operation, error) {
		a.asked = append(a.asked, what)
		*token = clientContext
		return &graph.Operation{ID: id, Status: graph.OperationRunning}, nil
	}
	return token
}

func operationEnded(op graph.Operation) graph.Notification {
	return graph.Notification{
		ChangeType: graph.Deleted, Resource: graph.Resource{Kind: graph.KindOperation, CallID: testCallID, ID: op.ID}, Operation: &op,
	}
}

type outcomeOfAct struct {
	result Result
	err    error
}

func (a *acting) begin(ctx context.Context, by string, action Action) <-chan outcomeOfAct {
	c := make(chan outcomeOfAct, 1)
	go func() {
		r, err := a.call.Act(ctx, by, action)
		c <- outcomeOfAct{r, err}
	}()
	synctest.Wait()
	return c
}

func failureOf(err error) ActionFailure {
	if e, ok := asActionError(err); ok {
		return e.Failure
	}
	return ""
}

func TestEveryActionAsksForItsOperation(t *testing.T) {
	user := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}
	for want, action := range map[string]Action{
		"play " + testCallID + " https://p/1": PlayPrompt{Prompts: []graph.MediaInfo{{URI: "https://p/1"}}},
		"record " + testCallID + " 1m0s":      Record{MaxDuration: time.Minute},
		"stop " + testCallID:                  StopMedia{},
		"subscribe " + testCallID:             SubscribeToTones{},
		"dtmf " + testCallID + " # 1s":        SendTones{Tones: []graph.Tone{graph.TonePound}, Delay: time.Second},
		"mute " + testCallID + " p1":          MuteParticipant{ID: "p1"},
		"remove " + testCallID + " p1":        RemoveParticipant{ID: "p1"},
		"hold " + testCallID + " p1":          StartHoldMusic{ID: "p1"},
		"unhold " + testCallID + " p1":        StopHoldMusic{ID: "p1"},
		"gallery " + testCallID:               LargeGallery{},
		"transfer " + testCallID + " to bob replacing other": Transfer{
			Target: user, ReplacesCallID: "other", Transferee: &graph.ParticipantInfo{ParticipantID: "p1"},
		},
	} {
		t.Run(action.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, serviceHosted).announced(t)
				done := a.begin(t.Context(), "jane@contoso.com", action)
				if !slices.Equal(a.asked, []string{want}) {
					t.Errorf("asked for %q, want %q", a.asked, want)
				}
				if _, transfer := action.(Transfer); transfer {
					tell(t, a.server, updated(testCallID, graph.StateTransferring), updated(testCallID, graph.StateTransferAccepted), deleted(testCallID, 200, 7015))
				}
				if got := <-done; got.err != nil || got.result.Message == "" {
					t.Errorf("%+v", got)
				}
				stop(t, a.server)
				if !slices.ContainsFunc(a.call.Snapshot().Events, func(e Event) bool {
					return e.Event == EventAction && e.Detail == action.Name()+" by jane@contoso.com"
				}) {
					t.Errorf("events %v", a.call.Snapshot().Events)
				}
			})
		})
	}
}

func TestActWaitsForTheEndOfAnOperation(t *testing.T) {
	play := PlayPrompt{Prompts: []graph.MediaInfo{{URI: "https://p/1"}}}
	for name, c := range map[string]struct {
		end     func(token string) graph.Operation
		failure ActionFailure
		says    string
	}{
		"known by its id": {func(string) graph.Operation {
			return graph.Operation{ID: "OP-1", Status: graph.OperationCompleted, ResultInfo: &graph.ResultInfo{Code: 200}}
		}, "", "Done."},
		"known by its context": {func(token string) graph.Operation {
			return graph.Operation{ID: "else", ClientContext: token, Status: graph.OperationCompleted}
		}, "", "Done."},
		"with nothing said": {func(string) graph.Operation { return graph.Operation{ID: "op1"} }, "", "Done."},
		"failed": {func(string) graph.Operation {
			return graph.Operation{ID: "op1", Status: graph.OperationFailed, ResultInfo: &graph.ResultInfo{Code: 400, Subcode: 8535}}
		}, ActionRefused, "16 kHz"},
		"cancelled": {func(string) graph.Operation {
			return graph.Operation{ID: "op1", Status: graph.OperationFailed, ResultInfo: &graph.ResultInfo{Code: 400, Subcode: 8508}}
		}, ActionRefused, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, serviceHosted)
				token := a.running("op1")
				done := a.begin(t.Context(), "jane", play)
				select {
				case got := <-done:
					t.Fatalf("did not wait: %+v", got)
				default:
				}
				tell(t, a.server, operationEnded(graph.Operation{ID: "another", Status: graph.OperationCompleted}), operationEnded(c.end(*token)))
				got := <-done
				if failureOf(got.err) != c.failure {
					t.Errorf("got %v", got.err)
				}
				if text := got.result.Message; got.err == nil && !strings.Contains(text, c.says) || got.err != nil && !strings.Contains(got.err.Error(), c.says) {
					t.Errorf("says %q, %v", text, got.err)
				}
				stop(t, a.server)
			})
		})
	}
}

func TestAnEndMayOvertakeTheAnswerThatNamesTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted)
		a.graph.begun = func(string, string) (*graph.Operation, error) {
			a.server.deliver(testUID, []graph.Notification{operationEnded(graph.Operation{ID: "op1", Status: graph.OperationCompleted})})
			time.Sleep(time.Second) // until it was taken
			return &graph.Operation{ID: "op1", Status: graph.OperationRunning}, nil
		}
		if got := <-a.begin(t.Context(), "jane", StopMedia{}); got.err != nil {
			t.Error(got.err)
		}
		stop(t, a.server)
	})
}

func TestALostEndIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted)
		a.running("op1")
		tries := 0
		a.graph.read = func(id string) (*graph.Operation, error) {
			if tries++; tries < 3 {
				return &graph.Operation{ID: id, Status: graph.OperationRunning}, nil
			}
			return &graph.Operation{ID: id, Status: graph.OperationCompleted}, nil
		}
		began := time.Now()
		if got := <-a.begin(t.Context(), "jane", StopMedia{}); got.err != nil || tries != 3 || time.Since(began) != 3*askAgainEvery {
			t.Errorf("%v after %d tries and %s", got.err, tries, time.Since(began))
		}
		stop(t, a.server)
	})
}

func TestActGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted)
		a.running("op1")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if got := <-a.begin(ctx, "jane", StopMedia{}); failureOf(got.err) != ActionUncertain || !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("with its context: %v", got.err)
		}
		done := a.begin(t.Context(), "jane", StopMedia{})
		tell(t, a.server, deleted(testCallID, 200, 5003))
		if got := <-done; failureOf(got.err) != ActionNotEstablished {
			t.Errorf("with the call: %v", got.err)
		}
		if _, err := a.call.Act(t.Context(), "jane", StopMedia{}); failureOf(err) != ActionNotEstablished || !strings.Contains(err.Error(), "over") {
			t.Errorf("after the call: %v", err)
		}
	})
}

func TestTransfersThatFail(t *testing.T) {
	target := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}
	for name, c := range map[string]struct {
		then    []graph.Notification
		failure ActionFailure
		says    string
	}{
		"the target does not take it": {
			[]graph.Notification{updated(testCallID, graph.StateTransferring), updated(testCallID, graph.StateEstablished, withResult(500, 7700))}, ActionRefused, "call goes on",
		},
		"the caller hangs up first": {
			[]graph.Notification{updated(testCallID, graph.StateTransferring), deleted(testCallID, 200, 4521)}, ActionRefused, "before it was transferred",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, toOne)
				done := a.begin(t.Context(), "jane", Transfer{Target: target})
				tell(t, a.server, c.then...)
				if got := <-done; failureOf(got.err) != c.failure || !strings.Contains(got.err.Error(), c.says) {
					t.Errorf("got %v", got.err)
				}
				stop(t, a.server)
			})
		})
	}
}

func TestActionsAreRefusedBeforeGraphIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		call    func(*JoinRequest)
		action  Action
		failure ActionFailure
		says    string
	}{
		"prompt where the bot hosts the media":    {nil, PlayPrompt{Prompts: []graph.MediaInfo{{URI: "u"}}}, ActionNotPossible, "hosting"},
		"recording where the bot hosts the media": {nil, Record{}, ActionNotPossible, "hosting"},
		"recording that nobody was told of":       {serviceHosted, Record{}, ActionNotPossible, "spec.recordingStatus: Recording"},
		"tones where the bot hosts the media":     {nil, SubscribeToTones{}, ActionNotPossible, "hosting"},
		"no prompt":                               {serviceHosted, PlayPrompt{}, ActionInvalid, "1 to 20"},
		"too many prompts":                        {serviceHosted, PlayPrompt{Prompts: make([]graph.MediaInfo, 21)}, ActionInvalid, "1 to 20"},
		"a recording of hours":                    {serviceHosted, Record{MaxDuration: time.Hour}, ActionInvalid, "2m0s"},
		"no keys":                                 {nil, SendTones{}, ActionInvalid, "keys"},
		"transfer to a bot":                       {toOne, Transfer{Target: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Application: &graph.Identity{ID: "b"}}}}, ActionInvalid, "resource account"},
		"nobody to transfer to":                   {toOne, Transfer{}, ActionInvalid, "Name a user"},
		"nobody to transfer out of a meeting": {
			nil, Transfer{Target: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "bob"}}}}, ActionInvalid, "participant",
		},
		"nobody to mute":                  {nil, MuteParticipant{}, ActionInvalid, "status"},
		"removing one of two":             {toOne, RemoveParticipant{ID: "p"}, ActionNotPossible, "Invite somebody"},
		"a gallery of two":                {toOne, LargeGallery{}, ActionNotPossible, "group"},
		"a recording that nobody made":    {serviceHosted, FetchRecording{ID: "x"}, ActionNotFound, "no such recording"},
		"a recording without a name":      {serviceHosted, FetchRecording{}, ActionInvalid, "named"},
		"hold music for nobody":           {nil, StartHoldMusic{}, ActionInvalid, "status"},
		"hold music ended in a call of 2": {toOne, StopHoldMusic{ID: "p"}, ActionNotPossible, "group"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, c.call)
				_, err := a.call.Act(t.Context(), "jane", c.action)
				if failureOf(err) != c.failure || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v", err)
				}
				if len(a.asked) > 0 {
					t.Errorf("asked Graph for %q", a.asked)
				}
				if c.failure != ActionNotFound { // which is known when the recording is looked for
					wantRefused(t, a.call, c.action.Name()+" by jane refused: ", c.says)
				}
				stop(t, a.server)
			})
		})
	}
}

func TestGraphsRefusalOfAnActionIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted)
		a.graph.begun = func(string, string) (*graph.Operation, error) {
			return nil, &graph.Error{Operation: "subscribe to tones", StatusCode: http.StatusForbidden, MissingRoles: []string{graph.RoleAccessMedia}}
		}
		_, err := a.call.Act(t.Context(), "jane", SubscribeToTones{})
		if failureOf(err) != ActionRefused || !strings.Contains(err.Error(), graph.RoleAccessMedia) {
			t.Errorf("got %v", err)
		}
		stop(t, a.server)
		if !slices.Contains(eventsOf(a.call.Snapshot()), EventActionFailed) {
			t.Errorf("events %v", eventsOf(a.call.Snapshot()))
		}
	})
}

func TestActionsOfTheBotItselfLeaveNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted)
		if _, err := a.call.Act(t.Context(), "", StopMedia{}); err != nil {
			t.Fatal(err)
		}
		stop(t, a.server)
		if events := eventsOf(a.call.Snapshot()); slices.Contains(events, EventAction) || slices.Contains(events, EventActionCompleted) {
			t.Errorf("events %v", events)
		}
	})
}

func TestEndedOperationsAreForgotten(t *testing.T) {
	var o operations
	for i := range 3 * maxEndedKept {
		op := graph.Operation{ID: strings.Repeat("x", i+1), Status: graph.OperationCompleted}
		o.notified(operationEnded(op))
		o.notified(operationEnded(op))
		o.keepRecording(op)
	}
	if len(o.ended) != maxEndedKept || len(o.recordings) != maxEndedKept {
		t.Errorf("%d ended operations and %d recordings are kept", len(o.ended), len(o.recordings))
	}
	o.notified(graph.Notification{ChangeType: graph.Updated, Operation: &graph.Operation{ID: "running", Status: graph.OperationRunning}})
	o.notified(graph.Notification{ChangeType: graph.Updated})
	wait := o.expect("context")
	o.identify(wait, "running")
	select {
	case op := <-wait.end:
		t.Errorf("%v has not ended", op)
	default:
	}
	o.forget(wait)
	if len(o.waiting) != 0 {
		t.Error("still waiting")
	}
}
