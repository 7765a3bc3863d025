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

// subject is one object with a call in it.
type subject struct {
	kind   *kind
	object client.Object
	spec   *v1alpha1.CallSpec
	status *v1alpha1.CallStatus
	// start and end of the time in which the bot is in the call; nil: now, and never.
	start, end *metav1.Time
	// meeting is an opaque key of bot and meeting, never the meeting's secrets; empty: there is none.
	meeting string
	// shared: the bot may be in the meeting more than once.
	shared bool
	// incoming: the call came in. The media pod that answered it made the object and holds the call.
	incoming bool
	// answeredBy is the process that answered a call that came in; nil if that is not known.
	answeredBy *v1alpha1.AnsweringProcess
	// rings: another attempt would ring at somebody's again, and nobody asked for that.
	rings bool
	// direction is where to tell the direction; nil: the kind has none.
	direction *v1alpha1.CallDirection
}

// incomingTTL is how many seconds a call that came in is kept after its end if its rule does not say.
const incomingTTL = 3600

func (s *subject) uid() types.UID            { return s.object.GetUID() }
func (s *subject) key() types.NamespacedName { return client.ObjectKeyFromObject(s.object) }
func (s *subject) request() request          { return request{s.kind.name, s.key()} }
func (s *subject) bot() types.NamespacedName {
	return types.NamespacedName{Namespace: s.object.GetNamespace(), Name: s.spec.BotRef.Name}
}
func (s *subject) deleted() bool  { return s.object.GetDeletionTimestamp() != nil }
func (s *subject) finished() bool { return s.status.Phase.Finished() }
func (s *subject) bound() bool    { return s.status.MediaPod != "" }

// claimed: a process holds the call, or says how it ended.
func (s *subject) claimed() bool { return s.bound() && s.status.Call != nil && !s.orphaned() }

// untold: the call came in, and the process that answered it has not said yet that it holds it.
func (s *subject) untold() bool { return s.incoming && s.status.Call == nil && !s.finished() }

// holder is the process that holds the call, as far as that is known.
func (s *subject) holder() (mediaPod, instance string) {
	switch {
	case s.claimed():
		return s.status.MediaPod, s.status.Call.ClaimedBy
	case s.untold() && s.answeredBy != nil:
		return s.answeredBy.MediaPod, s.answeredBy.Instance
	}
	return s.status.MediaPod, ""
}

// adoptable: the service handles the media of a call that was made, and that therefore outlives the process that holds it.
func (s *subject) adoptable() bool {
	call := s.status.Call
	return call != nil && call.Hosting == v1alpha1.HostingService && call.ID != "" && call.End == nil && !s.finished()
}

// orphaned: the call goes on, and no process holds it.
func (s *subject) orphaned() bool { return s.adoptable() && s.status.Call.ClaimedBy == "" }

func (s *subject) finalized() bool {
	return controllerutil.ContainsFinalizer(s.object, v1alpha1.FinalizerHangUp)
}

// unowned: a call that came in belongs to its bot once it is over, so that it does not outlive it. Not before: deleting
// the bot in the foreground, as some GitOps tools do, deletes first what it owns, and would hang up on the caller.
func (s *subject) unowned() bool {
	return s.incoming && s.finished() && !s.deleted() && len(s.object.GetOwnerReferences()) == 0
}

// started reports whether the time has come for the bot to join.
func (s *subject) started(now time.Time) bool { return s.start == nil || !now.Before(s.start.Time) }

// over reports whether endTime has passed.
func (s *subject) over(now time.Time) bool { return s.end != nil && !now.Before(s.end.Time) }

// leaving reports whether the bot should not be in the call any more.
func (s *subject) leaving(now time.Time) bool {
	return s.deleted() || s.spec.DesiredState == v1alpha1.DesiredEnded || s.over(now)
}

// ttl is how long the object is kept after its end; nil: for good.
func (s *subject) ttl() *time.Duration {
	seconds := int32(incomingTTL)
	switch {
	case s.spec.TTLSecondsAfterFinished != nil:
		seconds = *s.spec.TTLSecondsAfterFinished
	case !s.incoming:
		return nil
	}
	ttl := time.Duration(seconds) * time.Second
	return &ttl
}

func (s *subject) condition(conditionType string) *metav1.Condition {
	for i := range s.status.Conditions {
		if s.status.Conditions[i].Type == conditionType {
			return &s.status.Conditions[i]
		}
	}
	return nil
}

// seeker is the session as the ledger knows it. Who waits to be taken over is in the meeting already.
func (s *subject) seeker() placement.Session {
	return placement.Session{UID: s.uid(), Name: s.key(), Meeting: s.meeting, Shared: s.shared || s.orphaned()}
}

// binding is this version of the session as the ledger counts it: a finished session names its last pod, and has no
// seat there.
func (s *subject) binding() placement.Binding {
	b := placement.Binding{Session: s.seeker(), Version: s.object.GetResourceVersion(), Inside: s.orphaned()}
	if s.bound() && !s.finished() {
		b.Pod, b.Seats = types.NamespacedName{Namespace: s.object.GetNamespace(), Name: s.status.MediaPod}, s.status.Seats
	}
	return b
}
