// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/flowtest"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// strictGraph is a call as Graph hosts it, and is strict about it: what it would refuse, or lose without a word, fails the test. Every
// request and every notification takes its time.
type strictGraph struct {
	*fakeCall
	t *testing.T
	c *flowtest.Case

	mu         sync.Mutex
	draw       *rand.Rand
	subscribed bool
	ending     chan signaling.Result // of the play or record under way
	timer      *time.Timer           // of its end
	recording  *signaling.Record
	files      int
	command    flow.Command // the last one
	wishes     Wishes
	closed     bool
}

func newStrictGraph(t *testing.T, c *flowtest.Case) *strictGraph {
	g := &strictGraph{fakeCall: newFakeCall(), t: t, c: c, draw: rand.New(rand.NewPCG(c.Seed, 9))}
	g.handle = g.serve
	return g
}

// takes is a request's or a notification's time.
func (g *strictGraph) takes() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Duration(5+g.draw.IntN(30)) * time.Millisecond
}

func (g *strictGraph) serve(ctx context.Context, a signaling.Action) (signaling.Result, error) {
	time.Sleep(g.takes())
	switch a := a.(type) {
	case signaling.SubscribeToTones:
		g.mu.Lock()
		g.subscribed = true
		g.mu.Unlock()
	case signaling.PlayPrompt:
		if n := len(a.Prompts); n < 1 || n > 20 {
			g.t.Errorf("%d prompts in a request", n)
		}
		return g.operate(ctx, nil, time.Duration(len(a.Prompts))*flowtest.PromptLength, ended(graph.OperationCompleted, 200, 0, ""))
	case signaling.Record:
		if g.Snapshot().Recording != graph.Recording {
			g.t.Error("asked to record though nobody was told")
		}
		result, err := g.operate(ctx, &a, a.InitialSilence, ended(graph.OperationCompleted, 200, 0, "initialSilenceTimeout"))
		if g.Snapshot().Recording != graph.Recording && g.Snapshot().End == nil {
			g.t.Error("recording was withdrawn before it ended")
		}
		if result.Operation != nil && result.Operation.CompletionReason != "initialSilenceTimeout" {
			result.RecordingID = "recording"
		}
		return result, err
	case signaling.FetchRecording:
		if a.ID != "recording" {
			g.t.Errorf("fetches %q", a.ID)
		}
		return signaling.Result{Recording: io.NopCloser(strings.NewReader("RIFF"))}, nil
	case signaling.StopMedia:
		g.finish(ended(graph.OperationFailed, 400, 8508, "operationCanceled"))
	case signaling.Transfer:
		return g.transfer(a)
	}
	return signaling.Result{}, nil
}

// operate plays or records, to the end that it comes to if nothing else happens.
func (g *strictGraph) operate(ctx context.Context, record *signaling.Record, after time.Duration, end signaling.Result) (signaling.Result, error) {
	g.mu.Lock()
	if g.ending != nil {
		g.t.Error("something is played or recorded while something else is: it would be queued")
	}
	ending := make(chan signaling.Result, 1)
	g.ending, g.recording = ending, record
	g.timer = time.AfterFunc(after, func() { g.finish(end) })
	g.mu.Unlock()
	select {
	case result := <-ending:
		time.Sleep(g.takes())
		if result.Operation.Status == graph.OperationFailed {
			return result, canceled
		}
		return result, nil
	case <-g.done:
		return signaling.Result{}, noCall
	case <-ctx.Done():
		return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionUncertain}
	}
}

// finish ends what is under way.
func (g *strictGraph) finish(result signaling.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending == nil {
		return
	}
	g.timer.Stop()
	g.ending <- result
	g.ending, g.recording = nil, nil
}

// ends has what is recorded end later than it would.
func (g *strictGraph) ends(after time.Duration, result signaling.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending == nil {
		g.t.Error("nothing is recorded of what is said")
		return
	}
	g.timer.Stop()
	g.timer = time.AfterFunc(after, func() { g.finish(result) })
}

// outcome of the transfer or invitation that was asked for last.
func (g *strictGraph) outcome() rehearse.Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.c.Outcome(g.command)
}

var whys = map[flow.Failure]string{flow.FailedNoAnswer: graph.ReasonNoAnswer, flow.FailedDeclined: graph.ReasonDeclined}

func (g *strictGraph) transfer(a signaling.Transfer) (signaling.Result, error) {
	o := g.outcome()
	if a.ReplacesCallID != "" { // they have answered
		o = rehearse.Outcome{}
	}
	time.Sleep(o.After)
	if o.Failure != "" {
		return signaling.Result{}, refusedFor(whys[o.Failure])
	}
	g.over(signaling.EndTransferred)
	return signaling.Result{}, nil
}

// consult is the second call of a transfer.
func (g *strictGraph) consult(_ graph.IdentitySet, _ time.Duration, changed func()) (Call, error) {
	second, o := newFakeCall(), g.outcome()
	second.snap.Phase, second.changed = signaling.PhaseJoining, changed
	time.AfterFunc(o.After, func() {
		switch o.Failure {
		case flow.FailedNoAnswer:
			second.end(signaling.EndNoAnswer)
		case flow.FailedDeclined:
			second.end(signaling.EndCallDeclined)
		default:
			second.change(func(s *signaling.Snapshot) { s.Phase, s.CallID = signaling.PhaseEstablished, "call-2" })
		}
	})
	return second, nil
}

// wish grants recording, and has invitations come to what they must.
func (g *strictGraph) wish(w Wishes) {
	took := g.takes()
	g.mu.Lock()
	g.wishes = w
	g.mu.Unlock()
	time.AfterFunc(took, func() {
		g.mu.Lock()
		w := g.wishes // those of now: later ones are not undone by what took longer
		g.mu.Unlock()
		g.change(func(s *signaling.Snapshot) {
			if s.Recording = graph.NotRecording; w.Recording {
				s.Recording = graph.Recording
			}
			wanted := func(i signaling.Invite) bool {
				return slices.ContainsFunc(w.Invite, func(who graph.InvitationParticipantInfo) bool { return sameParty(who.Identity, i.Who.Identity) })
			}
			s.Invites = slices.DeleteFunc(slices.Clone(s.Invites), func(i signaling.Invite) bool { return !wanted(i) })
			for _, who := range w.Invite {
				if !slices.ContainsFunc(s.Invites, func(i signaling.Invite) bool { return sameParty(i.Who.Identity, who.Identity) }) {
					s.Invites = append(s.Invites, signaling.Invite{Who: who, State: signaling.InviteRinging})
				}
			}
		})
	})
	if len(w.Invite) == 0 {
		return
	}
	o := g.outcome()
	time.AfterFunc(took+o.After, func() {
		g.change(func(s *signaling.Snapshot) {
			s.Invites = slices.Clone(s.Invites)
			for i := range s.Invites {
				if s.Invites[i].State != signaling.InviteRinging {
					continue
				}
				if s.Invites[i].State = signaling.InviteJoined; o.Failure != "" {
					s.Invites[i].State, s.Invites[i].Reason = signaling.InviteFailed, whys[o.Failure]
				}
			}
		})
	})
}

// over ends the call, once.
func (g *strictGraph) over(why signaling.EndReason) {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if !again {
		g.end(why)
	}
}

// act is the caller's doing.
func (g *strictGraph) act(a rehearse.Act) {
	g.mu.Lock()
	record, closed := g.recording, g.closed
	if !g.subscribed {
		g.t.Error("a key is pressed, or something said, before keys are notified")
	}
	g.mu.Unlock()
	switch {
	case closed:
	case a.HangUp:
		g.over(signaling.EndRemoteHungUp)
	case a.Press != "":
		press := func() { g.press(string(a.Press)) }
		if tones := tonesOfKey(a); record != nil && slices.Contains(record.StopTones, tones) {
			g.finish(ended(graph.OperationCompleted, 200, 0, "stopToneDetected"))
		}
		time.AfterFunc(g.takes(), press)
	case a.Speak >= record.MaxDuration:
		g.ends(record.MaxDuration, ended(graph.OperationCompleted, 200, 8515, ""))
	default:
		g.ends(a.Speak+record.MaxSilence, ended(graph.OperationCompleted, 200, 0, "maxSilenceTimeout"))
	}
}

func tonesOfKey(a rehearse.Act) graph.Tone {
	tones, err := graph.ParseTones(string(a.Press))
	if err != nil {
		panic(err)
	}
	return tones[0]
}

// noted is a stage whose service knows what was asked for last.
type noted struct {
	*Stage
	g *strictGraph
}

func (n noted) Do(c flow.Command) {
	switch c.(type) {
	case flow.Transfer, flow.Invite:
		n.g.mu.Lock()
		n.g.command = c
		n.g.mu.Unlock()
	}
	n.Stage.Do(c)
}
