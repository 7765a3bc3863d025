// SPDX-License-Identifier: Apache-2.0

package session

import (
	"flag"
	"testing"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var update = flag.Bool("update", false, "write the fixtures of test/gitops anew")

// TestStatusesThatGitOpsToolsJudge keeps the fixtures of test/gitops what the controller really writes: there, the tools' own
// code says what it makes of them.
func TestStatusesThatGitOpsToolsJudge(t *testing.T) {
	found, ready := botFacts{exists: true}, podWith("reception-0", 20, 3)
	session := func() *controllertest.SessionBuilder {
		return controllertest.Session("voice", "standup", "reception").UID("u").With(func(s *v1alpha1.MeetingSession) { s.Generation = 2 })
	}
	claimed := func() *controllertest.SessionBuilder {
		return session().BoundTo("reception-0").ClaimedBy("reception-0").Phase(v1alpha1.PhaseEstablished).
			Condition(v1alpha1.ConditionConnected, "True", v1alpha1.ReasonEstablished, "the bot is in the call")
	}
	cases := map[string]struct {
		session *controllertest.SessionBuilder
		facts   facts
	}{
		"scheduled": {session: session().Start(noon.Add(time.Hour)), facts: facts{bot: found}},
		"waiting":   {session: session(), facts: facts{bot: found, fleet: []podFacts{podWith("reception-0", 2, 2)}}},
		"stalled":   {session: session()},
		"connected": {session: claimed(), facts: facts{holder: &ready}},
		"finished":  {session: claimed().Ended(v1alpha1.EndMeetingEnded, false, false)},
		"failed":    {session: claimed().Ended(v1alpha1.EndMeetingNotFound, true, false)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := tc.session.Object()
			s := meetingSessions.subject(object)
			d := decide(s, tc.facts, noon)
			if d.verdict == place {
				d = *d.orElse
			}
			apply(s, d, noon)
			object.APIVersion, object.Kind = v1alpha1.GroupVersion.String(), "MeetingSession"
			controllertest.MatchGitOpsFixture(t, "meetingsession-"+name, object, *update)
		})
	}
}
