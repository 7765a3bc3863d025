// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/story"
)

// bury ends what a process that is gone left behind: the call in the meeting, which would be a ghost, and the record
// of it. A call with application-hosted media cannot be carried on by another process.
func (a *Agent) bury(s *subject, log logr.Logger) {
	if call := s.status.Call; call.ID != "" {
		ctx, cancel := context.WithTimeout(a.life, 20*time.Second)
		err := a.calls.HangUpRemote(ctx, string(call.TenantID), call.ID, call.ScenarioID)
		cancel()
		if err != nil {
			// The service ends it by itself when it finds no media behind it; the record must not wait for that.
			log.Error(err, "the call of an earlier process could not be hung up")
		}
	}
	now := a.clock.Now()
	_, err := a.settle(s, verdictBury, func(st *callfleetv1.CallStatus) {
		st.Recordings = story.MergeRecordings(st.Recordings, a.recordings.found[st.Call.ScenarioID])
		for i := range st.Recordings {
			if f := &st.Recordings[i]; f.State == callfleetv1.RecordingWriting {
				fail(f, callfleetv1.RecordingLost, "the process that wrote the file is gone, and the file with it")
			}
		}
		story.TellStored(st, s.generation())
		markLost(st, now, s.generation())
	})
	if err == nil {
		log.Info("ended the call of an earlier process")
	}
}

// markLost closes a call record whose process is gone; what was measured and who was there stays as it was last seen.
func markLost(st *callfleetv1.CallStatus, now time.Time, generation int64) {
	end := story.EndOf(callfleetv1.EndPodLost)
	st.Phase = callfleetv1.PhaseLeaving
	st.Call.End, st.Call.EndedTime = end, story.MicroTime(now)
	st.Timeline = story.Merge(st.Timeline, []callfleetv1.TimelineEvent{story.Event(now, string(end.Reason), "%s", end.Message)})
	for _, t := range []string{callfleetv1.ConditionConnected, callfleetv1.ConditionMediaFlowing} {
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{
			Type: t, Status: metav1.ConditionFalse, Reason: string(end.Reason), Message: end.Message, ObservedGeneration: generation,
		})
	}
}
