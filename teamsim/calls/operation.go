// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"maps"
	"net/http"
	"sync"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/callback"
)

// The statuses of a commsOperation, as most payloads spell them (reference section 1.6).
const (
	operationRunning   = "running"
	operationCompleted = "completed"
	operationFailed    = "failed"
)

// The results of operations (reference section 4).
var (
	operationOK        = Result{Code: 200, Subcode: 0, Message: ""}
	operationCancelled = result(400, 8508, "The operation was cancelled")
)

// operation is a commsOperation: what a bot asked for and has not got yet, or has got at once. A bot hears of the end
// of the former by a notification, of the latter by the reply alone (reference section 0, 7).
type operation struct {
	call *call
	id   string
	kind string // playPromptOperation

	mu            sync.Mutex
	status        string
	clientContext *string
	result        *Result
	extra         document
}

// contextBody is the one member that every action's body may have.
type contextBody struct {
	ClientContext *string `json:"clientContext"`
}

// actionRule is the rule for the body of an action: clientContext is allowed, the other members are given.
func actionRule(members map[string]rule, required ...string) rule {
	all := map[string]rule{"clientContext": atMost(maxClientContext)}
	maps.Copy(all, members)
	return object{types: []string{""}, typeOptional: true, required: required, members: all}.check
}

// parseContext reads the body of an action that takes nothing but clientContext; it may be missing altogether.
func parseContext(r *request) (*string, *apiError) {
	var body contextBody
	if len(r.body) == 0 {
		return nil, nil
	}
	if err := parse(r.body, actionRule(nil), &body); err != nil {
		return nil, badRequest("%v", err)
	}
	return body.ClientContext, nil
}

// begin makes an operation that runs. Its end must be told with finish.
func (c *call) begin(kind string, clientContext *string) *operation {
	o := &operation{call: c, id: uuid.NewString(), kind: kind, status: operationRunning, clientContext: clientContext}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations == nil {
		c.operations = map[string]*operation{}
	}
	c.operations[o.id] = o
	return o
}

// succeed makes an operation that is completed at once: the reply tells, no notification follows.
func (c *call) succeed(kind string, clientContext *string) *operation {
	o := c.begin(kind, clientContext)
	o.end(operationCompleted, operationOK, nil)
	return o
}

func (o *operation) end(status string, r Result, extra document) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status != operationRunning {
		return false
	}
	o.status, o.result, o.extra = status, &r, extra
	return true
}

// finish ends the operation and tells the bot, unless the call has ended, whose end is the end of everything. It does
// nothing the second time.
func (o *operation) finish(status string, r Result, extra document) {
	if !o.end(status, r, extra) {
		return
	}
	data := o.document()
	c := o.call
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateTerminated {
		c.queue.Enqueue(callback.Notification{ChangeType: "deleted", ResourceURL: o.path(), Data: data, Summary: o.kind + " " + status})
	}
}

// describe sets members of the derived type, or others that differ, until the operation ends.
func (o *operation) describe(extra document) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.extra = extra
}

func (o *operation) path() string { return o.call.path() + "/operations/" + o.id }

func (o *operation) document() document {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := document{"@odata.type": ns + o.kind, "id": o.id, "status": o.status, "clientContext": o.clientContext, "resultInfo": nil}
	if o.result != nil {
		d["resultInfo"] = resultDoc(*o.result)
	}
	maps.Copy(d, o.extra)
	return d
}

// reply answers the request that started the operation.
func (o *operation) reply(w http.ResponseWriter, r *request, status int) {
	w.Header().Set("Location", o.call.service.BaseURL+"/"+r.version+o.path())
	reply(w, status, o.document())
	_ = http.NewResponseController(w).Flush() // before its notification, if the bot is quick
}

// routeOperations serves GET …/operations/{id}.
func (c *call) routeOperations(w http.ResponseWriter, r *request, rest []string) *apiError {
	if len(rest) != 1 {
		return badRequest("Resource not found for the segment 'operations'.")
	}
	return method(r, http.MethodGet, func() *apiError {
		c.mu.Lock()
		o := c.operations[rest[0]]
		c.mu.Unlock()
		if o == nil {
			return &apiError{http.StatusNotFound, "NotFound", "Operation not found."}
		}
		reply(w, http.StatusOK, o.document())
		return nil
	})
}
