// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// kind is what the reconciler has to be told about a kind of call. Everything else works on the CallSpec and CallStatus
// that all kinds embed.
type kind struct {
	// name of the controller, in logs and metrics.
	name    string
	new     func() client.Object
	newList func() client.ObjectList
	// subject looks at an object of the kind; writes to the subject's status are writes to the object.
	subject func(client.Object) *subject
	// items of a list made by newList, not copied.
	items func(client.ObjectList) []client.Object
}

// subject is one object with a call in it.
type subject struct {
	object client.Object
	spec   *v1alpha1.CallSpec
	status *v1alpha1.CallStatus
	// start and end of the time in which the bot is in the call; nil: now, and never.
	start, end *metav1.Time
	// meeting is an opaque key of bot and meeting, never the meeting's secrets; empty: the kind knows no meetings.
	meeting string
	// shared: the bot may be in the meeting more than once.
	shared bool
}

// meetingSessions is the adapter of MeetingSession.
var meetingSessions = kind{
	name:    "meetingsession",
	new:     func() client.Object { return &v1alpha1.MeetingSession{} },
	newList: func() client.ObjectList { return &v1alpha1.MeetingSessionList{} },
	subject: func(o client.Object) *subject {
		ms := o.(*v1alpha1.MeetingSession)
		return &subject{
			object: ms, spec: &ms.Spec.CallSpec, status: &ms.Status.CallStatus,
			start: ms.Spec.StartTime, end: ms.Spec.EndTime,
			meeting: meetingKey(ms.Namespace, ms.Spec.BotRef.Name, ms.Spec.Meeting),
			shared:  ms.Spec.AllowDuplicates,
		}
	},
	items: func(l client.ObjectList) []client.Object {
		list := l.(*v1alpha1.MeetingSessionList)
		items := make([]client.Object, len(list.Items))
		for i := range list.Items {
			items[i] = &list.Items[i]
		}
		return items
	},
}

func (s *subject) uid() types.UID            { return s.object.GetUID() }
func (s *subject) key() types.NamespacedName { return client.ObjectKeyFromObject(s.object) }
func (s *subject) bot() types.NamespacedName {
	return types.NamespacedName{Namespace: s.object.GetNamespace(), Name: s.spec.BotRef.Name}
}
func (s *subject) deleted() bool  { return s.object.GetDeletionTimestamp() != nil }
func (s *subject) finished() bool { return s.status.Phase.Finished() }
func (s *subject) bound() bool    { return s.status.MediaPod != "" }
func (s *subject) claimed() bool  { return s.bound() && s.status.Call != nil }
func (s *subject) finalized() bool {
	return controllerutil.ContainsFinalizer(s.object, v1alpha1.FinalizerHangUp)
}

// started reports whether the time has come for the bot to join.
func (s *subject) started(now time.Time) bool { return s.start == nil || !now.Before(s.start.Time) }

// over reports whether endTime has passed.
func (s *subject) over(now time.Time) bool { return s.end != nil && !now.Before(s.end.Time) }

// leaving reports whether the bot should not be in the call any more.
func (s *subject) leaving(now time.Time) bool {
	return s.deleted() || s.spec.DesiredState == v1alpha1.DesiredEnded || s.over(now)
}

func (s *subject) condition(conditionType string) *metav1.Condition {
	for i := range s.status.Conditions {
		if s.status.Conditions[i].Type == conditionType {
			return &s.status.Conditions[i]
		}
	}
	return nil
}

// seeker is the session as the ledger knows it.
func (s *subject) seeker() placement.Session {
	return placement.Session{UID: s.uid(), Name: s.key(), Meeting: s.meeting, Shared: s.shared}
}

// binding is this version of the session as the ledger counts it: a finished session names its last pod, and has no
// seat there.
func (s *subject) binding() placement.Binding {
	b := placement.Binding{Session: s.seeker(), Version: s.object.GetResourceVersion()}
	if s.bound() && !s.finished() {
		b.Pod = types.NamespacedName{Namespace: s.object.GetNamespace(), Name: s.status.MediaPod}
	}
	return b
}
