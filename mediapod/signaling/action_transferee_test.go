// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func TestATransfereeGetsTheIdentityOfTheRoster(t *testing.T) {
	jane := graph.IdentitySet{User: &graph.Identity{ID: "jane"}}
	joe := graph.IdentitySet{User: &graph.Identity{ID: "joe"}}
	s := Snapshot{Participants: []graph.Participant{{ID: "p1", Info: graph.ParticipantInfo{Identity: jane}}}}
	for name, c := range map[string]struct{ given, want *graph.ParticipantInfo }{
		"nobody":          {nil, nil},
		"by id":           {&graph.ParticipantInfo{ParticipantID: "p1"}, &graph.ParticipantInfo{ParticipantID: "p1", Identity: jane}},
		"with identity":   {&graph.ParticipantInfo{ParticipantID: "p1", Identity: joe}, &graph.ParticipantInfo{ParticipantID: "p1", Identity: joe}},
		"not in the list": {&graph.ParticipantInfo{ParticipantID: "p9"}, &graph.ParticipantInfo{ParticipantID: "p9"}},
		"by identity":     {&graph.ParticipantInfo{Identity: joe}, &graph.ParticipantInfo{Identity: joe}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, identified(s, c.given)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
