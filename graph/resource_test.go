// SPDX-License-Identifier: Apache-2.0

package graph

import "testing"

func TestParseResource(t *testing.T) {
	for raw, want := range map[string]Resource{
		"/communications/calls/c1": {Kind: KindCall, CallID: "c1"},
		"communications/calls/c1/": {Kind: KindCall, CallID: "c1"},
		"/app/calls/c1":            {Kind: KindCall, CallID: "c1"},
		"/Communications/Calls/C1": {Kind: KindCall, CallID: "C1"},
		"https://graph.microsoft.com/v1.0/communications/calls/c1?x=y": {Kind: KindCall, CallID: "c1"},
		"https://graph.microsoft.com/beta/app/calls/c1/participants":   {Kind: KindParticipants, CallID: "c1"},
		"/communications/calls('c1')":                                  {Kind: KindCall, CallID: "c1"},
		"/communications/calls/c1/participants/p1":                     {Kind: KindParticipants, CallID: "c1", ID: "p1"},
		"/communications/calls/c1/operations/o1":                       {Kind: KindOperation, CallID: "c1", ID: "o1"},
		"/communications/calls/c1/contentsharingsessions":              {Kind: KindContentSharing, CallID: "c1"},
		"/communications/calls/c1/audioRoutingGroups/g1":               {Kind: KindAudioRoutingGroup, CallID: "c1", ID: "g1"},
		"/communications/calls/c1/somethingNew":                        {Kind: KindUnknown, CallID: "c1"},
		"/communications/calls/a%2Fb":                                  {Kind: KindCall, CallID: "a/b"},
		"/communications/calls/":                                       {},
		"/communications/calls":                                        {},
		"/communications/calls()":                                      {},
		"/users/u":                                                     {},
		"":                                                             {},
	} {
		if got := ParseResource(raw); got != want {
			t.Errorf("ParseResource(%q) = %+v, want %+v", raw, got, want)
		}
	}
}

func TestSameID(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"57dab8b1-894c-409a-b240-bd8beae78896", "57DAB8B1894C409AB240BD8BEAE78896", true},
		{"a", "A", true},
		{"a-", "-a", true},
		{"a", "b", false},
		{"a", "ab", false},
		{"ab", "a", false},
		{"", "", false},
		{"-", "", false},
		{"a", "", false},
	} {
		if got := SameID(c.a, c.b); got != c.same {
			t.Errorf("SameID(%q, %q) = %v", c.a, c.b, got)
		}
		if c.a != "" && (NormalID(c.a) == NormalID(c.b) && NormalID(c.a) != "") != c.same {
			t.Errorf("NormalID disagrees about %q and %q", c.a, c.b)
		}
	}
}

func TestCallStateRank(t *testing.T) {
	order := []CallState{"somethingNew", StateIncoming, StateEstablishing, StateRinging, StateEstablished, StateTransferring, StateTerminating, StateTerminated}
	for i := 1; i < len(order); i++ {
		if order[i-1].Rank() >= order[i].Rank() {
			t.Errorf("%s does not rank below %s", order[i-1], order[i])
		}
	}
	if StateHold.Rank() != StateEstablished.Rank() {
		t.Error("a call goes back and forth between hold and established")
	}
}
