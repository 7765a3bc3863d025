// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

func TestMeetingsAreNamedInManyWays(t *testing.T) {
	tests := map[string]struct {
		change func(*admin.NewMeeting)
		how    func(admin.Meeting) callfleetv1.Meeting
	}{
		"short link": {how: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(m.ShortJoinURL)}
		}},
		"coordinates": {how: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{Coordinates: &callfleetv1.MeetingCoordinates{
				ThreadID: m.ThreadID, MessageID: m.MessageID, OrganizerID: callfleetv1.GUID(m.OrganizerID), TenantID: callfleetv1.GUID(m.TenantID),
			}}
		}},
		"channel meeting": {
			change: func(m *admin.NewMeeting) { m.Channel = true },
			how: func(m admin.Meeting) callfleetv1.Meeting {
				return callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(m.JoinURL)}
			},
		},
		"video teleconference id": {how: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{VideoTeleconferenceID: m.VTCID}
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var changes []func(*admin.NewMeeting)
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			m, _ := meeting(t, changes...)
			s := session(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.Meeting = tc.how(m) })
			awaitPhase(t, s, callfleetv1.PhaseEstablished)
			end(t, s)
			noGhosts(t, m)
		})
	}
}

func TestAGuestWaitsInTheLobbyUnderItsName(t *testing.T) {
	m, _ := meeting(t)
	s := session(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.GuestName = "Note taker" })
	awaitPhase(t, s, callfleetv1.PhaseInLobby)
	now := value[admin.Meeting](t)(world.Teams.Meeting(t.Context(), m.ID))
	var guest *admin.Participant
	for i, p := range now.Participants {
		if p.InLobby {
			guest = &now.Participants[i]
		}
	}
	if guest == nil || guest.DisplayName != "Note taker" {
		t.Fatalf("in the lobby is %s", inJSON(now.Participants))
	}
	must(t, world.Teams.Deny(t.Context(), m.ID, guest.ID))
	awaitEnd(t, s, callfleetv1.PhaseFailed, callfleetv1.EndLobbyDenied)
}

func TestABotMakesItsMeeting(t *testing.T) {
	organizer := uuid.NewString()
	must(t, world.Teams.PutPolicies(t.Context(), rig.TenantID, admin.Policies{Access: []admin.AccessPolicy{{AppID: rig.AppID}}}))
	t.Cleanup(func() { must(t, world.Teams.PutPolicies(cleaning(t), rig.TenantID, admin.Policies{})) })
	s := session(t, admin.Meeting{JoinURL: "https://x/"}, func(s *callfleetv1.MeetingSession) {
		s.Spec.Meeting = callfleetv1.Meeting{Create: &callfleetv1.NewMeeting{Organizer: callfleetv1.GUID(organizer), Subject: "Made by a bot"}}
	})
	awaitPhase(t, s, callfleetv1.PhaseEstablished)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name + "-meeting"}}
	must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	var made *admin.Meeting
	all := value[[]admin.Meeting](t)(world.Teams.Meetings(t.Context()))
	for i, m := range all {
		if m.OrganizerID == organizer {
			made = &all[i]
		}
	}
	if made == nil || made.Subject != "Made by a bot" || string(secret.Data["joinURL"]) != made.JoinURL {
		t.Errorf("the meeting is %s; the Secret holds %d bytes of a link", inJSON(made), len(secret.Data["joinURL"]))
	}
	end(t, s)
	if made != nil {
		must(t, world.Teams.EndMeeting(t.Context(), made.ID))
	}
}

func TestPeopleActInMeetings(t *testing.T) {
	operator(t)
	m, _ := meeting(t)
	alan := value[admin.Person](t)(world.Teams.AddPerson(t.Context(), m.ID, "Alan"))
	must(t, world.Teams.PutPolicies(t.Context(), rig.TenantID, admin.Policies{AllowRemove: []string{rig.AppID}}))
	t.Cleanup(func() { must(t, world.Teams.PutPolicies(cleaning(t), rig.TenantID, admin.Policies{})) })
	s := inMeeting(t, m)
	awaitStatus(t, s, "the roster", func(st *callfleetv1.CallStatus) bool { return st.Participants != nil && st.Participants.Count == 3 })
	find := func() (admin.Participant, bool) {
		for _, p := range value[admin.Meeting](t)(world.Teams.Meeting(t.Context(), m.ID)).Participants {
			if p.ID == alan.ID {
				return p, true
			}
		}
		return admin.Participant{}, false
	}
	for _, args := range [][]string{
		{"mute-participant", "ms/" + s.Name, "Alan"},
		{"hold", "start", "ms/" + s.Name, "Alan"},
		{"hold", "stop", "ms/" + s.Name, "Alan"},
		{"large-gallery", "ms/" + s.Name},
		{"remove-participant", "ms/" + s.Name, "Alan"},
	} {
		_, err := act(t, args...)
		must(t, err)
		if p, there := find(); args[0] == "mute-participant" && !p.Muted || args[0] == "remove-participant" && there {
			t.Errorf("after %v Alan is %s, there: %v", args, inJSON(p), there)
		}
	}
	awaitStatus(t, s, "who did it in the timeline", func(st *callfleetv1.CallStatus) bool {
		return strings.Count(inJSON(st.Timeline), "system:serviceaccount:"+rig.Namespace+":operator") >= 5
	})
	out := value[string](t)(callfleet(t, "calls", "--live"))
	if !strings.Contains(out, s.Name) {
		t.Errorf("kubectl callfleet calls does not list %s:\n%s", s.Name, out)
	}
}
