// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

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
