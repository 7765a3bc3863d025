// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// kind is what the agent has to be told about a kind of call. Everything else works on the CallSpec and CallStatus that
// all kinds embed.
type kind struct {
	name     string
	resource string // as the API server spells it
	// empty makes an object to be filled in.
	empty func() client.Object
	// subject looks at an object of the kind; writes to the subject's status are writes to the object.
	subject func(client.Object) *subject
}

// subject is one version of one object with a call in it.
type subject struct {
	kind   *kind
	object client.Object
	spec   *callfleetv1.CallSpec
	status *callfleetv1.CallStatus
	// uid ties the object to its call: it is part of the call's callback address.
	uid string
	// end of the time in which the bot is in the call; nil: never.
	end *metav1.Time

	// One of the two is set.
	session *callfleetv1.MeetingSession
	call    *callfleetv1.Call
}

var kinds = []*kind{meetingSessions, calls}

// meetingSessions is the adapter of MeetingSession.
var meetingSessions = &kind{
	name: "MeetingSession", resource: client.MeetingSessions,
	empty: func() client.Object { return &callfleetv1.MeetingSession{} },
}

// calls is the adapter of Call.
var calls = &kind{
	name: "Call", resource: client.Calls,
	empty: func() client.Object { return &callfleetv1.Call{} },
}

func init() { // the kinds and their subjects know each other
	meetingSessions.subject = func(o client.Object) *subject {
		ms := o.(*callfleetv1.MeetingSession)
		return &subject{
			kind: meetingSessions, object: ms, spec: &ms.Spec.CallSpec, status: &ms.Status.CallStatus,
			uid: string(ms.UID), end: ms.Spec.EndTime, session: ms,
		}
	}
	calls.subject = func(o client.Object) *subject {
		c := o.(*callfleetv1.Call)
		s := &subject{kind: calls, object: c, spec: &c.Spec.CallSpec, status: &c.Status.CallStatus, uid: string(c.UID), call: c}
		if in := c.Spec.Incoming; in != nil {
			s.uid = incomingUID(in.ID)
		}
		return s
	}
}

// incomingUID is known before there is an object, and the same in every pod of the bot.
func incomingUID(callID string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("callfleet.dev/incoming/"+graph.NormalID(callID))).String()
}

// incomingName is the name of the Call made for a call that came in.
func incomingName(bot, callID string) string {
	sum := sha256.Sum256([]byte(graph.NormalID(callID)))
	return bot + "-" + hex.EncodeToString(sum[:5])
}

func (s *subject) name() string      { return s.object.GetName() }
func (s *subject) version() string   { return s.object.GetResourceVersion() }
func (s *subject) generation() int64 { return s.object.GetGeneration() }
func (s *subject) deleted() bool     { return s.object.GetDeletionTimestamp() != nil }

// incoming: the call came in, and a pod of the bot made the object for it.
func (s *subject) incoming() bool { return s.call != nil && s.call.Spec.Incoming != nil }

// copy is another one that may be changed.
func (s *subject) copy() *subject {
	return s.kind.subject(s.object.DeepCopyObject().(client.Object))
}

// direct tells which way a Call goes.
func (s *subject) direct() {
	switch {
	case s.call == nil:
	case s.incoming():
		s.call.Status.Direction = callfleetv1.CallIncoming
	default:
		s.call.Status.Direction = callfleetv1.CallOutgoing
	}
}

// sameStatus compares what a write would change.
func sameStatus(a, b *subject) bool {
	if a.call != nil {
		return equal(a.call.Status, b.call.Status)
	}
	return equal(a.session.Status, b.session.Status)
}
