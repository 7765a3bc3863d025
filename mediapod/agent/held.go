// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// heldCalls lets people act in the calls of this process.
type heldCalls struct{ agent *Agent }

var _ control.Calls = heldCalls{}

// Find gives the call of an object by the object's UID, or by the call's own, which for a call that came in is another.
func (h heldCalls) Find(uid string) (control.Held, bool) {
	h.agent.mu.Lock()
	defer h.agent.mu.Unlock()
	if r := h.agent.runners[uid]; r != nil {
		return held{r}, true
	}
	for _, r := range h.agent.runners {
		if r.objectUID() == uid {
			return held{r}, true
		}
	}
	return nil, false
}

// List gives all of them.
func (h heldCalls) List() []control.Held {
	h.agent.mu.Lock()
	defer h.agent.mu.Unlock()
	list := make([]control.Held, 0, len(h.agent.runners))
	for _, r := range h.agent.runners {
		list = append(list, held{r})
	}
	return list
}

// held is one of them.
type held struct{ r *runner }

func (h held) Object() (kind, namespace, name string) {
	o := h.r.object
	return o.kind.name, o.object.GetNamespace(), o.name()
}

func (h held) UID() string { return h.r.uid }

func (h held) Act(ctx context.Context, by string, a signaling.Action) (signaling.Result, error) {
	call, err := h.call()
	if err != nil {
		h.r.noteRefusal(by, a, err)
		return signaling.Result{}, err
	}
	return call.Act(ctx, by, a)
}

func (h held) Tones() (control.Tones, error) {
	call, err := h.call()
	if err != nil {
		return nil, err
	}
	return call, nil
}

func (h held) call() (signalCall, error) {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	if h.r.call == nil {
		return nil, &signaling.ActionError{Failure: signaling.ActionNotEstablished, Message: "There is no call yet, or not any more. Try again when it is established."}
	}
	return h.r.call, nil
}

// What waits for the runner's goroutine to tell of it is bounded: refused actions, and everything.
const (
	maxRefusals = 8
	maxHappened = 32
)

// noteRefusal has the timeline tell of an action that came when there was no call yet.
func (r *runner) noteRefusal(by string, a signaling.Action, refusal error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if by != "" {
		r.happened = addBounded(r.happened, story.Event(r.agent.clock.Now(), signaling.EventActionRefused, "%s", signaling.DescribeRefusal(by, a, refusal)), maxRefusals)
	}
}

// tellHappened takes what happened beside the runner's goroutine into the story. It says whether there was anything.
func (r *runner) tellHappened() bool {
	r.mu.Lock()
	happened := r.happened
	r.happened = nil
	r.mu.Unlock()
	for _, e := range happened {
		r.story.Note(e)
	}
	return r.takeRecorded() || len(happened) > 0
}

// objectUID is that of the newest version known; empty before the object of a call that came in is made.
func (r *runner) objectUID() string {
	if s := r.writer.newest(); s != nil {
		return string(s.object.GetUID())
	}
	return ""
}
