// SPDX-License-Identifier: Apache-2.0

package session

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// kind is what the reconciler has to be told about a kind of call. Everything else works on the CallSpec and CallStatus
// that all kinds embed.
type kind struct {
	// name in requests and logs.
	name string
	// noun in messages.
	noun    string
	new     func() client.Object
	newList func() client.ObjectList
	// look at an object of the kind.
	look func(client.Object) subject
	// items of a list made by newList, not copied.
	items func(client.ObjectList) []client.Object
}

// request names an object of either kind: both wait in one queue, because they wait for the same seats.
type request struct {
	kind string
	types.NamespacedName
}

// kinds of call.
var kinds = []*kind{meetingSessions, calls}

// meetingSessions is the adapter of MeetingSession.
var meetingSessions = &kind{
	name:    "MeetingSession",
	noun:    "session",
	new:     func() client.Object { return &v1alpha1.MeetingSession{} },
	newList: func() client.ObjectList { return &v1alpha1.MeetingSessionList{} },
	look:    meetingSession,
	items: func(l client.ObjectList) []client.Object {
		return pointers[v1alpha1.MeetingSession](l.(*v1alpha1.MeetingSessionList).Items)
	},
}

// calls is the adapter of Call.
var calls = &kind{
	name:    "Call",
	noun:    "call",
	new:     func() client.Object { return &v1alpha1.Call{} },
	newList: func() client.ObjectList { return &v1alpha1.CallList{} },
	look:    call,
	items: func(l client.ObjectList) []client.Object {
		return pointers[v1alpha1.Call](l.(*v1alpha1.CallList).Items)
	},
}

func meetingSession(o client.Object) subject {
	ms := o.(*v1alpha1.MeetingSession)
	return subject{
		object: ms, spec: &ms.Spec.CallSpec, status: &ms.Status.CallStatus,
		start: ms.Spec.StartTime, end: ms.Spec.EndTime,
		meeting: meetingKey(ms.Namespace, ms.Spec.BotRef.Name, ms.Spec.Meeting),
		shared:  ms.Spec.AllowDuplicates,
	}
}

func call(o client.Object) subject {
	c := o.(*v1alpha1.Call)
	s := subject{
		object: c, spec: &c.Spec.CallSpec, status: &c.Status.CallStatus,
		incoming: c.Spec.Incoming != nil, rings: !ringsAgain(c), direction: &c.Status.Direction,
	}
	if s.incoming {
		s.answeredBy = c.Spec.Incoming.AnsweredBy
	}
	return s
}

// ringsAgain: the user wants everybody called again when a group call is lost. Without being asked nobody should be: a group call has
// no chat to come back by (Graph, "Create call"), so that those who are still in it would be called into a second one.
func ringsAgain(c *v1alpha1.Call) bool {
	return len(c.Spec.To) > 1 && c.Spec.Rejoin.Policy == v1alpha1.RejoinRingAgain
}

// subject looks at an object of the kind; writes to the subject's status are writes to the object.
func (k *kind) subject(o client.Object) *subject {
	s := k.look(o)
	s.kind = k
	return &s
}

func kindNamed(name string) *kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

func pointers[T any, P interface {
	*T
	client.Object
}](list []T) []client.Object {
	items := make([]client.Object, len(list))
	for i := range list {
		items[i] = P(&list[i])
	}
	return items
}
