// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Exchange is one request that was sent, and what came of it. What is sent again is another.
type Exchange struct {
	// Context is that of whoever wanted it.
	Context context.Context
	// Operation is the OperationSpec's Name, such as "create call".
	Operation string
	// StatusCode of the answer; 0 if there was none.
	StatusCode int
	// Took is the time until the answer's headers were there.
	Took time.Duration
}

type operationKey struct{}

// named tells the transport which operation a request is of.
func named(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, operationKey{}, operation)
}

// observedTransport tells of what it carries.
type observedTransport struct {
	policy.Transporter
	observe func(Exchange)
}

func (t observedTransport) Do(req *http.Request) (*http.Response, error) {
	if t.observe == nil {
		return t.Transporter.Do(req)
	}
	began := time.Now()
	resp, err := t.Transporter.Do(req)
	e := Exchange{Context: req.Context(), Took: time.Since(began)}
	e.Operation, _ = e.Context.Value(operationKey{}).(string)
	if err == nil {
		e.StatusCode = resp.StatusCode
	}
	t.observe(e)
	return resp, err
}
