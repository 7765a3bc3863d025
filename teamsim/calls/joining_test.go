// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"net/url"
	"testing"
	"time"
)

func FuzzJoinReply(f *testing.F) {
	f.Add(200, []byte(`{"@odata.type":"#microsoft.graph.acceptJoinResponse"}`))
	f.Add(200, []byte(`{"@odata.type":"#microsoft.graph.rejectJoinResponse","reason":"Busy"}`))
	f.Add(200, []byte(`{"@odata.type":"#microsoft.graph.inviteNewBotResponse","inviteUri":"https://bots.contoso.com/calls"}`))
	f.Add(202, []byte(``))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := readJoin(status, body)
		if (r.outcome == "") == (r.invite == "") {
			t.Errorf("%d %s means both or neither: %+v", status, body, r)
		}
		if u, err := url.Parse(r.invite); r.invite != "" && (err != nil || u.Scheme != "https") {
			t.Errorf("invited to %q", r.invite)
		}
	})
}

func TestTheRecordingGateCoversWholeTimesOnly(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	r := recording{allowed: []interval{{at(10), at(20)}, {from: at(30)}}}
	for name, c := range map[string]struct {
		from, to int
		want     bool
	}{
		"before":              {5, 9, false},
		"from before":         {9, 12, false},
		"within":              {10, 20, true},
		"beyond the end":      {15, 21, false},
		"in between":          {22, 25, false},
		"across the break":    {15, 35, false},
		"in what still holds": {31, 1000, true},
	} {
		if got := r.covers(at(c.from), at(c.to)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
