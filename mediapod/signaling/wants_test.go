// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

// want tells what is wanted and waits until what can be done at once is done.
func want(c *Call, w Wants) {
	c.Want(w)
	synctest.Wait()
}

// changes are the requests that change something, in their order.
func (f *fakeGraph) changes() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		op := strings.TrimSuffix(strings.TrimSuffix(a, testCallID), " ")
		switch op {
		case "create", "get", "list", "keepAlive", "delete", "answer":
		default:
			list = append(list, op)
		}
	}
	return list
}

func operationEnd(id string, status graph.OperationStatus, code, subcode int) graph.Notification {
	return graph.Notification{
		ChangeType: graph.Deleted, Resource: graph.Resource{Kind: graph.KindOperation, CallID: testCallID, ID: id},
		Operation: &graph.Operation{ID: id, Status: status, ResultInfo: &graph.ResultInfo{Code: code, Subcode: subcode}},
	}
}

func withScreenSharing(r *JoinRequest) {
	r.Modalities = []graph.Modality{graph.ModalityAudio, graph.ModalityVideoScreenSharing}
}

func TestWhatIsWantedIsPursued(t *testing.T) {
	viewer, sharer := graph.ScreenSharingViewer, graph.ScreenSharingSharer
	tests := map[string]struct {
		wants []Wants
		want  []string
		check func(Snapshot) bool
	}{
		"nothing":                    {wants: []Wants{{}}, check: func(s Snapshot) bool { return !s.Muted && s.Recording != graph.Recording }},
		"mute":                       {wants: []Wants{{Muted: true}}, want: []string{"mute"}, check: func(s Snapshot) bool { return s.Muted }},
		"mute, said again":           {wants: []Wants{{Muted: true}, {Muted: true}}, want: []string{"mute"}, check: func(s Snapshot) bool { return s.Muted }},
		"mute, then not":             {wants: []Wants{{Muted: true}, {}}, want: []string{"mute", "unmute"}, check: func(s Snapshot) bool { return !s.Muted }},
		"share":                      {wants: []Wants{{ScreenSharing: sharer}}, want: []string{"share as sharer"}, check: func(s Snapshot) bool { return s.ScreenSharing == sharer }},
		"share, then only watch":     {wants: []Wants{{ScreenSharing: sharer}, {ScreenSharing: viewer}}, want: []string{"share as sharer", "share as viewer"}, check: func(s Snapshot) bool { return s.ScreenSharing == viewer }},
		"share, then take no part":   {wants: []Wants{{ScreenSharing: sharer}, {}}, want: []string{"share as sharer", "share as viewer"}, check: func(s Snapshot) bool { return s.ScreenSharing == viewer }},
		"record":                     {wants: []Wants{{Recording: graph.Recording}}, want: []string{"tell recording"}, check: func(s Snapshot) bool { return s.Recording == graph.Recording }},
		"record, then not":           {wants: []Wants{{Recording: graph.Recording}, {Recording: graph.NotRecording}}, want: []string{"tell recording", "tell notRecording"}, check: func(s Snapshot) bool { return s.Recording == graph.NotRecording }},
		"record, then nothing more":  {wants: []Wants{{Recording: graph.Recording}, {}}, want: []string{"tell recording", "tell notRecording"}, check: func(s Snapshot) bool { return s.Recording == graph.NotRecording }},
		"record, then fail":          {wants: []Wants{{Recording: graph.Recording}, {Recording: graph.RecordingFailed}}, want: []string{"tell recording", "tell failed"}, check: func(s Snapshot) bool { return s.Recording == graph.RecordingFailed }},
		"all of it, in whatever way": {wants: []Wants{{Muted: true, ScreenSharing: sharer, Recording: graph.Recording}, {Muted: true, ScreenSharing: sharer, Recording: graph.Recording}}, check: func(s Snapshot) bool { return s.Muted && s.Recording == graph.Recording && len(s.Refusals) == 0 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s, withScreenSharing)
				want(c, tt.wants[0])
				if got := g.changes(); len(got) != 0 {
					t.Errorf("asked %v before the bot was in", got)
				}
				establish(t, s)
				for _, w := range tt.wants[1:] {
					want(c, w)
				}
				if got := g.changes(); tt.want != nil || name == "nothing" {
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("asked (-want +got):\n%s", diff)
					}
				}
				if snap := c.Snapshot(); !tt.check(snap) {
					t.Errorf("muted %t, screen sharing %q, recording %q, refusals %v", snap.Muted, snap.ScreenSharing, snap.Recording, snap.Refusals)
				}
			})
		})
	}
}

func TestWhatIsWantedIsRetriedOrRefused(t *testing.T) {
	forbidden := answer("mute", http.StatusForbidden)
	tests := map[string]struct {
		errs    []error // of one try after the other; the last one stays
		op      *graph.Operation
		then    []graph.Notification
		tries   int
		muted   bool
		refused bool
	}{
		"done":                         {errs: []error{nil}, tries: 1, muted: true},
		"failing twice":                {errs: []error{answer("mute", 503), errLost, nil}, tries: 3, muted: true},
		"throttled":                    {errs: []error{answer("mute", 429), nil}, tries: 2, muted: true},
		"failing on":                   {errs: []error{answer("mute", 503)}, tries: 9},
		"refused":                      {errs: []error{forbidden}, tries: 1, refused: true},
		"no such call, for a moment":   {errs: []error{answer("mute", 404), nil}, tries: 2, muted: true},
		"failed in its answer":         {errs: []error{nil}, op: &graph.Operation{ID: "x", Status: graph.OperationFailed}, tries: 1, refused: true},
		"running, then completed":      {errs: []error{nil}, op: &graph.Operation{ID: "x", Status: graph.OperationRunning}, then: []graph.Notification{operationEnd("X", graph.OperationCompleted, 200, 0)}, tries: 1, muted: true},
		"running, then failed":         {errs: []error{nil}, op: &graph.Operation{ID: "x", Status: graph.OperationRunning}, then: []graph.Notification{operationEnd("x", graph.OperationFailed, 400, 1)}, tries: 1, refused: true},
		"running, and never any word":  {errs: []error{nil}, op: &graph.Operation{ID: "x"}, tries: 1, muted: true},
		"another operation ends":       {errs: []error{nil}, op: &graph.Operation{ID: "x", Status: graph.OperationRunning}, then: []graph.Notification{operationEnd("y", graph.OperationFailed, 400, 1)}, tries: 1, muted: true},
		"its end overtakes its answer": {errs: []error{nil}, op: &graph.Operation{ID: "early", Status: graph.OperationRunning}, tries: 1, refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{mute: func(try int, _ bool) (*graph.Operation, error) {
					err := tt.errs[min(try, len(tt.errs))-1]
					if tt.op != nil || err != nil {
						return tt.op, err
					}
					return completed(), nil
				}}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				establish(t, s)
				tell(t, s, operationEnd("early", graph.OperationFailed, 400, 1))
				want(c, Wants{Muted: true})
				tell(t, s, tt.then...)
				pass(4 * time.Minute)
				snap := c.Snapshot()
				if got := g.count("mute", testCallID); got != tt.tries || snap.Muted != tt.muted {
					t.Errorf("%d tries, muted %t; want %d, %t", got, snap.Muted, tt.tries, tt.muted)
				}
				if tt.refused != (len(snap.Refusals) == 1) || tt.refused && (snap.Refusals[0].What != WantMuted || snap.Refusals[0].Message == "") {
					t.Errorf("refusals %v", snap.Refusals)
				}
				// Who changes the mind about it is heard anew.
				want(c, Wants{})
				if snap := c.Snapshot(); len(snap.Refusals) != 0 {
					t.Errorf("refusals %v of what is not wanted any more", snap.Refusals)
				}
			})
		})
	}
}

func TestWhatAKindOfCallCannotDo(t *testing.T) {
	tests := map[string]struct {
		blob  string
		group bool
		wants Wants
		want  []Refusal
	}{
		"share a screen with the service's media": {group: true, wants: Wants{ScreenSharing: graph.ScreenSharingSharer}, want: []Refusal{{What: WantScreenSharing}}},
		"share a screen in a call of two":         {blob: testBlob, wants: Wants{ScreenSharing: graph.ScreenSharingSharer}, want: []Refusal{{What: WantScreenSharing}}},
		"mute in a call of two":                   {blob: testBlob, wants: Wants{Muted: true}}, // the pod is silent by itself
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s, withScreenSharing, func(r *JoinRequest) {
					r.Blob = tt.blob
					if tt.group {
						r.Targets = append(r.Targets, user("bob"))
					}
				})
				tell(t, s, updated(testCallID, graph.StateEstablished))
				if tt.group {
					tell(t, s, rosterOf(testCallID, bot(), person(1)))
				}
				want(c, tt.wants)
				pass(time.Hour)
				got := c.Snapshot().Refusals
				for i := range got {
					if got[i].Message == "" {
						t.Error("a refusal without words")
					}
					got[i].Message = ""
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("refusals (-want +got):\n%s", diff)
				}
				if asked := g.changes(); len(asked) != 0 {
					t.Errorf("asked %v, want nothing that cannot be", asked)
				}
				if tt.blob != "" { // it becomes possible with a third party
					tell(t, s, rosterOf(testCallID, bot(), person(1), person(2)))
					if asked := g.changes(); len(asked) != 1 || len(c.Snapshot().Refusals) != 0 {
						t.Errorf("asked %v with refusals %v once it is a group call", asked, c.Snapshot().Refusals)
					}
				}
			})
		})
	}
}

// What a call began with it keeps: the service is not asked for a role in a stream that is not there.
func TestACallThatBeganWithoutScreenSharingGetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		want(c, Wants{ScreenSharing: graph.ScreenSharingViewer})
		refusals := c.Snapshot().Refusals
		if len(refusals) != 1 || refusals[0].What != WantScreenSharing || !strings.Contains(refusals[0].Message, "media.modalities") {
			t.Errorf("refusals %v", refusals)
		}
		if asked := g.changes(); len(asked) != 0 {
			t.Errorf("asked %v", asked)
		}
	})
}

// TestTheRecordingGate watches the snapshot as somebody who persists media does.
func TestTheRecordingGate(t *testing.T) {
	type step struct {
		what string
		do   func(t *testing.T, c *Call, s *Server)
		open bool
	}
	record := Wants{Recording: graph.Recording}
	tests := map[string]struct {
		record func(c *Call, t *testing.T) func(int, graph.RecordingStatus) (*graph.Operation, error)
		steps  []step
	}{
		"opens with the service's word": {
			record: func(c *Call, t *testing.T) func(int, graph.RecordingStatus) (*graph.Operation, error) {
				return func(try int, status graph.RecordingStatus) (*graph.Operation, error) {
					if c.Snapshot().Recording == graph.Recording {
						t.Errorf("the gate is open while %s is being told", status)
					}
					if status == graph.Recording && try < 3 {
						return nil, answer("update recording status", 503)
					}
					return completed(), nil
				}
			},
			steps: []step{
				{what: "asked", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }},
				{what: "told in the end", do: func(*testing.T, *Call, *Server) { pass(time.Minute) }, open: true},
				{what: "not wanted any more", do: func(_ *testing.T, c *Call, _ *Server) { want(c, Wants{}) }},
			},
		},
		"waits for the operation": {
			record: func(*Call, *testing.T) func(int, graph.RecordingStatus) (*graph.Operation, error) {
				return func(int, graph.RecordingStatus) (*graph.Operation, error) {
					return &graph.Operation{ID: "rec", Status: graph.OperationRunning}, nil
				}
			},
			steps: []step{
				{what: "running", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }},
				{what: "still running", do: func(*testing.T, *Call, *Server) { pass(time.Hour) }},
				{what: "completed", do: func(t *testing.T, _ *Call, s *Server) {
					tell(t, s, operationEnd("rec", graph.OperationCompleted, 200, 0))
				}, open: true},
			},
		},
		"stays closed when it was told too late": {
			record: func(*Call, *testing.T) func(int, graph.RecordingStatus) (*graph.Operation, error) {
				return func(_ int, status graph.RecordingStatus) (*graph.Operation, error) {
					if status == graph.Recording {
						time.Sleep(5 * time.Second)
					}
					return completed(), nil
				}
			},
			steps: []step{
				{what: "asked", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }},
				{what: "not wanted any more", do: func(_ *testing.T, c *Call, _ *Server) { want(c, Wants{}) }},
				{what: "taken in after all", do: func(*testing.T, *Call, *Server) { pass(time.Minute) }},
			},
		},
		"closes when the bot leaves": {
			steps: []step{
				{what: "told", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }, open: true},
				{what: "leaving", do: func(_ *testing.T, c *Call, _ *Server) { c.HangUp(EndedByBot); synctest.Wait() }},
			},
		},
		"closes when the service ends the call": {
			steps: []step{
				{what: "told", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }, open: true},
				{what: "terminating", do: func(t *testing.T, _ *Call, s *Server) { tell(t, s, updated(testCallID, graph.StateTerminating)) }},
			},
		},
		"closes at the end": {
			steps: []step{
				{what: "told", do: func(_ *testing.T, c *Call, _ *Server) { want(c, record) }, open: true},
				{what: "terminated", do: func(t *testing.T, _ *Call, s *Server) { tell(t, s, deleted(testCallID, 200, 5003)) }},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				if tt.record != nil {
					g.record = tt.record(c, t)
				}
				establish(t, s)
				for _, step := range tt.steps {
					step.do(t, c, s)
					if got := c.Snapshot().Recording == graph.Recording; got != step.open {
						t.Errorf("%s: the gate is open: %t, want %t", step.what, got, step.open)
					}
				}
			})
		})
	}
}

func TestWhatTheServiceMayHaveDoneIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{record: func(_ int, status graph.RecordingStatus) (*graph.Operation, error) {
			if status == graph.Recording {
				return nil, errLost // and the banner may be shown all the same
			}
			return completed(), nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		want(c, Wants{Recording: graph.Recording})
		want(c, Wants{})
		pass(time.Minute)
		if got := g.count("tell notRecording", testCallID); got != 1 {
			t.Errorf("notRecording was told %d times, want once: %v", got, g.changes())
		}
	})
}

func TestAnAdoptedCallKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := adopt(t, s, func(r *AdoptRequest) {
			r.Group, r.Before = true, AdoptedState{Muted: true, Recording: graph.Recording, Established: time.Now()}
		})
		want(c, Wants{Muted: true, Recording: graph.Recording})
		pass(time.Minute)
		if got := g.changes(); len(got) != 0 || !c.Snapshot().Muted || c.Snapshot().Recording != graph.Recording {
			t.Errorf("asked %v, muted %t, recording %q", got, c.Snapshot().Muted, c.Snapshot().Recording)
		}
		want(c, Wants{})
		if diff := cmp.Diff([]string{"unmute", "tell notRecording"}, g.changes()); diff != "" && len(g.changes()) != 2 {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}
