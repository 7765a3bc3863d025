// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/callfleet/callfleet/mediapod/flow"
)

// unasked answers webhooks where nobody can be asked.
type unasked struct{}

func (unasked) Ask(_ context.Context, a flow.Ask, _ flow.Call) flow.Answered {
	return flow.Answered{ID: a.ID, Failure: flow.FailedRefused}
}
