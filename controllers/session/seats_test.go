// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// taking is a session that takes so many seats, 1 to 3.
func taking(name string, seats int32) *subject {
	uses := []v1alpha1.Modality{v1alpha1.ModalityAudio, v1alpha1.ModalityVideo, v1alpha1.ModalityScreenSharing}[:seats]
	return meetingSessions.subject(controllertest.Session("voice", name, "reception").UID(name).With(func(s *v1alpha1.MeetingSession) {
		s.Spec.Modalities = uses
	}).Object())
}

func podWith(name string, capacity, taken int32) podFacts {
	return podFacts{name: podNamed(name), ready: true, capacity: capacity, taken: taken, revision: "new", media: &v1alpha1.Media{}, instance: name}
}

// placed plays what act does: the ledger knows how much of each pod is taken.
func placed(t *testing.T, s *subject, f facts) decision {
	t.Helper()
	ledger := placement.NewLedger()
	for _, p := range f.fleet {
		if p.taken > 0 {
			ledger.Observe(placement.Binding{Session: placement.Session{UID: taking(p.name.Name, 1).uid()}, Version: "1", Pod: p.name, Seats: p.taken})
		}
	}
	r := &Reconciler{ledger: ledger}
	return r.act(s, seek(s, f, nil))
}

func TestASessionGetsAsManySeatsAsItTakes(t *testing.T) {
	old := func(p podFacts) podFacts { p.revision = "old"; return p }
	renewed := func(p podFacts) podFacts { p.renewed = true; return p }
	video := func(p podFacts) podFacts {
		p.media = &v1alpha1.Media{Modalities: v1alpha1.Modalities{v1alpha1.ModalityAudio, v1alpha1.ModalityVideo}}
		return p
	}
	newest, spread := rules{newest: "new"}, rules{newest: "new", spread: true}
	plain := taking("plain", 1)
	plain.spec.Modalities = nil
	cases := map[string]struct {
		session *subject
		fleet   []podFacts
		rules   rules
		want    string
		seats   int32
	}{
		"the fullest pod with room for it":        {taking("s", 3), []podFacts{podWith("a", 20, 18), podWith("b", 20, 15), podWith("c", 20, 3)}, newest, "b", 3},
		"room for exactly it":                     {taking("s", 2), []podFacts{podWith("a", 20, 18), podWith("b", 20, 0)}, newest, "a", 2},
		"spread over the fleet":                   {taking("s", 1), []podFacts{podWith("a", 20, 18), podWith("b", 20, 3)}, spread, "b", 1},
		"the newest with room, full or not":       {taking("s", 1), []podFacts{old(podWith("a", 20, 19)), podWith("b", 20, 0)}, newest, "b", 1},
		"an older one when the newest have none":  {taking("s", 3), []podFacts{old(podWith("a", 20, 2)), podWith("b", 20, 18)}, newest, "a", 3},
		"not one that is about to be replaced":    {taking("s", 1), []podFacts{renewed(podWith("a", 20, 19)), podWith("b", 20, 0)}, newest, "b", 1},
		"nothing is newest before that is known":  {taking("s", 1), []podFacts{old(podWith("a", 20, 19)), podWith("b", 20, 0)}, rules{}, "a", 1},
		"by what calls of the pod use by default": {plain, []podFacts{video(podWith("a", 20, 19)), podWith("b", 20, 0)}, newest, "b", 1},
		"and takes there what they do":            {plain, []podFacts{video(podWith("a", 20, 18))}, newest, "a", 2},
		"seats scattered over the fleet are none": {taking("s", 3), []podFacts{podWith("a", 20, 18), podWith("b", 20, 18)}, newest, "", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := placed(t, tc.session, facts{bot: botFacts{exists: true}, fleet: tc.fleet, rules: tc.rules})
			if d.pod != tc.want || d.seats != tc.seats {
				t.Fatalf("%s: pod %q and %d seats, want %q and %d", d.verdict, d.pod, d.seats, tc.want, tc.seats)
			}
			if tc.want == "" {
				return
			}
			apply(tc.session, d, noon)
			if got := tc.session.binding(); got.Pod.Name != tc.want || got.Seats != tc.seats {
				t.Errorf("the binding that is counted: %+v", got)
			}
		})
	}
}

func TestWhatIsSaidWhenSeatsAreTooFew(t *testing.T) {
	cases := map[string]struct {
		fleet   []podFacts
		want    string
		stalled bool
	}{
		"together": {
			fleet: []podFacts{podWith("a", 4, 2), podWith("b", 4, 3)},
			want:  "no free seats: reception has 2 of 2 pods ready with 8 seats, and none has the 3 left that this session takes. The session gets the next seat",
		},
		"in any pod": {
			fleet: []podFacts{podWith("a", 2, 0)}, stalled: true,
			want: "No pod has as many, however empty: raise spec.capacity.seats of CallingBot reception, or let the session use less",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := placed(t, taking("s", 3), facts{bot: botFacts{exists: true}, fleet: tc.fleet})
			if d.verdict != wait || d.reason != v1alpha1.ReasonNoSeat || d.stalled != tc.stalled || !strings.Contains(d.message, tc.want) {
				t.Errorf("%s %s, stalled %v: %s", d.verdict, d.reason, d.stalled, d.message)
			}
		})
	}
}

func TestThoseAreWokenWhomThereIsRoomFor(t *testing.T) {
	r := roomOf([]podFacts{podWith("a", 4, 2), podWith("b", 4, 1), podWith("full", 4, 4)})
	var got []string
	for _, s := range []*subject{taking("first", 3), taking("big", 3), taking("second", 1), taking("third", 1), taking("fourth", 1)} {
		if rest, fits := r.take(s); fits {
			r = rest
			got = append(got, s.object.GetName())
		}
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, got); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}
	if len(r) != 0 {
		t.Errorf("%d pods still have room", len(r))
	}
}

func TestWhatWasSaidOfSeatsToComeGoesWithThem(t *testing.T) {
	for name, d := range map[string]decision{
		"bound":    {verdict: bind, pod: "a", seats: 1},
		"finished": {verdict: finish, end: &v1alpha1.CallEnd{Reason: v1alpha1.EndSessionDeleted}},
	} {
		t.Run(name, func(t *testing.T) {
			s := meetingSessions.subject(controllertest.Session("voice", "s", "reception").
				Condition(v1alpha1.ConditionCapacityReserved, "True", v1alpha1.ReasonPlanned, "").Object())
			apply(s, decision{verdict: wait, phase: v1alpha1.PhaseScheduled, reason: v1alpha1.ReasonScheduled}, noon)
			if s.condition(v1alpha1.ConditionCapacityReserved) == nil {
				t.Error("gone while the session is scheduled")
			}
			if apply(s, d, noon); s.condition(v1alpha1.ConditionCapacityReserved) != nil {
				t.Error("still there")
			}
		})
	}
}
