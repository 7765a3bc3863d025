// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"strings"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestTheLocalTeamsTellsWhatIsSecret(t *testing.T) {
	s := start(t)
	m, channel := s.meeting(nil), s.meeting(func(m *admin.NewMeeting) { m.Channel = true })
	s.join(joinBody(m, newBot(t, s).trusted()))
	known, err := s.admin.Secrets(t.Context())
	s.must(err)
	_, signature, _ := strings.Cut(s.token[strings.IndexByte(s.token, '.')+1:], ".")
	for text, what := range map[string]string{
		secret: "client secret", signature: "access token", whipToken: "media token", m.Passcode: "passcode",
		strings.TrimSuffix(strings.TrimPrefix(m.ThreadID, "19:meeting_"), "@thread.v2"):  "join link's thread",
		strings.TrimSuffix(strings.TrimPrefix(channel.ThreadID, "19:"), "@thread.tacv2"): "join link's thread",
	} {
		if known[text] != what {
			t.Errorf("%q is said to be %q, want %q", text, known[text], what)
		}
	}
	joins := 0
	for _, what := range known {
		if what == "join token" {
			joins++
		}
	}
	if joins != 2 {
		t.Errorf("%d join tokens are known of two meetings", joins)
	}
}
