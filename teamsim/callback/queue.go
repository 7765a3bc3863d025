// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callfleet/callfleet/teamsim/chaos"
)

// holdFor is how long a notification waits for the next one, if it is to come after it or together with it.
const holdFor = 400 * time.Millisecond

// Call says whose notifications a queue carries.
type Call struct {
	ID, AppID, TenantID string
	CallbackURI         string
	ChainID, ScenarioID string
	// Region is X-Microsoft-Skype-Caller-Region, as amer; none when empty.
	Region string
}

// Notification is one change of one resource.
type Notification struct {
	ChangeType  string // created, updated, deleted
	ResourceURL string // /communications/calls/{id}[/participants]
	Data        any    // resourceData, left out when nil
	Summary     string // for the log: "established", "roster of 3"
	// Answered, if not nil, is called once with what the bot said: the status, 0 when there was no answer, and the body.
	Answered func(status int, body []byte)
}

// isNewCall says whether the notification is the one of a new incoming call.
func (n Notification) isNewCall() bool {
	return n.ChangeType == "created" && class(n.ResourceURL) == chaos.OnCall
}

// Queue delivers the notifications of one call in order: the next goes out when the last one was accepted
// or given up. Enqueue never blocks.
type Queue struct {
	sender *Sender
	number int64
	wake   chan struct{}
	first  chan struct{} // closed when the first notification is done with

	mu      sync.Mutex
	call    Call
	pending []item
	running bool
	seq     int64
	rosters int
	done    bool // first is closed
}

type item struct {
	Notification
	chaos.Decision
	to    Call
	entry int64
	since time.Time
	due   time.Time // when it is given up
	one   []byte    // the notification; the envelope comes around it
}

// alone: it goes out with no other. Its answer is awaited, or it is lost on purpose, which others are not to share.
func (i item) alone() bool { return i.Answered != nil || i.Has(chaos.Drop) || i.Has(chaos.BadToken) }

// Enqueue adds a notification.
func (q *Queue) Enqueue(n Notification) {
	q.mu.Lock()
	defer q.mu.Unlock()
	one, err := json.Marshal(entryOf(q.call, n))
	if err != nil { // our own types; a programming error
		panic(err)
	}
	d := q.sender.Chaos.Decide(q.message(n))
	if one, err = d.Disturb(one); err != nil {
		panic(err)
	}
	now := time.Now()
	q.add(item{
		Notification: n, Decision: d, to: q.call, since: now, due: now.Add(q.sender.retry.Load().Patience), one: one,
	}, len(q.pending))
}

// add puts an item at a place in the queue; the caller holds the lock.
func (q *Queue) add(i item, at int) {
	i.entry = q.sender.log.open(i)
	q.sender.pending.Add(1)
	q.pending = append(q.pending[:at:at], append([]item{i}, q.pending[at:]...)...)
	if !q.running {
		q.running = q.sender.start(q.run)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// message is what faults look at; the caller holds the lock.
func (q *Queue) message(n Notification) chaos.Message {
	q.seq++
	m := chaos.Message{AppID: q.call.AppID, Queue: q.number, Seq: q.seq, ChangeType: n.ChangeType, Resource: class(n.ResourceURL)}
	if d, ok := n.Data.(map[string]any); ok {
		for _, key := range []string{"state", "status"} {
			if s, ok := d[key].(string); ok {
				m.State = s
			}
		}
	}
	if m.Resource == chaos.OnParticipants {
		q.rosters++
		m.FirstRoster = q.rosters == 1
	}
	return m
}

// class is the kind of resource a URL names.
func class(resourceURL string) string {
	parts := strings.Split(strings.TrimPrefix(resourceURL, "/communications/calls/"), "/")
	if len(parts) == 1 {
		return chaos.OnCall
	}
	return strings.ToLower(parts[1])
}

// Redirect sends what is enqueued from now on to another callback, as an answer or a rejection may ask for.
func (q *Queue) Redirect(callbackURI string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call.CallbackURI = callbackURI
}

// Number is the place of the queue among all of the sender, from 1.
func (q *Queue) Number() int64 { return q.number }

// First is closed when the first notification was accepted or given up.
func (q *Queue) First() <-chan struct{} { return q.first }

func (q *Queue) run() {
	for {
		batch, wait, more := q.next()
		switch {
		case !more:
			return
		case wait > 0:
			select {
			case <-q.wake:
			case <-time.After(wait):
			case <-q.sender.ctx.Done():
			}
		default:
			q.sender.deliver(batch)
			q.delivered(batch)
		}
	}
}

// delivered does what comes after a delivery: the second one of a duplicate.
func (q *Queue) delivered(batch []item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.done {
		q.done = true
		close(q.first)
	}
	for _, i := range batch {
		if i.Has(chaos.Duplicate) && !i.Has(chaos.Drop) {
			again := i
			again.Decision, again.Answered = chaos.Decision{}, nil
			again.Summary += ", again"
			q.add(again, min(1, len(q.pending)))
		}
	}
}

// next takes what is to be delivered now: usually one notification. It may ask to wait for others to come, and tells
// when there is nothing left to do.
func (q *Queue) next() (batch []item, wait time.Duration, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 || q.sender.ctx.Err() != nil {
		q.running = false
		return nil, 0, false
	}
	head := &q.pending[0]
	size := 1
	if !head.alone() {
		size = max(head.Batch, 1)
	}
	company := size
	if head.Has(chaos.Reorder) {
		company = max(size, 2)
	}
	if left := holdFor - time.Since(head.since); len(q.pending) < company && left > 0 {
		return nil, left, true
	}
	if head.Has(chaos.Reorder) && len(q.pending) > 1 {
		q.pending[0], q.pending[1] = q.pending[1], q.pending[0]
		q.pending[1].Kinds = slices.DeleteFunc(slices.Clone(q.pending[1].Kinds), func(k chaos.Kind) bool { return k == chaos.Reorder }) // once
	}
	for n := 0; n < size && len(q.pending) > 0; n++ {
		if n > 0 && (q.pending[0].alone() || q.pending[0].to != batch[0].to) {
			break
		}
		batch = append(batch, q.pending[0])
		q.pending = q.pending[1:]
	}
	return batch, 0, true
}

// entryOf is a notification as reference section 2.1 shows it, with the old aliases that real payloads still carry
// beside resourceUrl.
func entryOf(c Call, n Notification) map[string]any {
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
	return one
}

// envelope wraps notifications.
func envelope(items []item) []byte {
	var ones []string
	for _, i := range items {
		ones = append(ones, string(i.one))
	}
	return []byte(`{"@odata.type":"#microsoft.graph.commsNotifications","value":[` + strings.Join(ones, ",") + `]}`)
}
