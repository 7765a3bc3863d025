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

// service is a calling service as unreliable as the real one is allowed to be:
// it answers late or not at all, and its notifications get lost, come twice, early,
// late and in any order.
type service struct {
	rnd  *rand.Rand
	mu   sync.Mutex
	live map[string]*graph.Call // what is true
	told map[string]bool        // calls of which a notification arrived
	made int
}

func (v *service) chance(percent int) bool { return v.rnd.IntN(100) < percent }

func (v *service) create(s **Server) func(context.Context, int, *graph.Call) (*graph.Call, error) {
	return func(_ context.Context, _ int, _ *graph.Call) (*graph.Call, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.chance(15) {
			return nil, answer("create call", http.StatusTooManyRequests)
		}
		v.made++
		id := fmt.Sprintf("call-%d", v.made)
		v.live[id] = &graph.Call{ID: id, State: graph.StateEstablishing}
		v.script(*s, id)
		switch {
		case v.chance(10):
			return nil, errLost
		case v.chance(10):
			return nil, answer("create call", http.StatusServiceUnavailable)
		}
		return createdCall(id), nil
	}
}

// script sends the notifications of a whole life, each at a random time.
func (v *service) script(s *Server, id string) {
	life := []graph.Notification{updated(id, graph.StateEstablishing), updated(id, graph.StateEstablished)}
	if v.chance(30) {
		life = append(life, rosterOf(id, numbered(waiting(bot()), 1)))
	}
	life = append(life, rosterOf(id, numbered(bot(), 2), numbered(person(1), 3)), updated(id, graph.StateEstablished, withAudio(graph.MediaActive)))
	for i := range v.rnd.IntN(4) {
		life = append(life, rosterOf(id, numbered(bot(), 2), numbered(person(i), 4+i)))
	}
	ends := v.chance(70)
	if ends {
		life = append(life, updated(id, graph.StateTerminating), deleted(id, 200, 5003))
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
				s.takeCallback(context.Background(), testUID, testTenant, []graph.Notification{n})
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
	case n.Call.State.Rank() > call.State.Rank():
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

// witness checks every change of a call that can be seen from outside.
type witness struct {
	t     *testing.T
	mu    sync.Mutex // held until the call is known
	call  *Call
	last  Snapshot
	ended int
}

func (w *witness) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.call.Snapshot()
	if s.State.Rank() < w.last.State.Rank() {
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

// TestWhateverComesACallEndsOnce lets calls live through random bad luck. Each must
// reach exactly one end and never move back, and no call may be left in the
// service that nobody holds.
func TestWhateverComesACallEndsOnce(t *testing.T) {
	const seeds = 500
	reasons := map[EndReason]int{}
	phases := map[Phase]int{}
	for seed := range uint64(seeds) {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &service{rnd: rand.New(rand.NewPCG(seed, 1)), live: map[string]*graph.Call{}, told: map[string]bool{}}
				leaves, leavesAt := v.chance(50), time.Duration(v.rnd.IntN(120_000))*time.Millisecond
				var s *Server
				g := &fakeGraph{
					create: v.create(&s), get: v.known, del: v.hangUp,
					alive: func(id string) error { _, err := v.known(id); return err },
					list: func(id string) ([]graph.Participant, error) {
						if _, err := v.known(id); err != nil {
							return nil, err
						}
						return []graph.Participant{bot(), person(1)}, nil
					},
				}
				s = newTestServer(t, g)
				w := &witness{t: t}
				w.mu.Lock()
				c, err := s.Join(JoinRequest{
					UID: testUID, Meeting: testMeeting(), Blob: testBlob,
					OnChange: w.look,
				})
				if err != nil {
					t.Fatal(err)
				}
				w.call = c
				w.mu.Unlock()
				if leaves {
					time.AfterFunc(leavesAt, func() { c.HangUp(EndedByBot) })
				}
				pass(5 * time.Minute) // all notifications have come by now
				phases[c.Snapshot().Phase]++
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
			})
		})
		if !ok {
			t.FailNow()
		}
	}
	t.Logf("%d seeds: ends %v; after five minutes %v", seeds, reasons, phases)
	for _, r := range []EndReason{EndedByBot, EndMeetingEnded, EndCallLost, EndTimeReached, EndServiceError} {
		if reasons[r] == 0 {
			t.Errorf("no seed ended with %s: the test does not try what it should", r)
		}
	}
}
