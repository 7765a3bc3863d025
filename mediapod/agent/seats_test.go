// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestThePodCountsSeatsByWhatCallsUse(t *testing.T) {
	b := newBench(t, 4)
	video := func(s *callfleetv1.MeetingSession) {
		s.Spec.Modalities = callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityVideo}
	}
	b.awaitSession(b.bind(b.session("seen", video)), "Established", established)
	b.awaitPod("two seats to be used", func(mp *callfleetv1.MediaPod) bool {
		return mp.Status.Calls == 1 && mp.Status.Seats == callfleetv1.Seats{Capacity: 4, Used: 2, Free: 2}
	})

	// What the binder counted is what counts.
	s := b.session("counted")
	b.patch(s, func(st *callfleetv1.CallStatus) { st.Seats = 3 })
	st := b.awaitSession(b.bind(s), "a refusal", func(st callfleetv1.CallStatus) bool { return refused(&subject{status: &st}) })
	if why := st.Timeline[len(st.Timeline)-1].Detail; !strings.Contains(why, "the call takes 3 seats, and 2 of 4 are free") {
		t.Errorf("refused because %q", why)
	}
	b.awaitSession(b.bind(b.session("heard")), "Established", established)
	b.awaitPod("three seats to be used", func(mp *callfleetv1.MediaPod) bool { return mp.Status.Seats.Used == 3 && mp.Status.Seats.Free == 1 })
}

func TestAnIncomingCallTakesWhatItsRuleUses(t *testing.T) {
	plain := callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer}
	recording := callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{Recording: &callfleetv1.RecordingBehavior{}}}
	cases := map[string]struct {
		rules []callfleetv1.IncomingRule
		seats int32
		full  bool
	}{
		"a plain one":                             {[]callfleetv1.IncomingRule{plain}, 1, false},
		"a recorded one, of which there is half":  {[]callfleetv1.IncomingRule{recording}, 1, true},
		"a recorded one":                          {[]callfleetv1.IncomingRule{recording}, 2, false},
		"one of which is not known what it takes": {[]callfleetv1.IncomingRule{recording, plain}, 1, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pod := controllertest.MediaPod("voice", "reception", 0).Object()
			pod.Spec.Capacity.Seats = tc.seats
			a := &Agent{pod: pod, health: health{ready: true}, book: &rulebook{rules: tc.rules}, listed: map[*kind]bool{meetingSessions: true, calls: true}}
			if got := a.full(); got != tc.full {
				t.Errorf("full: %v", got)
			}
		})
	}
}
