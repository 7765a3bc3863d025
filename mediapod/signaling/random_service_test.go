// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
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
