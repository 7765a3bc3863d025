// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"context"
	"fmt"
)

// operate sends a request that is answered with an operation. One that has not Ended is ended by a notification.
func (c *Client) operate(ctx context.Context, spec OperationSpec, scenarioID string, in any, ids ...string) (*Operation, error) {
	op, err := spec.at(ids...)
	if err != nil {
		return nil, err
	}
	answered, err := c.do(ctx, op, scenarioID, in, nil)
	if err != nil {
		return nil, err
	}
	done := new(Operation)
	if len(bytes.TrimSpace(answered.body)) > 0 { // Location alone says enough
		if err := decode(answered.body, done); err != nil {
			return nil, fmt.Errorf("%s: read the answer: %w", spec.Name, err)
		}
	}
	if done.ID == "" {
		done.ID = ParseResource(answered.header.Get("Location")).ID
	}
	return done, nil
}

// contextBody is the body of operations that are told nothing else. The service gives the context back with the operation; it
// is logged there, and 256 characters long at most.
type contextBody struct {
	ClientContext string `json:"clientContext,omitempty"`
}

// GetOperation reads an operation. Graph has them in its metadata and on no page of its reference, so that the notification of an
// operation's end is what to rely on.
func (c *Client) GetOperation(ctx context.Context, scenarioID, callID, operationID string) (*Operation, error) {
	return c.operate(ctx, opGetOperation, scenarioID, nil, callID, operationID)
}
