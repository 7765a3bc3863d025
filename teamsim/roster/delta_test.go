// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

func TestDeltaHasWhatChangedAndNothingElse(t *testing.T) {
	at := func(id string, sequence int64) meeting.Participant {
		return meeting.Participant{ID: id, Sequence: sequence}
	}
	type step struct {
		seen []meeting.Participant
		want Delta
		news bool
	}
	for name, steps := range map[string][]step{
		"the first has all": {
			{[]meeting.Participant{at("a", 1), at("b", 2)}, Delta{1, []meeting.Participant{at("a", 1), at("b", 2)}, nil}, true},
		},
		"a change": {
			{[]meeting.Participant{at("a", 1), at("b", 2)}, Delta{1, []meeting.Participant{at("a", 1), at("b", 2)}, nil}, true},
			{[]meeting.Participant{at("a", 3), at("b", 2)}, Delta{2, []meeting.Participant{at("a", 3)}, nil}, true},
		},
		"somebody leaves and comes back": {
			{[]meeting.Participant{at("a", 1), at("b", 2)}, Delta{1, []meeting.Participant{at("a", 1), at("b", 2)}, nil}, true},
			{[]meeting.Participant{at("a", 1)}, Delta{2, nil, []meeting.Participant{at("b", 2)}}, true},
			{[]meeting.Participant{at("a", 1), at("b", 4)}, Delta{3, []meeting.Participant{at("b", 4)}, nil}, true},
		},
		"nothing new takes no number": {
			{[]meeting.Participant{at("a", 1)}, Delta{1, []meeting.Participant{at("a", 1)}, nil}, true},
			{[]meeting.Participant{at("a", 1)}, Delta{}, false},
			{[]meeting.Participant{at("a", 2)}, Delta{2, []meeting.Participant{at("a", 2)}, nil}, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var tracker Tracker
			for i, s := range steps {
				got, news := tracker.Next(s.seen)
				if news != s.news {
					t.Errorf("step %d: news is %v", i, news)
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
