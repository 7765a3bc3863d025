// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"encoding/json"
	"sync"
	"time"
)

// Call says whose notifications a queue carries.
type Call struct {
	ID, AppID, TenantID string
	CallbackURI         string
	ChainID, ScenarioID string
}

// Notification is one change of one resource.
type Notification struct {
	ChangeType  string // created, updated, deleted
	ResourceURL string // /communications/calls/{id}[/participants]
	Data        any    // resourceData, left out when nil
	Summary     string // for the log: "established", "roster of 3"
}

// Queue delivers the notifications of one call in order: the next goes out when the last one was accepted
// or given up. Enqueue never blocks.
type Queue struct {
	sender *Sender
	call   Call

	mu      sync.Mutex
	pending []item
	running bool
}

type item struct {
	Notification
	to    Call
	entry int64
	due   time.Time
	body  []byte
}

// Enqueue adds a notification.
func (q *Queue) Enqueue(n Notification) {
	q.mu.Lock()
	defer q.mu.Unlock()
	body, err := json.Marshal(envelope(q.call, n))
	if err != nil { // our own types; a programming error
		panic(err)
	}
	entry := q.sender.log.open(q.call, n, body)
	q.pending = append(q.pending, item{Notification: n, to: q.call, entry: entry, due: time.Now().Add(q.sender.patience), body: body})
	if !q.running {
		q.running = q.sender.start(q.run)
	}
}

// Redirect sends what is enqueued from now on to another callback, as an answer or a rejection may ask for.
func (q *Queue) Redirect(callbackURI string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call.CallbackURI = callbackURI
}

func (q *Queue) run() {
	for {
		q.mu.Lock()
		if len(q.pending) == 0 || q.sender.ctx.Err() != nil {
			q.running = false
			q.mu.Unlock()
			return
		}
		next := q.pending[0]
		q.pending = q.pending[1:]
		q.mu.Unlock()
		q.sender.deliver(next)
	}
}

// envelope wraps a notification as reference section 2.1 shows it, with the old aliases that real payloads
// still carry beside resourceUrl.
func envelope(c Call, n Notification) map[string]any {
	one := map[string]any{
		"@odata.type": "#microsoft.graph.commsNotification",
		"changeType":  n.ChangeType,
		"resourceUrl": n.ResourceURL,
		"resource":    "/app" + n.ResourceURL[len("/communications"):],
		"callbackUri": c.CallbackURI,
	}
	if n.Data != nil {
		one["resourceData"] = n.Data
	}
	return map[string]any{"@odata.type": "#microsoft.graph.commsNotifications", "value": []any{one}}
}
