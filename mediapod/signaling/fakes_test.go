// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	testUID    = "7d3c1a52-9c5f-4a08-8d5e-0d6b1d0f6a11"
	testCallID = "2e1a0b00-2db4-4022-9570-243709c565ab"
	otherCall  = "99990b00-2db4-4022-9570-243709c565ab"
	testSelf   = "aaaa0000-0000-4000-8000-000000000001"
	testBlob   = `{"version":1,"mpUri":"https://media.example/whip/x","token":"hush-hush"}`
)

// fakeGraph answers as programmed and remembers what it was asked. What is not
// programmed succeeds.
type fakeGraph struct {
	GraphAPI // what is not programmed below is not asked for

	create   func(ctx context.Context, try int, call *graph.Call) (*graph.Call, error)
	get      func(callID string) (*graph.Call, error)
	alive    func(callID string) error
	list     func(callID string) ([]graph.Participant, error)
	del      func(ctx context.Context, try int, callID string) error
	answer   func(ctx context.Context, try int, answer graph.Answer) error
	reject   func(callID string) error
	redirect func(ctx context.Context) error
	record   func(try int, status graph.RecordingStatus) (*graph.Operation, error)
	mute     func(try int, muted bool) (*graph.Operation, error)
	share    func(try int, role graph.ScreenSharingRole) error
	invite   func(try int, who graph.InvitationParticipantInfo) (*graph.Operation, error)
	remove   func(participantID string) error

	mu       sync.Mutex
	created  []*graph.Call
	answers  []graph.Answer
	asked    []string // operation and call id, in order
	scenario map[string]bool
}

var _ GraphAPI = (*fakeGraph)(nil)

func (f *fakeGraph) note(op, scenarioID, callID string) (try int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.scenario == nil {
		f.scenario = map[string]bool{}
	}
	f.scenario[scenarioID] = true
	entry := op + " " + callID
	f.asked = append(f.asked, entry)
	for _, a := range f.asked {
		if a == entry {
			try++
		}
	}
	return try
}

// count is how often something was asked.
func (f *fakeGraph) count(op, callID string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if a == op+" "+callID {
			n++
		}
	}
	return n
}

func (f *fakeGraph) CreateCall(ctx context.Context, scenarioID string, call *graph.Call) (*graph.Call, error) {
	try := f.note("create", scenarioID, "")
	f.mu.Lock()
	f.created = append(f.created, call)
	f.mu.Unlock()
	if f.create != nil {
		return f.create(ctx, try, call)
	}
	return createdCall(testCallID), nil
}

func (f *fakeGraph) GetCall(_ context.Context, scenarioID, callID string) (*graph.Call, error) {
	f.note("get", scenarioID, callID)
	if f.get != nil {
		return f.get(callID)
	}
	return &graph.Call{ID: callID}, nil
}

func (f *fakeGraph) KeepAlive(_ context.Context, scenarioID, callID string) error {
	f.note("keepAlive", scenarioID, callID)
	if f.alive != nil {
		return f.alive(callID)
	}
	return nil
}

func (f *fakeGraph) ListParticipants(_ context.Context, scenarioID, callID string) ([]graph.Participant, error) {
	f.note("list", scenarioID, callID)
	if f.list != nil {
		return f.list(callID)
	}
	return nil, nil
}

func (f *fakeGraph) DeleteCall(ctx context.Context, scenarioID, callID string) error {
	try := f.note("delete", scenarioID, callID)
	if f.del != nil {
		return f.del(ctx, try, callID)
	}
	return nil
}

func (f *fakeGraph) RejectCall(_ context.Context, scenarioID, callID string, reason graph.RejectReason) error {
	f.note("reject as "+string(reason), scenarioID, callID)
	if f.reject != nil {
		return f.reject(callID)
	}
	return nil
}

func (f *fakeGraph) AnswerCall(ctx context.Context, scenarioID, callID string, answer graph.Answer) error {
	try := f.note("answer", scenarioID, callID)
	f.mu.Lock()
	f.answers = append(f.answers, answer)
	f.mu.Unlock()
	if f.answer != nil {
		return f.answer(ctx, try, answer)
	}
	return nil
}

func (f *fakeGraph) RedirectCall(ctx context.Context, scenarioID, callID string, redirect graph.Redirect) error {
	f.note(fmt.Sprint("redirect to ", len(redirect.Targets)), scenarioID, callID)
	if f.redirect != nil {
		return f.redirect(ctx)
	}
	return nil
}

func (f *fakeGraph) UpdateRecordingStatus(_ context.Context, scenarioID, callID string, status graph.RecordingStatus, _ string) (*graph.Operation, error) {
	try := f.note("tell "+string(status), scenarioID, callID)
	if f.record != nil {
		return f.record(try, status)
	}
	return completed(), nil
}

func (f *fakeGraph) Mute(_ context.Context, scenarioID, callID, _ string) (*graph.Operation, error) {
	try := f.note("mute", scenarioID, callID)
	if f.mute != nil {
		return f.mute(try, true)
	}
	return completed(), nil
}

func (f *fakeGraph) Unmute(_ context.Context, scenarioID, callID, _ string) (*graph.Operation, error) {
	try := f.note("unmute", scenarioID, callID)
	if f.mute != nil {
		return f.mute(try, false)
	}
	return completed(), nil
}

func (f *fakeGraph) ChangeScreenSharingRole(_ context.Context, scenarioID, callID string, role graph.ScreenSharingRole) error {
	try := f.note("share as "+string(role), scenarioID, callID)
	if f.share != nil {
		return f.share(try, role)
	}
	return nil
}

func (f *fakeGraph) Invite(_ context.Context, scenarioID, callID string, who []graph.InvitationParticipantInfo, _ string) (*graph.Operation, error) {
	_, id := who[0].Identity.Primary()
	try := f.note("invite "+id.ID, scenarioID, callID)
	if f.invite != nil {
		return f.invite(try, who[0])
	}
	return &graph.Operation{ID: "op-" + id.ID, Status: graph.OperationRunning}, nil
}

func (f *fakeGraph) RemoveParticipant(_ context.Context, scenarioID, callID, participantID string) error {
	f.note("remove "+participantID, scenarioID, callID)
	if f.remove != nil {
		return f.remove(participantID)
	}
	return nil
}

func completed() *graph.Operation {
	return &graph.Operation{ID: "op", Status: graph.OperationCompleted}
}

// createdCall is Graph's answer to a join.
func createdCall(id string) *graph.Call {
	return &graph.Call{ID: id, State: graph.StateEstablishing, MyParticipantID: testSelf, CallChainID: "chain"}
}

// answer is an error as graph.Client returns it.
func answer(operation string, status int) *graph.Error {
	return &graph.Error{Operation: operation, StatusCode: status}
}

var errGone = answer("get call", http.StatusNotFound)

// fakeVerifier accepts everybody or nobody.
type fakeVerifier struct{ err error }

func (f fakeVerifier) Verify(context.Context, string) (Claims, error) {
	return Claims{TenantID: testTenant}, f.err
}

// fakeWorld is the surroundings of a machine that is tested by itself.
type fakeWorld struct {
	known    map[string]bool
	turned   int
	keys     []graph.Tone
	ops      int
	undone   []graph.ResultInfo
	answers  []time.Duration
	strays   []string
	outcomes map[outcome]int
	failures int
}

func newFakeWorld(over ...string) *fakeWorld {
	w := &fakeWorld{known: map[string]bool{}, outcomes: map[outcome]int{}}
	for _, id := range over {
		w.known[graph.NormalID(id)] = true
	}
	return w
}

func (w *fakeWorld) over(id string) bool        { return w.known[graph.NormalID(id)] }
func (w *fakeWorld) stray(n graph.Notification) { w.strays = append(w.strays, n.Resource.CallID) }
func (w *fakeWorld) notification(o outcome)     { w.outcomes[o]++ }
func (w *fakeWorld) keepAliveFailed()           { w.failures++ }

func (w *fakeWorld) turnAway()                         { w.turned++ }
func (w *fakeWorld) tone(t graph.ToneInfo)             { w.keys = append(w.keys, t.Tone) }
func (w *fakeWorld) operation(graph.Notification)      { w.ops++ }
func (w *fakeWorld) transferFailed(r graph.ResultInfo) { w.undone = append(w.undone, r) }
func (w *fakeWorld) answered(after time.Duration)      { w.answers = append(w.answers, after) }

// Notifications, as they come out of graph.ParseNotifications.

func updated(id string, state graph.CallState, changes ...func(*graph.Call)) graph.Notification {
	call := &graph.Call{ID: id, State: state}
	for _, change := range changes {
		change(call)
	}
	return graph.Notification{ChangeType: graph.Updated, Resource: graph.Resource{Kind: graph.KindCall, CallID: id}, Call: call}
}

func deleted(id string, code, subcode int) graph.Notification {
	n := updated(id, graph.StateTerminated, withResult(code, subcode))
	n.ChangeType = graph.Deleted
	return n
}

func withResult(code, subcode int) func(*graph.Call) {
	return func(c *graph.Call) { c.ResultInfo = &graph.ResultInfo{Code: code, Subcode: subcode} }
}

func withAudio(state graph.MediaState) func(*graph.Call) {
	return func(c *graph.Call) { c.MediaState = &graph.CallMediaState{Audio: state} }
}

func rosterOf(id string, participants ...graph.Participant) graph.Notification {
	return graph.Notification{
		ChangeType:   graph.Updated,
		Resource:     graph.Resource{Kind: graph.KindParticipants, CallID: id},
		Participants: append([]graph.Participant{}, participants...),
	}
}

func bot() graph.Participant { return graph.Participant{ID: testSelf} }

func waiting(p graph.Participant) graph.Participant {
	p.IsInLobby = true
	return p
}

func numbered(p graph.Participant, sequence int) graph.Participant {
	p.RosterSequenceNumber = graph.Sequence(sequence)
	return p
}

func person(i int) graph.Participant {
	return graph.Participant{ID: fmt.Sprintf("bbbb0000-0000-4000-8000-%012d", i)}
}

// testMeeting is one that can be joined.
func testMeeting() graph.Meeting {
	return graph.Meeting{
		ThreadID: "19:meeting_abc@thread.v2", MessageID: "0",
		OrganizerID: "11111111-2222-4333-8444-555555555555", TenantID: testTenant,
	}
}

func testConfig(g GraphAPI) Config {
	return Config{
		HomeTenant: testTenant, BaseURL: "https://bots.example/voice/reception", MediaPod: "reception-0",
		Graph: func(string) GraphAPI { return g }, Verifier: fakeVerifier{},
	}
}

func newTestServer(t testing.TB, g GraphAPI, changes ...func(*Config)) *Server {
	t.Helper()
	cfg := testConfig(g)
	for _, change := range changes {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func eventsOf(s Snapshot) []string {
	names := make([]string, len(s.Events))
	for i, e := range s.Events {
		names[i] = e.Event
	}
	return names
}
