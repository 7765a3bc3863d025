// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

// The events of actions.
const (
	EventAction          = "Action"
	EventActionCompleted = "ActionCompleted"
	EventActionFailed    = "ActionFailed"
	EventActionRefused   = "ActionRefused" // before the service was asked
)

const (
	// askAgainEvery is how often an operation is asked about whose end nobody notifies.
	askAgainEvery = 15 * time.Second
	// maxBy bounds the name of who acts.
	maxBy = 128
)

// ActionAPI is what actions need of *graph.Client.
type ActionAPI interface {
	TransferCall(ctx context.Context, scenarioID, callID string, transfer graph.Transfer) error
	PlayPrompt(ctx context.Context, scenarioID, callID string, prompts []graph.MediaInfo, clientContext string) (*graph.Operation, error)
	RecordResponse(ctx context.Context, scenarioID, callID string, request graph.RecordRequest) (*graph.Operation, error)
	DownloadRecording(ctx context.Context, location, token string) (io.ReadCloser, error)
	CancelMediaProcessing(ctx context.Context, scenarioID, callID, clientContext string) (*graph.Operation, error)
	SubscribeToTone(ctx context.Context, scenarioID, callID, clientContext string) (*graph.Operation, error)
	SendDTMFTones(ctx context.Context, scenarioID, callID string, tones []graph.Tone, delay time.Duration, clientContext string) (*graph.Operation, error)
	MuteParticipant(ctx context.Context, scenarioID, callID, participantID, clientContext string) (*graph.Operation, error)
	RemoveParticipant(ctx context.Context, scenarioID, callID, participantID string) error
	StartHoldMusic(ctx context.Context, scenarioID, callID, participantID string, prompt *graph.MediaInfo, clientContext string) (*graph.Operation, error)
	StopHoldMusic(ctx context.Context, scenarioID, callID, participantID, clientContext string) (*graph.Operation, error)
	AddLargeGalleryView(ctx context.Context, scenarioID, callID, clientContext string) (*graph.Operation, error)
	GetOperation(ctx context.Context, scenarioID, callID, operationID string) (*graph.Operation, error)
}

var _ ActionAPI = (*graph.Client)(nil)

// Act does something in the call and returns when the service has said how it ended, or the context is done. The timeline
// tells of it and of who did it; with an empty by it does not. Every error is an *ActionError.
func (c *Call) Act(ctx context.Context, by string, a Action) (Result, error) {
	s := c.Snapshot()
	if refusal := refusedAtOnce(s, a); refusal != nil {
		if by != "" {
			c.note(EventActionRefused, DescribeRefusal(by, a, refusal))
		}
		return Result{}, refusal
	}
	c.tell(by, EventAction, a.Name()+" by "+by)
	result, err := c.act(ctx, s, a)
	if err != nil {
		failure, known := asActionError(err)
		if !known {
			failure = refusedAction(graph.ExplainError(err), err)
		}
		c.tell(by, EventActionFailed, a.Name()+": "+string(failure.Failure))
		return result, failure
	}
	if result.Message == "" {
		result.Message = "Done."
	}
	c.tell(by, EventActionCompleted, a.Name())
	return result, nil
}

// tell puts what people do into the timeline, without the service's words: those may quote what people said.
func (c *Call) tell(by, event, detail string) {
	if by == "" {
		return
	}
	c.note(event, oneLine(detail, maxBy))
}

// DescribeRefusal is what the timeline tells of an action that the service was not asked for. The words are the pod's own: they
// quote nobody.
func DescribeRefusal(by string, a Action, refusal error) string {
	return oneLine(a.Name()+" by "+by, maxBy) + " refused: " + refusal.Error()
}

func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// refusedAtOnce is why the service need not be asked; nil if it is to be.
func refusedAtOnce(s Snapshot, a Action) *ActionError {
	if _, fetching := a.(FetchRecording); !fetching { // recordings outlast the call by a little
		if refusal := notEstablished(s); refusal != nil {
			return refusal
		}
	}
	return a.check(s)
}

func notEstablished(s Snapshot) *ActionError {
	switch s.Phase {
	case PhaseEstablished:
		return nil
	case PhaseInLobby:
		return &ActionError{Failure: ActionNotEstablished, Message: "The bot still waits in the lobby. Have somebody in the meeting admit it first."}
	case PhaseLeaving, PhaseEnded:
		return &ActionError{Failure: ActionNotEstablished, Message: "The call is over, or about to be."}
	}
	return &ActionError{Failure: ActionNotEstablished, Message: "The call is not established yet. Try again when it is."}
}

func (c *Call) act(ctx context.Context, s Snapshot, a Action) (Result, error) {
	api := ActionAPI(c.api)
	scenario, call := s.ScenarioID, s.CallID
	switch a := a.(type) {
	case Transfer:
		return c.transfer(ctx, api, s, a)
	case RemoveParticipant:
		return Result{}, api.RemoveParticipant(ctx, scenario, call, a.ID)
	case FetchRecording:
		return c.fetch(ctx, api, a)
	case PlayPrompt:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.PlayPrompt(ctx, scenario, call, a.Prompts, token)
		})
	case Record:
		return c.record(ctx, api, s, a)
	case StopMedia:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.CancelMediaProcessing(ctx, scenario, call, token)
		})
	case SendTones:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.SendDTMFTones(ctx, scenario, call, a.Tones, a.Delay, token)
		})
	case SubscribeToTones:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.SubscribeToTone(ctx, scenario, call, token)
		})
	case MuteParticipant:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.MuteParticipant(ctx, scenario, call, a.ID, token)
		})
	case StartHoldMusic:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.StartHoldMusic(ctx, scenario, call, a.ID, a.Prompt, token)
		})
	case StopHoldMusic:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.StopHoldMusic(ctx, scenario, call, a.ID, token)
		})
	case LargeGallery:
		return c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
			return api.AddLargeGalleryView(ctx, scenario, call, token)
		})
	}
	return Result{}, invalid("%s: there is no such action.", a.Name())
}

// operate begins an operation and waits for its end.
func (c *Call) operate(ctx context.Context, api ActionAPI, s Snapshot, begin func(clientContext string) (*graph.Operation, error)) (Result, error) {
	token := uuid.NewString() // Microsoft logs it, so that it says nothing
	wait := c.operations.expect(token)
	defer c.operations.forget(wait)
	op, err := begin(token)
	if err != nil {
		return Result{}, err
	}
	if !op.Ended() {
		if op.ID != "" {
			c.operations.identify(wait, op.ID)
		}
		if op, err = c.await(ctx, api, s, op, wait); err != nil {
			return Result{}, err
		}
	}
	return judge(op)
}

// await waits for the end of an operation: its notification, or, as that may be lost, what the service says when it is asked.
func (c *Call) await(ctx context.Context, api ActionAPI, s Snapshot, op *graph.Operation, wait *awaited) (*graph.Operation, error) {
	again := c.server.clock.NewTimer(askAgainEvery)
	defer again.Stop()
	for {
		select {
		case end := <-wait.end:
			return &end, nil
		case <-c.Done():
			// The end of an operation comes before that of its call.
			select {
			case end := <-wait.end:
				return &end, nil
			default:
			}
			return nil, &ActionError{Failure: ActionNotEstablished, Message: "The call ended before the service said how this went."}
		case <-ctx.Done():
			return nil, &ActionError{
				Failure: ActionUncertain, err: ctx.Err(),
				Message: "The service took it on, and has not said in time how it went. It may go on; the call's timeline and its sound tell.",
			}
		case <-again.C():
			// Failing here says nothing: Graph documents no page for reading operations.
			if op.ID != "" {
				if now, err := api.GetOperation(ctx, s.ScenarioID, s.CallID, op.ID); err == nil && now.Ended() {
					return now, nil
				}
			}
			again.Reset(askAgainEvery)
		}
	}
}

// judge says what the end of an operation means.
func judge(op *graph.Operation) (Result, error) {
	var r graph.ResultInfo
	if op.ResultInfo != nil {
		r = *op.ResultInfo
	}
	e := graph.ExplainOperationEnd(op)
	if op.Status == graph.OperationFailed || e.Class != graph.ClassNormalEnd {
		return Result{Operation: op}, &ActionError{Failure: ActionRefused, Message: e.Message(), Reason: e.Reason, Temporary: e.Class.Retryable(), err: fmt.Errorf("operation ended with %s", r)}
	}
	return Result{Operation: op, Message: e.Message()}, nil
}

func (c *Call) record(ctx context.Context, api ActionAPI, s Snapshot, a Record) (Result, error) {
	result, err := c.operate(ctx, api, s, func(token string) (*graph.Operation, error) {
		request := graph.RecordRequest{
			BargeIn: a.BargeIn, InitialSilence: a.InitialSilence, MaxSilence: a.MaxSilence, MaxDuration: a.MaxDuration,
			NoBeep: a.NoBeep, StopTones: a.StopTones, ClientContext: token,
		}
		if a.Prompt != nil {
			request.Prompts = []graph.MediaInfo{*a.Prompt}
		}
		return api.RecordResponse(ctx, s.ScenarioID, s.CallID, request)
	})
	if op := result.Operation; op != nil && op.RecordingLocation != "" && op.ID != "" {
		if c.Snapshot().RecordingGaps != s.RecordingGaps {
			return Result{}, notPossible("record: recording was ended while this was recorded (spec.recordingStatus), so that it may not be kept. Set spec.recordingStatus: Recording and record again.")
		}
		c.operations.keepRecording(*op)
		result.RecordingID = op.ID
		safe := *op
		safe.RecordingLocation, safe.RecordingAccessToken = "", ""
		result.Operation = &safe
	}
	return result, err
}

func (c *Call) fetch(ctx context.Context, api ActionAPI, a FetchRecording) (Result, error) {
	op, ok := c.operations.recording(a.ID)
	if !ok {
		return Result{}, &ActionError{Failure: ActionNotFound, Message: "This call has no such recording, or it was made through another pod."}
	}
	recording, err := api.DownloadRecording(ctx, op.RecordingLocation, op.RecordingAccessToken)
	return Result{Recording: recording}, err
}

// transfer waits for what becomes of the call: a transfer that succeeded is its end.
func (c *Call) transfer(ctx context.Context, api ActionAPI, s Snapshot, a Transfer) (Result, error) {
	failed, stop := c.operations.awaitTransfer()
	defer stop()
	target := a.Target
	if a.ReplacesCallID != "" {
		target.ReplacesCallID = a.ReplacesCallID
	}
	c.input(ctx, func(time.Time) { c.machine.transferAsked() })
	if err := api.TransferCall(ctx, s.ScenarioID, s.CallID, graph.Transfer{Target: target, Transferee: identified(s, a.Transferee)}); err != nil {
		c.input(context.WithoutCancel(ctx), func(time.Time) { c.machine.transferRefused() })
		return Result{}, err
	}
	c.input(ctx, c.machine.transferTaken)
	select {
	case r := <-failed:
		if r == (graph.ResultInfo{}) {
			return Result{}, &ActionError{Failure: ActionRefused, Message: "The transfer failed, and the service does not say why. The call goes on."}
		}
		return Result{}, refusedAction(graph.Explain(r), fmt.Errorf("transfer ended with %s", r))
	case <-c.Done():
		switch end := c.Snapshot().End; {
		case end == nil:
			return Result{}, &ActionError{Failure: ActionUncertain, Message: "The service took the transfer on; another pod holds the call now. The call's timeline tells."}
		case end.Reason == EndCallLost:
			return Result{}, &ActionError{Failure: ActionUncertain, Message: "The service took the transfer on, and then the call was gone without a word; most likely it was transferred. " + end.Message}
		case end.Reason != EndTransferred:
			return Result{}, &ActionError{Failure: ActionRefused, Message: "The call ended before it was transferred. " + end.Message}
		}
		return Result{Message: "The call was transferred."}, nil
	case <-ctx.Done():
		return Result{}, &ActionError{Failure: ActionUncertain, err: ctx.Err(), Message: "The service took the transfer on, and has not said in time how it went. The call's timeline tells."}
	}
}
