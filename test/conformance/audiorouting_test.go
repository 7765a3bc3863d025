// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

// routed is a meeting in which the bot alone hears Ada.
func (s *service) routed() (callID string, group *graph.AudioRoutingGroup) {
	s.Helper()
	id, ada, _ := s.join()
	group, err := s.graph.CreateAudioRoutingGroup(s.Context(), scenario, id, graph.AudioRoutingGroup{
		RoutingMode: graph.RoutingMulticast, Sources: []string{ada.ID}, Receivers: []string{s.call(id).ParticipantID},
	})
	s.must(err)
	return id, group
}

func TestCreateAudioRoutingGroup(t *testing.T) {
	s := start(t)
	id, group := s.routed()
	if group.ID == "" || group.RoutingMode != graph.RoutingMulticast || len(group.Sources) != 1 {
		t.Errorf("made as %+v", group)
	}
	_, err := s.graph.CreateAudioRoutingGroup(t.Context(), scenario, id, graph.AudioRoutingGroup{RoutingMode: graph.RoutingOneToOne, Sources: group.Sources})
	refused(t, err, http.StatusBadRequest, graph.ReasonRequestRejected)
}

func TestListAudioRoutingGroups(t *testing.T) {
	s := start(t)
	id, group := s.routed()
	all, err := s.graph.ListAudioRoutingGroups(t.Context(), scenario, id)
	s.must(err)
	if diff := cmp.Diff([]graph.AudioRoutingGroup{*group}, all); diff != "" {
		t.Error(diff)
	}
}

func TestGetAudioRoutingGroup(t *testing.T) {
	s := start(t)
	id, group := s.routed()
	read, err := s.graph.GetAudioRoutingGroup(t.Context(), scenario, id, group.ID)
	s.must(err)
	if diff := cmp.Diff(group, read); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateAudioRoutingGroup(t *testing.T) {
	s := start(t)
	id, group := s.routed()
	change := *group
	change.Sources, change.Receivers = group.Receivers, group.Sources
	s.must(s.graph.UpdateAudioRoutingGroup(t.Context(), scenario, id, group.ID, change))
	read, err := s.graph.GetAudioRoutingGroup(t.Context(), scenario, id, group.ID)
	s.must(err)
	if diff := cmp.Diff(&change, read); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteAudioRoutingGroup(t *testing.T) {
	s := start(t)
	id, group := s.routed()
	s.must(s.graph.DeleteAudioRoutingGroup(t.Context(), scenario, id, group.ID))
	if _, err := s.graph.GetAudioRoutingGroup(t.Context(), scenario, id, group.ID); !graph.IsNotFound(err) {
		t.Errorf("still there: %v", err)
	}
}
