// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// told waits until the timeline has these events of the media, in this order and each but the first after the one before.
func told(t *testing.T, c call, want ...string) {
	t.Helper()
	awaitStatus(t, c, "the timeline to tell", func(st *callfleetv1.CallStatus) bool {
		left := want
		for _, e := range st.Timeline {
			if len(left) > 0 && e.Event == left[0] {
				left = left[1:]
			}
		}
		return len(left) == 0
	})
}

func onlyCall(t *testing.T, m admin.Meeting) admin.Call {
	t.Helper()
	live := slices.DeleteFunc(calls(t, m), func(c admin.Call) bool { return !c.Live() })
	if len(live) != 1 {
		t.Fatalf("%d live calls into the meeting: %+v", len(live), live)
	}
	return live[0]
}

// Nothing reaches the bot any more; its far side restarts ICE over another path, and people hear each other again, in the
// same call.
func TestMediaThatIsCutComesBackByAnICERestart(t *testing.T) {
	m, ada := meeting(t)
	s := inMeeting(t, m)
	clearVoice(t, "echo", speakAndListen(t, ada))
	awaitCondition(t, s, callfleetv1.ConditionMediaFlowing, metav1.ConditionTrue, callfleetv1.ReasonFlowing)
	cut := onlyCall(t, m)
	must(t, world.Teams.CutMedia(t.Context(), cut.ID, true))
	awaitCondition(t, s, callfleetv1.ConditionMediaFlowing, metav1.ConditionFalse, callfleetv1.ReasonWaitingForRestart)
	must(t, world.Teams.RestartMedia(t.Context(), cut.ID))
	awaitCondition(t, s, callfleetv1.ConditionMediaFlowing, metav1.ConditionTrue, callfleetv1.ReasonFlowing)
	clearVoice(t, "echo after the restart", speakAndListen(t, ada))
	told(t, s, "MediaFlowing", "MediaWaitingForRestart", "MediaFlowing")
	if now := onlyCall(t, m); now.ID != cut.ID || s.Status.Attempts != 1 {
		t.Errorf("the call is %s in attempt %d, want %s in the first", now.ID, s.Status.Attempts, cut.ID)
	}
	end(t, s)
	noGhosts(t, m)
}

// And if nobody restarts it, the bot leaves as the rules say, and says why.
func TestMediaThatStaysCutEndsTheCallByPolicy(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.Leave.MediaLostTimeout = ptr.To[callfleetv1.Duration]("2s")
		s.Spec.Rejoin = callfleetv1.Rejoin{Policy: callfleetv1.RejoinNever}
	})
	cut := onlyCall(t, m)
	must(t, world.Teams.CutMedia(t.Context(), cut.ID, true))
	awaitEnd(t, s, callfleetv1.PhaseFailed, callfleetv1.EndMediaLost)
	told(t, s, "MediaWaitingForRestart", "Failed")
	must(t, poll(t.Context(), patience, func() error {
		for _, c := range calls(t, m) {
			if c.ID == cut.ID && c.Live() {
				return errors.New("the service still has the call")
			}
		}
		return nil
	}))
	for _, c := range calls(t, m) {
		if c.ID == cut.ID && c.Result != nil && c.Result.Code != 200 && c.Result.Code != 0 {
			t.Errorf("the service ended the call: %+v; the bot was to leave it", c.Result)
		}
	}
	noGhosts(t, m)
}
