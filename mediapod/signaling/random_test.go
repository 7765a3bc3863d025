// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// luck is a random source that many goroutines may use.
type luck struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newLuck(seed, stream uint64) *luck { return &luck{rnd: rand.New(rand.NewPCG(seed, stream))} }

func (l *luck) IntN(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rnd.IntN(n)
}

// service is a calling service as unreliable as the real one is allowed to be:
// it answers late or not at all, and its notifications get lost, come twice, early,
// late and in any order.
type service struct {
	rnd    *luck
	server *Server
	kind   string
	mu     sync.Mutex
	live   map[string]*graph.Call // what is true
	told   map[string]bool        // calls of which a notification arrived
	made   int

	// What is true of the one call that wants are about.
	muted     bool
	recording graph.RecordingStatus
}

func (v *service) chance(percent int) bool { return v.rnd.IntN(100) < percent }

// fails is bad luck with a request, before or after it was done.
func (v *service) fails(what string) (before, after error) {
	switch {
	case v.chance(10):
		return answer(what, http.StatusTooManyRequests), nil
	case v.chance(8):
		return answer(what, http.StatusServiceUnavailable), nil
	case v.chance(8):
		return nil, errLost
	case v.chance(8):
		return nil, answer(what, http.StatusServiceUnavailable)
	}
	return nil, nil
}

func (v *service) create(_ context.Context, _ int, _ *graph.Call) (*graph.Call, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, after := v.fails("create call")
	if before != nil && v.chance(80) {
		return nil, answer("create call", http.StatusTooManyRequests)
	}
	id := v.begins(graph.StateEstablishing)
	v.script(id)
	if after != nil {
		return nil, after
	}
	return createdCall(id), nil
}

func (v *service) begins(state graph.CallState) (id string) {
	v.made++
	id = fmt.Sprintf("call-%d", v.made)
	v.live[id] = &graph.Call{ID: id, State: state}
	return id
}

// rings tells the bot of a call, twice if it is bad luck. The call is gone after the deadline.
func (v *service) rings() {
	v.mu.Lock()
	id := v.begins(graph.StateIncoming)
	twice := v.chance(30)
	gaveUp := time.Duration(v.rnd.IntN(60)) * time.Second
	v.mu.Unlock()
	n := updated(id, graph.StateIncoming)
	n.ChangeType = graph.Created
	v.server.takeNewCalls([]graph.Notification{n}, arrival{tenant: testTenant})
	if twice {
		v.server.takeNewCalls([]graph.Notification{n}, arrival{tenant: testTenant})
	}
	time.AfterFunc(min(answerDeadline, gaveUp), func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if call := v.live[id]; call != nil && call.State == graph.StateIncoming {
			delete(v.live, id)
			if v.chance(50) {
				go v.server.takeCallback(context.Background(), testUID, testTenant, []graph.Notification{deleted(id, 487, 0)})
			}
		}
	})
}

func (v *service) answered(_ context.Context, _ int, _ graph.Answer) error {
	delay := time.Duration(0)
	v.mu.Lock()
	if v.chance(20) {
		delay = time.Duration(v.rnd.IntN(8000)) * time.Millisecond
	}
	v.mu.Unlock()
	time.Sleep(delay)
	v.mu.Lock()
	defer v.mu.Unlock()
	before, after := v.fails("answer call")
	if before != nil {
		return before
	}
	call := v.live["call-1"]
	if call == nil || call.State != graph.StateIncoming {
		return answer("answer call", http.StatusNotFound)
	}
	call.State = graph.StateEstablishing
	v.script("call-1")
	return after
}

// script sends the notifications of a whole life, each at a random time.
func (v *service) script(id string) {
	life := []graph.Notification{updated(id, graph.StateEstablishing), updated(id, graph.StateEstablished)}
	if v.kind == "meeting" {
		if v.chance(30) {
			life = append(life, rosterOf(id, numbered(waiting(bot()), 1)))
		}
		life = append(life, rosterOf(id, numbered(bot(), 2), numbered(person(1), 3)))
	}
	life = append(life, updated(id, graph.StateEstablished, withAudio(graph.MediaActive)))
	if v.kind == "meeting" {
		for i := range v.rnd.IntN(4) {
			life = append(life, rosterOf(id, numbered(bot(), 2), numbered(person(i), 4+i)))
		}
	}
	transferred := false
	if v.kind != "meeting" && v.chance(40) {
		life = append(life, updated(id, graph.StateTransferring))
		if transferred = v.chance(50); transferred {
			life = append(life, updated(id, graph.StateTransferAccepted), deleted(id, 0, 7015))
		} else {
			life = append(life, updated(id, graph.StateEstablished, withResult(500, 7000)))
		}
	}
	if !transferred && v.chance(70) {
		life = append(life, updated(id, graph.StateTerminating), deleted(id, 200, map[bool]int{true: 5003, false: 4521}[v.kind == "meeting"]))
	}
	at := time.Duration(0)
	for _, n := range life {
		at += time.Duration(v.rnd.IntN(20_000)) * time.Millisecond
		time.AfterFunc(at, func() { v.becomes(id, n) })
		for range 1 + v.rnd.IntN(2) { // once or twice
			if v.chance(40) {
				continue // lost
			}
			delay := at + time.Duration(v.rnd.IntN(30_000)-2_000)*time.Millisecond // overtaking others, or too early
			time.AfterFunc(max(delay, 0), func() {
				v.mu.Lock()
				v.told[id] = true
				v.mu.Unlock()
				v.server.takeCallback(context.Background(), testUID, testTenant, []graph.Notification{n})
			})
		}
	}
}

func (v *service) becomes(id string, n graph.Notification) {
	v.mu.Lock()
	defer v.mu.Unlock()
	call := v.live[id]
	switch {
	case call == nil || n.Call == nil:
	case terminal(n):
		delete(v.live, id)
	case n.Call.State.Rank() > call.State.Rank(), transferring(call.State) && n.Call.ResultInfo != nil:
		call.State = n.Call.State
	}
}

func (v *service) known(id string) (*graph.Call, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if call := v.live[id]; call != nil {
		copied := *call
		return &copied, nil
	}
	return nil, errGone
}

func (v *service) hangUp(_ context.Context, try int, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if try == 1 && v.chance(20) {
		return answer("hang up", http.StatusServiceUnavailable)
	}
	if v.live[id] == nil {
		return errGone
	}
	delete(v.live, id)
	return nil
}

// changed is a request for something wanted.
func (v *service) changed(what string, do func()) (*graph.Operation, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, after := v.fails(what)
	if before != nil {
		return nil, before
	}
	do()
	return completed(), after
}

// witness checks every change of a call that can be seen from outside.
type witness struct {
	t       *testing.T
	service *service
	mu      sync.Mutex // held until the call is known
	call    *Call
	last    Snapshot
	ended   int
}

func (w *witness) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.call.Snapshot()
	if s.State.Rank() < w.last.State.Rank() && !(transferring(w.last.State) && s.State == graph.StateEstablished) {
		w.t.Errorf("state went back from %s to %s", w.last.State, s.State)
	}
	if w.last.Phase == PhaseEnded {
		w.t.Errorf("a change after the end: %+v", s)
	}
	if w.last.Phase == PhaseLeaving && s.Phase != PhaseLeaving && s.Phase != PhaseEnded || w.last.Phase != "" && w.last.Phase != PhaseJoining && s.Phase == PhaseJoining {
		w.t.Errorf("phase went back from %s to %s", w.last.Phase, s.Phase)
	}
	if w.last.CallID != "" && s.CallID != w.last.CallID {
		w.t.Errorf("the call's id changed from %s to %s", w.last.CallID, s.CallID)
	}
	if len(s.Events) > maxEvents {
		w.t.Errorf("%d events", len(s.Events))
	}
	w.service.mu.Lock()
	if s.Recording == graph.Recording && (w.service.recording != graph.Recording || s.Phase != PhaseEstablished) {
		w.t.Errorf("media may be persisted in phase %s, and people were told %q", s.Phase, w.service.recording)
	}
	w.service.mu.Unlock()
	if !s.Group && len(s.Participants) > 0 {
		w.t.Error("a call of two has a roster")
	}
	if s.Phase == PhaseEnded {
		w.ended++
		n := 0
		for _, e := range s.Events {
			if e.Event == EventEnded {
				n++
			}
		}
		if s.End == nil || n != 1 || s.Events[len(s.Events)-1].Event != EventEnded {
			w.t.Errorf("end %+v, events %v; want one end, told last", s.End, eventsOf(s))
		}
	}
	w.last = s
}

// begin begins a call of the service's kind; nil if none came about.
func (v *service) begin(t *testing.T, w *witness) *Call {
	var c *Call
	var err error
	switch v.kind {
	case "incoming":
		v.rings() // Started has made the call known to the witness
		synctest.Wait()
		return w.call
	case "adopted":
		v.mu.Lock()
		id := v.begins(graph.StateEstablished)
		v.script(id)
		v.told[id] = true
		v.mu.Unlock()
		c, err = v.server.Adopt(AdoptRequest{UID: testUID, CallID: id, OnChange: w.look})
	case "placed":
		c, err = v.server.Join(JoinRequest{UID: testUID, Targets: []graph.InvitationParticipantInfo{user("ada")}, OnChange: w.look})
	default:
		c, err = v.server.Join(JoinRequest{UID: testUID, Meeting: testMeeting(), Blob: testBlob, OnChange: w.look})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.call = c
	w.mu.Unlock()
	return c
}

// TestWhateverComesACallEndsOnce lets calls of every kind live through random bad luck. Each must
// reach exactly one end and never move back, no call may be left in the service that nobody holds, media may be persisted
// only while people know, and what is wanted must be there in the end.
func TestWhateverComesACallEndsOnce(t *testing.T) {
	const seeds = 250
	for kind, expected := range map[string][]EndReason{
		"meeting":  {EndedByBot, EndMeetingEnded, EndCallLost, EndTimeReached, EndServiceError},
		"placed":   {EndedByBot, EndRemoteHungUp, EndTransferred, EndCallLost, EndTimeReached, EndServiceError},
		"incoming": {EndedByBot, EndRemoteHungUp, EndTransferred, EndCallerGaveUp, EndTimeReached},
		"adopted":  {EndedByBot, EndRemoteHungUp, EndTransferred, EndCallLost, EndTimeReached},
	} {
		t.Run(kind, func(t *testing.T) {
			reasons, phases, settled := map[EndReason]int{}, map[Phase]int{}, 0
			for seed := range uint64(seeds) {
				ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { liveThrough(t, kind, seed, reasons, phases, &settled) })
				})
				if !ok {
					t.FailNow()
				}
			}
			t.Logf("%d seeds: ends %v; after five minutes %v; wants settled %d times", seeds, reasons, phases, settled)
			for _, r := range expected {
				if reasons[r] == 0 {
					t.Errorf("no seed ended with %s: the test does not try what it should", r)
				}
			}
			if settled == 0 {
				t.Error("no seed got what was wanted: the test does not try what it should")
			}
		})
	}
}

func liveThrough(t *testing.T, kind string, seed uint64, reasons map[EndReason]int, phases map[Phase]int, settled *int) {
	v := &service{rnd: newLuck(seed, 1), kind: kind, live: map[string]*graph.Call{}, told: map[string]bool{}, recording: graph.NotRecording}
	leaves, leavesAt := v.chance(50), time.Duration(v.rnd.IntN(120_000))*time.Millisecond
	w := &witness{t: t, service: v}
	g := &fakeGraph{
		create: v.create, get: v.known, del: v.hangUp, answer: v.answered,
		alive: func(id string) error { _, err := v.known(id); return err },
		list: func(id string) ([]graph.Participant, error) {
			if _, err := v.known(id); err != nil {
				return nil, err
			}
			if kind != "meeting" {
				t.Error("the roster of a call of two was asked for")
			}
			return []graph.Participant{bot(), person(1)}, nil
		},
		mute: func(_ int, muted bool) (*graph.Operation, error) {
			return v.changed("mute", func() { v.muted = muted })
		},
		record: func(_ int, status graph.RecordingStatus) (*graph.Operation, error) {
			if w.call.Snapshot().Recording == graph.Recording {
				t.Errorf("media may be persisted while %s is being told", status)
			}
			return v.changed("update recording status", func() { v.recording = status })
		},
	}
	s := newTestServer(t, g, func(c *Config) {
		c.Incoming = func(Incoming) Decision {
			return Decision{Answer: &AnswerRequest{UID: testUID, Blob: testBlob, OnChange: w.look, Started: func(c *Call) {
				w.call = c
				w.mu.Unlock()
			}}}
		}
	})
	v.server = s
	w.mu.Lock()
	c := v.begin(t, w)
	var wanted Wants
	for range 3 {
		w := Wants{Muted: v.chance(50)}
		if v.chance(50) {
			w.Recording = graph.Recording
		}
		time.AfterFunc(time.Duration(v.rnd.IntN(90_000))*time.Millisecond, func() {
			v.mu.Lock()
			wanted = w
			v.mu.Unlock()
			c.Want(w)
		})
	}
	if leaves {
		time.AfterFunc(leavesAt, func() { c.HangUp(EndedByBot) })
	}
	pass(5 * time.Minute) // all notifications have come by now
	phases[c.Snapshot().Phase]++
	if snap := c.Snapshot(); snap.Phase == PhaseEstablished {
		*settled++
		recording := wanted.Recording == graph.Recording
		if snap.Muted != (wanted.Muted && snap.Group) || v.muted != snap.Muted || (snap.Recording == graph.Recording) != recording || (v.recording == graph.Recording) != recording {
			t.Errorf("muted %t and recording %q are true, and told as %t and %q; wanted %+v", v.muted, v.recording, snap.Muted, snap.Recording, wanted)
		}
	}
	pass(time.Hour) // and all keepAlives that may have been needed
	c.HangUp(EndTimeReached)
	pass(leaveWindow + errandTimeout)
	select {
	case <-c.Done():
	default:
		t.Fatalf("not over: %+v", c.Snapshot())
	}
	if w.ended != 1 {
		t.Errorf("%d ends were seen, want 1", w.ended)
	}
	reasons[w.last.End.Reason]++
	stop(t, s)
	// A call whose answer was lost and which never told of itself is beyond reach.
	for id := range v.live {
		if v.told[id] || id == c.Snapshot().CallID {
			t.Errorf("%s is a ghost: it lives on in the service, and nobody holds it", id)
		}
	}
}
