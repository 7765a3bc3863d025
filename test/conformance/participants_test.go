// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"testing"

	"github.com/callfleet/callfleet/graph"
)

func TestListParticipants(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	roster, err := s.graph.ListParticipants(t.Context(), scenario, id)
	s.must(err)
	if len(roster) != 2 {
		t.Errorf("%d participants, want Ada and the bot", len(roster))
	}
	for _, p := range roster {
		if !graph.SameID(p.ID, ada.ID) && !named("Reception")(p) {
			t.Errorf("a stranger: %+v", p)
		}
		if len(p.MediaStreams) == 0 || p.MediaStreams[0].MediaType != graph.ModalityAudio || p.MediaStreams[0].SourceID == "" {
			t.Errorf("streams %+v", p.MediaStreams)
		}
	}
	one, _ := s.answered()
	if roster, err := s.graph.ListParticipants(t.Context(), scenario, one); err != nil || len(roster) != 0 {
		t.Errorf("the roster of a call between two is not empty: %v, %v", roster, err)
	}
}

func TestGetParticipant(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	p, err := s.graph.GetParticipant(t.Context(), scenario, id, ada.ID)
	s.must(err)
	if p.ID != ada.ID || !named("Ada")(*p) {
		t.Errorf("read as %+v", p)
	}
	_, err = s.graph.GetParticipant(t.Context(), scenario, id, "e141b67c-90fd-455d-858b-b48a40b9cc8d")
	refused(t, err, http.StatusNotFound, graph.ReasonParticipantNotFound)
}

func TestMuteParticipant(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	op, err := s.graph.MuteParticipant(t.Context(), scenario, id, ada.ID, "context")
	s.must(err)
	done(t, op, "muteParticipantOperation")
	s.bot.waitRoster("Ada muted", id, func(p graph.Participant) bool { return p.ID == ada.ID && p.IsMuted })
}

func TestStartHoldMusic(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	op, err := s.graph.StartHoldMusic(t.Context(), scenario, id, ada.ID, &graph.MediaInfo{URI: s.bot.file("hold.wav", tone(1))}, "context")
	s.must(err)
	begun(t, op, "startHoldMusicOperation")
	succeeded(t, s.bot.waitEnd(id, op))
	_, err = s.graph.StartHoldMusic(t.Context(), scenario, id, ada.ID, nil, "context")
	refused(t, err, http.StatusBadRequest, graph.ReasonRequestRejected) // one at a time
}

func TestStopHoldMusic(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	op, err := s.graph.StartHoldMusic(t.Context(), scenario, id, ada.ID, nil, "context")
	s.must(err)
	succeeded(t, s.bot.waitEnd(id, op))
	op, err = s.graph.StopHoldMusic(t.Context(), scenario, id, ada.ID, "context")
	s.must(err)
	begun(t, op, "stopHoldMusicOperation")
	succeeded(t, s.bot.waitEnd(id, op))
}

func TestGetOperation(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	op, err := s.graph.StartHoldMusic(t.Context(), scenario, id, ada.ID, nil, "context")
	s.must(err)
	succeeded(t, s.bot.waitEnd(id, op))
	read, err := s.graph.GetOperation(t.Context(), scenario, id, op.ID)
	s.must(err)
	if read.ID != op.ID || read.Type != op.Type {
		t.Errorf("read as %+v", *read)
	}
	succeeded(t, read)
}

func withScreenSharing(call *graph.Call) {
	call.RequestedModalities = append(call.RequestedModalities, graph.ModalityVideoScreenSharing)
}

// sharing is a meeting in which the bot shares its screen.
func (s *service) sharing() (callID, sessionID string) {
	s.Helper()
	id, _, _ := s.join(s.appHosted, withScreenSharing)
	s.must(s.graph.ChangeScreenSharingRole(s.Context(), scenario, id, graph.ScreenSharingSharer))
	s.bot.waitRoster("a screen that is shared", id, func(p graph.Participant) bool {
		for _, m := range p.MediaStreams {
			if m.MediaType == graph.ModalityVideoScreenSharing && (m.Direction == graph.MediaSendOnly || m.Direction == graph.MediaSendReceive) {
				return true
			}
		}
		return false
	})
	sessions, err := s.graph.ListContentSharingSessions(s.Context(), scenario, id)
	s.must(err)
	if len(sessions) != 1 || sessions[0].ID == "" {
		s.Fatalf("sessions %+v", sessions)
	}
	return id, sessions[0].ID
}

func TestChangeScreenSharingRole(t *testing.T) {
	s := start(t)
	id, _ := s.sharing()
	s.must(s.graph.ChangeScreenSharingRole(t.Context(), scenario, id, graph.ScreenSharingViewer))
	serviceHosted, _, _ := s.join()
	audio, _, _ := s.join(s.appHosted)
	refused(t, s.graph.ChangeScreenSharingRole(t.Context(), scenario, audio, graph.ScreenSharingSharer), http.StatusBadRequest, graph.ReasonRequestRejected)
	refused(t, s.graph.ChangeScreenSharingRole(t.Context(), scenario, serviceHosted, graph.ScreenSharingSharer), http.StatusBadRequest, graph.ReasonRequestRejected)
}

func TestListContentSharingSessions(t *testing.T) {
	s := start(t)
	id, _ := s.sharing()
	s.must(s.graph.ChangeScreenSharingRole(t.Context(), scenario, id, graph.ScreenSharingViewer))
	if sessions, err := s.graph.ListContentSharingSessions(t.Context(), scenario, id); err != nil || len(sessions) != 0 {
		t.Errorf("nobody shares any more: %+v %v", sessions, err)
	}
}

func TestGetContentSharingSession(t *testing.T) {
	s := start(t)
	id, session := s.sharing()
	read, err := s.graph.GetContentSharingSession(t.Context(), scenario, id, session)
	s.must(err)
	if read.ID != session {
		t.Errorf("read as %+v", read)
	}
}

func TestAddLargeGalleryView(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	op, err := s.graph.AddLargeGalleryView(t.Context(), scenario, id, "context")
	s.must(err)
	begun(t, op, "addLargeGalleryViewOperation")
	succeeded(t, s.bot.waitEnd(id, op))
	p := s.bot.waitRoster("the gallery", id, func(p graph.Participant) bool {
		return p.Info.Identity.Application != nil && p.Info.Identity.Application.ApplicationType == "LargeGallery-V2"
	})
	if p.Metadata == "" {
		t.Errorf("without metadata: %+v", p)
	}
}
