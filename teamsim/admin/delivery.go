// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"net/http"
	"time"
)

// The ways to disturb notifications.
const (
	Drop        = "Drop"
	Duplicate   = "Duplicate"   // once more, after the next one if there is one
	Reorder     = "Reorder"     // after the next one
	Delay       = "Delay"       // together with all that come after it
	Batch       = "Batch"       // together with the next ones in one POST
	EmptyRoster = "EmptyRoster" // the first roster of a call has nobody in it
	Early       = "Early"       // the first notification of a call comes before the reply to its creation

	// The first attempt to deliver ends with 5xx; it is repeated as Retry says.
	BotFailing   = "BotFailing"   // 503, and the bot has heard of nothing
	BotReplyLost = "BotReplyLost" // 504, though the bot has it
	BadToken     = "BadToken"     // in the way DeliveryFault.Token says: the bot has to refuse it, and it is lost

	Casing         = "Casing"         // Updated, Running, subCode
	PlainIDs       = "PlainIDs"       // call ids in upper case and without dashes
	StringCodes    = "StringCodes"    // "code":"200"
	NoResourceData = "NoResourceData" // the bot has to ask
	NoLeadingSlash = "NoLeadingSlash" // of resourceUrl
)

// DeliveryFault disturbs the notifications that match. A gap in a delta roster is Drop on the resource participants.
type DeliveryFault struct {
	Kind       string `json:"kind"`
	AppID      string `json:"appID,omitempty"`      // empty: of any app
	ChangeType string `json:"changeType,omitempty"` // created, updated, deleted
	Resource   string `json:"resource,omitempty"`   // call, participants, operations, contentsharingsessions
	State      string `json:"state,omitempty"`      // of a call, or the status of an operation
	// Count is how many are disturbed; 0: one, or with a probability all that come.
	Count       int     `json:"count,omitempty"`
	Probability float64 `json:"probability,omitempty"` // 0: certain
	Seed        uint64  `json:"seed,omitempty"`        // of all rules; 0 leaves it as it is
	Size        int     `json:"size,omitempty"`        // of a batch; 3 when 0
	DelayMs     int     `json:"delayMs,omitempty"`     // 500 when 0
	Token       string  `json:"token,omitempty"`       // what is wrong with a BadToken, as with TokenFault
}

// Chaos is a mix of faults, each with its probability from 0, never, to 1. It replaces the faults of delivery and of
// requests that were there. What happens to which notification follows from the seed, the number of the call and of
// the notification.
type Chaos struct {
	Seed  uint64 `json:"seed"`
	AppID string `json:"appID,omitempty"` // empty: of any app
	// Of each notification.
	Drop       float64 `json:"drop,omitempty"`
	Duplicate  float64 `json:"duplicate,omitempty"`
	Reorder    float64 `json:"reorder,omitempty"`
	Delay      float64 `json:"delay,omitempty"`
	MaxDelayMs int     `json:"maxDelayMs,omitempty"`
	Batch      float64 `json:"batch,omitempty"`
	Noise      float64 `json:"noise,omitempty"` // being written differently, in each way
	// Of each notification: the first attempt fails with 503 before the bot has it, or with 504 after; its token is not to be
	// trusted, in any of the ways of TokenFault, so that it is lost.
	BotFailing   float64 `json:"botFailing,omitempty"`
	BotReplyLost float64 `json:"botReplyLost,omitempty"`
	BadToken     float64 `json:"badToken,omitempty"`
	// Of each call.
	Early       float64 `json:"early,omitempty"`
	EmptyRoster float64 `json:"emptyRoster,omitempty"`
	// KeepTerminal never drops that a call came or ended.
	KeepTerminal bool `json:"keepTerminal,omitempty"`
	// Of each request to the calls API, and to the login.
	Failing      float64 `json:"failing,omitempty"`   // 503, and nothing is done
	Throttled    float64 `json:"throttled,omitempty"` // 429 with Retry-After: 1
	ReplyLost    float64 `json:"replyLost,omitempty"` // 504 though it was done
	LoginFailing float64 `json:"loginFailing,omitempty"`
}

// Retry is how notifications that are not accepted are repeated; zero values mean the defaults.
type Retry struct {
	PatienceMs int  `json:"patienceMs,omitempty"` // 60000
	FirstMs    int  `json:"firstMs,omitempty"`    // 200, doubling
	MostMs     int  `json:"mostMs,omitempty"`     // 3000
	Attempts   int  `json:"attempts,omitempty"`   // until the patience ends
	NotOnError bool `json:"notOnError,omitempty"` // 5xx and 429 are final
}

// Quiet says what is still going on.
type Quiet struct {
	Quiet     bool `json:"quiet"`     // nothing of what follows
	Pending   int  `json:"pending"`   // notifications neither accepted nor given up
	LiveCalls int  `json:"liveCalls"` // of bots
	Ghosts    int  `json:"ghosts"`
}

// AddDeliveryFault disturbs notifications.
func (c *Client) AddDeliveryFault(ctx context.Context, f DeliveryFault) error {
	return c.do(ctx, http.MethodPost, "/delivery-faults", f, nil)
}

// SetChaos puts a mix of faults in force. ClearFaults ends it.
func (c *Client) SetChaos(ctx context.Context, m Chaos) error {
	return c.do(ctx, http.MethodPut, "/chaos", m, nil)
}

// SetRetry changes how notifications that come from now on are repeated.
func (c *Client) SetRetry(ctx context.Context, r Retry) error {
	return c.do(ctx, http.MethodPut, "/retry", r, nil)
}

// Quiet says whether all is quiet.
func (c *Client) Quiet(ctx context.Context) (Quiet, error) { return get[Quiet](ctx, c, "/quiet") }

// WaitQuiet waits until all is quiet or ctx is done; it returns what is left then.
func (c *Client) WaitQuiet(ctx context.Context) (Quiet, error) {
	for {
		q, err := c.Quiet(ctx)
		if err != nil || q.Quiet {
			return q, err
		}
		select {
		case <-ctx.Done():
			return q, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
