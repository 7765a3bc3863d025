// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// MaxNotificationBytes bounds a notification body. A roster of a thousand people takes about one MiB.
const MaxNotificationBytes = 4 << 20

// ErrNotNotifications is what ParseNotifications answers to JSON that is something else, for instance the first
// message of a channel that still speaks the format of before Graph. The service re-sends that one in
// Graph's format when it is answered 204.
var ErrNotNotifications = errors.New("not a commsNotifications body")

// Notification is one entry of a commsNotifications body.
type Notification struct {
	ChangeType ChangeType
	Resource   Resource
	// TenantID is the tenant the body names, if any. The "tid" of the notification's token is to be trusted before it.
	TenantID    string
	CallbackURI string

	// What the notification carries, by Resource.Kind. All of it may be missing. Call is there for a participant who joins or has left too.
	Call         *Call
	Participants []Participant
	Operation    *Operation

	// Delta: Participants holds only those that changed since the delta numbered Sequence-1; who has left has a RemovedState.
	// Otherwise it is the whole roster.
	Delta    bool
	Sequence int64

	// Raw is the entry as it came, with the members this package does not know. It may hold secrets.
	Raw json.RawMessage
}

// String names the notification without its contents.
func (n Notification) String() string {
	return string(n.ChangeType) + " " + n.Resource.Kind.String() + " of call " + n.Resource.CallID
}

// MarshalLog keeps the contents of notifications out of structured logs.
func (n Notification) MarshalLog() any { return n.String() }

type notificationWire struct {
	ChangeType   ChangeType      `json:"changeType"`
	ResourceURL  string          `json:"resourceUrl"`
	Resource     string          `json:"resource"`
	CallbackURI  string          `json:"callbackUri"`
	ResourceData json.RawMessage `json:"resourceData"`
}

// ParseNotifications reads the body of a POST to a callbackUri. It fails only when the body as a whole is not
// what it should be; an entry it cannot make sense of is returned with KindUnknown and its Raw.
func ParseNotifications(body []byte) ([]Notification, error) {
	if len(body) > MaxNotificationBytes {
		return nil, fmt.Errorf("notification body of %d bytes, at most %d are read", len(body), MaxNotificationBytes)
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // a byte order mark, which .NET likes to send
	var envelope struct {
		Type  string            `json:"@odata.type"`
		Value []json.RawMessage `json:"value"`
	}
	switch err := decode(body, &envelope); {
	case err != nil:
		return nil, fmt.Errorf("notification body: %w", err)
	case !isObject(body):
		return nil, fmt.Errorf("notification body: %w: not a JSON object", ErrNotNotifications)
	case envelope.Value == nil:
		if recordedKind(envelope.Type) != KindUnknown {
			return []Notification{parseNotification(body)}, nil
		}
		return nil, fmt.Errorf("notification body: %w: no array named value", ErrNotNotifications)
	}
	notifications := make([]Notification, len(envelope.Value))
	for i, raw := range envelope.Value {
		notifications[i] = parseNotification(raw)
	}
	return notifications, nil
}

func parseNotification(raw json.RawMessage) Notification {
	var wire notificationWire
	if err := decode(raw, &wire); err != nil {
		return Notification{Raw: raw}
	}
	n := Notification{ChangeType: wire.ChangeType, CallbackURI: wire.CallbackURI, Raw: raw}
	if n.Resource = ParseResource(wire.ResourceURL); n.Resource.Kind == KindUnknown {
		n.Resource = ParseResource(wire.Resource)
	}
	data := wire.ResourceData
	if n.readRecorded(raw) || n.readRecorded(data) {
		return n
	}
	switch n.Resource.Kind {
	case KindCall:
		n.readCall(data)
	case KindParticipants:
		n.readParticipants(data)
	case KindOperation:
		n.readOperation(data)
	case KindUnknown:
		n.readByType(data)
	}
	return n
}

// readByType serves a notification whose resource URL is missing or of a form never seen: the data may still say what it is.
func (n *Notification) readByType(data json.RawMessage) {
	if !isObject(data) {
		return
	}
	var head struct {
		Type string `json:"@odata.type"`
		ID   string `json:"id"`
	}
	if decode(data, &head) != nil || head.ID == "" {
		return
	}
	if strings.EqualFold(typeName(head.Type), "call") {
		n.Resource = Resource{Kind: KindCall, CallID: head.ID}
		n.readCall(data)
	}
}

func (n *Notification) readCall(data json.RawMessage) {
	call := new(Call)
	if !isObject(data) || decode(data, call) != nil {
		return
	}
	if call.ID == "" {
		call.ID = n.Resource.CallID
	}
	n.Call = call
	n.TenantID = call.TenantID
	if n.TenantID == "" && call.Source != nil {
		if _, id := call.Source.Identity.Primary(); id != nil {
			n.TenantID = id.TenantID
		}
	}
}

func (n *Notification) readOperation(data json.RawMessage) {
	op := new(Operation)
	if !isObject(data) || decode(data, op) != nil {
		return
	}
	if op.ID == "" {
		op.ID = n.Resource.ID
	}
	n.Operation = op
}

// readParticipants tells the three shapes of roster data apart by what they are: an array is the whole roster, an object with
// a participants array is a delta, any other object is a single participant.
func (n *Notification) readParticipants(data json.RawMessage) {
	switch {
	case isArray(data):
		n.Participants = decodeParticipants(data)
	case isObject(data):
		var delta struct {
			Type           string          `json:"@odata.type"`
			SequenceNumber Sequence        `json:"sequenceNumber"`
			Participants   json.RawMessage `json:"participants"`
		}
		if decode(data, &delta) != nil {
			return
		}
		if strings.EqualFold(typeName(delta.Type), "deltaParticipants") || isArray(delta.Participants) {
			n.Delta, n.Sequence = true, int64(delta.SequenceNumber)
			if isArray(delta.Participants) {
				n.Participants = decodeParticipants(delta.Participants)
			}
			return
		}
		var one Participant
		if decode(data, &one) != nil {
			return
		}
		if one.ID == "" {
			one.ID = n.Resource.ID
		}
		n.Participants = []Participant{one}
	}
}

// decodeParticipants never returns nil: an empty roster is news, unlike a missing one.
func decodeParticipants(data json.RawMessage) []Participant {
	participants := []Participant{}
	if decode(data, &participants) != nil || participants == nil {
		return []Participant{}
	}
	return participants
}
