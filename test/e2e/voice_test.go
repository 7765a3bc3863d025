// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestAVoiceIsHeardAndTheStoryIsInTheStatus(t *testing.T) {
	m, ada := meeting(t)
	phases := watchPhases(t)
	s := inMeeting(t, m)
	clearVoice(t, "echo", speakAndListen(t, ada))
	awaitCondition(t, s, callfleetv1.ConditionMediaFlowing, metav1.ConditionTrue, callfleetv1.ReasonFlowing)
	end(t, s)

	st := s.Status
	if st.Participants == nil || st.Participants.Count != 2 {
		t.Errorf("participants %+v, want 2", st.Participants)
	}
	if a := st.Media.Audio; a.PacketsReceived < 100 || a.PacketsSent < 100 || a.Codec == "" || a.RoundTripMs < 1 || a.RoundTripMs > 1000 {
		t.Errorf("audio %+v, want packets both ways and a round trip", a)
	}
	if c := st.Call; c.ID == "" || c.ChainID == "" || c.ScenarioID == "" || c.EstablishedTime == nil || c.EndedTime == nil {
		t.Errorf("call record %+v is not complete", c)
	}
	want := []callfleetv1.CallPhase{
		callfleetv1.PhasePending, callfleetv1.PhaseAssigned, callfleetv1.PhaseJoining, callfleetv1.PhaseEstablished, callfleetv1.PhaseCompleted,
	}
	if got := phases(s); !inOrder(got, want[1:]) {
		t.Errorf("phases seen %v, want %v in this order", got, want[1:])
	}
	var story []string
	for _, e := range st.Timeline {
		story = append(story, e.Event)
	}
	for _, event := range []string{"Pending", "Assigned", "Claimed", "Established", "Completed"} {
		if !slices.Contains(story, event) {
			t.Errorf("timeline %v lacks %s", story, event)
		}
	}
	noGhosts(t, m)
}

// watchPhases records the phases that sessions go through.
func watchPhases(t *testing.T) func(*callfleetv1.MeetingSession) []callfleetv1.CallPhase {
	t.Helper()
	w, err := world.Client.Watch(t.Context(), &callfleetv1.MeetingSessionList{}, client.InNamespace("voice"))
	must(t, err)
	t.Cleanup(w.Stop)
	return func(s *callfleetv1.MeetingSession) (phases []callfleetv1.CallPhase) {
		for {
			select {
			case e, open := <-w.ResultChan():
				if !open {
					return phases
				}
				got, ok := e.Object.(*callfleetv1.MeetingSession)
				if ok && got.UID == s.UID && (len(phases) == 0 || phases[len(phases)-1] != got.Status.Phase) {
					phases = append(phases, got.Status.Phase)
				}
			case <-time.After(300 * time.Millisecond):
				return phases
			}
		}
	}
}

func inOrder(got, want []callfleetv1.CallPhase) bool {
	for _, g := range got {
		if len(want) > 0 && g == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

func TestJoiningByMeetingIDWaitsInTheLobby(t *testing.T) {
	m, ada := meeting(t, func(m *admin.NewMeeting) { m.Lobby = true })
	s := session(t, m, func(s *callfleetv1.MeetingSession) {
		id := m.JoinMeetingID
		s.Spec.Meeting = callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: id[:3] + " " + id[3:], Passcode: m.Passcode}}
	})
	awaitPhase(t, s, callfleetv1.PhaseInLobby)
	if c := calls(t, m); len(c) != 1 || !c[0].InLobby {
		t.Fatalf("calls %+v, want one in the lobby", c)
	}
	must(t, world.Teams.Admit(t.Context(), m.ID, calls(t, m)[0].ParticipantID))
	awaitPhase(t, s, callfleetv1.PhaseEstablished)
	clearVoice(t, "echo after the lobby", speakAndListen(t, ada))
}

func TestAPromptIsPlayed(t *testing.T) {
	m, ada := meeting(t)
	raw, prompt := speech(t, "prompt.wav")
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "prompts"}, BinaryData: map[string][]byte{"hello.wav": raw},
	})
	inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{
			ConfigMap: &callfleetv1.KeyReference{Name: "prompts", Key: "hello.wav"}, Loop: true,
		}}
	})
	length := time.Duration(len(prompt.Samples)) * time.Second / time.Duration(prompt.SampleRate)
	<-time.After(2*length + time.Second)
	clearVoice(t, "prompt", compare(t, ada, prompt))
}

func TestTheOrganizerEndsTheMeeting(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m)
	must(t, world.Teams.EndMeeting(t.Context(), m.ID))
	awaitPhase(t, s, callfleetv1.PhaseCompleted)
	if s.Status.EndReason != callfleetv1.EndMeetingEnded {
		t.Errorf("endReason %q, want MeetingEnded", s.Status.EndReason)
	}
}

func TestDeletingASessionHangsUpFirst(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m)
	out, err := world.Kubectl(t.Context(), "-n", "voice", "delete", "ms", s.Name, "--timeout=20s")
	must(t, err)
	if !strings.Contains(out, "deleted") {
		t.Errorf("kubectl said %q", out)
	}
	// kubectl returns when the object is gone; by then the bot must have left.
	for _, c := range calls(t, m) {
		if c.Live() {
			t.Errorf("call %s is still live although its session is gone", c.ID)
		}
	}
}
