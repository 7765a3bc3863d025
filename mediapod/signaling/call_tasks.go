// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// createTimeout is what Graph gets for creating a call; it answers within two seconds.
	createTimeout = 30 * time.Second

	// answerTimeout is the same for answering one: the service waits 15 seconds for it.
	answerTimeout = 5 * time.Second

	// locateTimeout is what the media platform, which is on the same machine, gets to make a place for a call.
	locateTimeout = 2 * time.Second

	// requestTimeout is the same for everything else, retries of the client included.
	requestTimeout = 20 * time.Second
)

func (t task) timeout() time.Duration {
	switch t {
	case taskCreate:
		return createTimeout
	case taskAnswer:
		return answerTimeout
	}
	return requestTimeout
}

// perform carries out an order beside the queue and puts its answer into it.
func (c *Call) perform(ctx context.Context, o order) {
	id, scenario := c.machine.snap.CallID, c.plan.setting.scenario
	c.server.group.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, o.task.timeout())
		defer cancel()
		c.answers <- c.ask(ctx, o, scenario, id)
	})
}

// ask makes the request of an order and returns what its answer means to the machine.
func (c *Call) ask(ctx context.Context, o order, scenario, id string) func(now time.Time) {
	m, api := c.machine, c.api
	switch o.task {
	case taskCreate:
		call, err := c.create(ctx)
		return func(now time.Time) { m.created(now, call, err) }
	case taskAnswer:
		err := c.answer(ctx, scenario, id)
		c.failed("answer call", err)
		return func(now time.Time) { m.answerSent(now, err) }
	case taskGet:
		call, err := api.GetCall(ctx, scenario, id)
		c.failed("get call", err)
		return func(now time.Time) { m.got(now, call, err) }
	case taskKeepAlive:
		err := api.KeepAlive(ctx, scenario, id)
		c.failed("keep call alive", err)
		return func(now time.Time) { m.keptAlive(now, err) }
	case taskList:
		list, err := api.ListParticipants(ctx, scenario, id)
		c.failed("list participants", err)
		return func(now time.Time) { m.listed(now, list, err) }
	case taskDelete:
		err := api.DeleteCall(ctx, scenario, id)
		c.failed("hang up", err)
		return func(now time.Time) { m.deleted(now, err) }
	case taskInvite:
		op, err := api.Invite(ctx, scenario, id, []graph.InvitationParticipantInfo{o.invitee}, o.invitee.ParticipantID)
		c.failed("invite", err)
		return func(now time.Time) { m.inviteSent(now, op, err) }
	case taskWithdraw:
		err := api.RemoveParticipant(ctx, scenario, id, o.participant)
		c.failed("withdraw an invitation", err)
		return func(now time.Time) { m.withdrawSent(now, err) }
	}
	op, err := c.change(ctx, o, scenario, id)
	return func(now time.Time) { m.wanted(now, o.task, op, err) }
}

// change makes the request for something wanted.
func (c *Call) change(ctx context.Context, o order, scenario, id string) (op *graph.Operation, err error) {
	switch {
	case o.task == taskMute && o.muted:
		op, err = c.api.Mute(ctx, scenario, id, "")
		c.failed("mute", err)
	case o.task == taskMute:
		op, err = c.api.Unmute(ctx, scenario, id, "")
		c.failed("unmute", err)
	case o.task == taskShare:
		err = c.api.ChangeScreenSharingRole(ctx, scenario, id, o.role)
		c.failed("change screen sharing role", err)
	case o.task == taskRecord:
		op, err = c.api.UpdateRecordingStatus(ctx, scenario, id, o.recording, "")
		c.failed("update recording status", err)
	}
	return op, err
}

// answer says that the bot takes the call, and where its media is.
func (c *Call) answer(ctx context.Context, scenario, id string) error {
	answer := c.plan.answer
	if c.plan.locate != nil {
		asking, cancel := context.WithTimeout(ctx, locateTimeout)
		defer cancel()
		blob, err := c.plan.locate(asking)
		if err != nil {
			return fmt.Errorf("the media platform gives no place for the call: %w", err)
		}
		answer.MediaConfig = graph.AppHostedMedia(blob)
	}
	return c.api.AnswerCall(ctx, scenario, id, answer)
}

func (c *Call) create(ctx context.Context) (*graph.Call, error) {
	began := c.server.clock.Now()
	call, err := c.api.CreateCall(ctx, c.plan.setting.scenario, c.plan.request)
	if err == nil && (call == nil || call.ID == "") {
		err = errors.New("create call: the answer names no call")
	}
	result := "ok"
	if err != nil {
		result = "failed"
	}
	c.server.metrics.create.WithLabelValues(result).Observe(c.server.clock.Since(began).Seconds())
	c.failed("create call", err)
	return call, err
}

// failed logs what Graph did not do; what follows from it is the machine's business.
func (c *Call) failed(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		c.log.Info("a request to Graph failed", "request", what, "error", err.Error())
	}
}
