// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRulesStrikeWhatTheyMatchAsOftenAsTold(t *testing.T) {
	established := Message{AppID: "A", Queue: 1, Seq: 1, ChangeType: "updated", Resource: OnCall, State: "established"}
	roster := Message{AppID: "A", Queue: 1, Seq: 2, ChangeType: "updated", Resource: OnParticipants, FirstRoster: true}
	for name, c := range map[string]struct {
		rule     Rule
		messages []Message
		want     []bool
	}{
		"once by default":             {Rule{Kind: Drop}, []Message{established, established}, []bool{true, false}},
		"so many times":               {Rule{Kind: Drop, Count: 2}, []Message{established, established, established}, []bool{true, true, false}},
		"always":                      {Rule{Kind: Drop, Probability: 1}, []Message{established, established, established}, []bool{true, true, true}},
		"of an app":                   {Rule{Kind: Drop, AppID: "b"}, []Message{established}, []bool{false}},
		"of an app, in any case":      {Rule{Kind: Drop, AppID: "a"}, []Message{established}, []bool{true}},
		"of a state":                  {Rule{Kind: Drop, State: "Established"}, []Message{roster, established}, []bool{false, true}},
		"of a resource":               {Rule{Kind: Drop, Resource: OnParticipants}, []Message{established, roster}, []bool{false, true}},
		"of a change":                 {Rule{Kind: Drop, ChangeType: "deleted"}, []Message{established}, []bool{false}},
		"an empty roster is no state": {Rule{Kind: EmptyRoster}, []Message{established, roster}, []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			if err := s.Add(c.rule); err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, m := range c.messages {
				got = append(got, s.Decide(m).Has(c.rule.Kind))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("struck (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, r := range map[string]Rule{
		"unknown kind": {Kind: "Explode"}, "probability above one": {Kind: Drop, Probability: 1.1}, "negative count": {Kind: Drop, Count: -1},
		"unknown resource": {Kind: Drop, Resource: "calls"}, "a bad token of no kind": {Kind: BadToken}, "a token that is dropped": {Kind: Drop, Token: "Expired"},
	} {
		var s Set
		if s.Add(r) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// decisions draws for a thousand notifications of ten calls.
func decisions(t *testing.T, m Mix) (all []Decision) {
	t.Helper()
	var s Set
	if err := s.Rules("", m); err != nil {
		t.Fatal(err)
	}
	for q := range int64(10) {
		for n := range int64(100) {
			all = append(all, s.Decide(Message{Queue: q, Seq: n, ChangeType: "updated", Resource: OnCall}))
		}
	}
	return all
}

func TestASeedRepeatsItself(t *testing.T) {
	mix := Mix{Seed: 7, Drop: 0.1, Duplicate: 0.1, Reorder: 0.2, Noise: 0.3, BotFailing: 0.2, BotReplyLost: 0.3, BadToken: 0.2, Tokens: []string{"a", "b"}}
	first := decisions(t, mix)
	if diff := cmp.Diff(first, decisions(t, mix)); diff != "" {
		t.Errorf("the same seed decided differently:\n%s", diff)
	}
	mix.Seed = 8
	if cmp.Equal(first, decisions(t, mix)) {
		t.Error("another seed decided the same")
	}
	count := map[Kind]int{}
	for _, d := range first {
		for _, k := range d.Kinds {
			count[k]++
		}
	}
	for kind, want := range map[Kind]int{Drop: 100, Duplicate: 100, Reorder: 200, Casing: 300, PlainIDs: 300, BotFailing: 200, BotReplyLost: 300, BadToken: 200} {
		if got := count[kind]; got < want*7/10 || got > want*13/10 {
			t.Errorf("%s struck %d times of 1000, want about %d", kind, got, want)
		}
	}
}

func TestAMixCanSpareTheEnd(t *testing.T) {
	var s Set
	if err := s.Rules("", Mix{Drop: 1, BadToken: 1, Tokens: []string{"Expired"}, KeepTerminal: true}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		m    Message
		want bool
	}{
		"terminated":   {Message{ChangeType: "deleted", Resource: OnCall}, false},
		"new call":     {Message{ChangeType: "created", Resource: OnCall}, false},
		"established":  {Message{ChangeType: "updated", Resource: OnCall}, true},
		"an operation": {Message{ChangeType: "deleted", Resource: OnOperations}, true},
	} {
		if d := s.Decide(c.m); d.Has(Drop) != c.want || d.Has(BadToken) != c.want || (d.Token == "Expired") != c.want {
			t.Errorf("%s: becomes %+v, want it lost: %v", name, d, c.want)
		}
	}
}

func TestNoise(t *testing.T) {
	const plain = `{"changeType":"updated","resourceUrl":"/communications/calls/0a1b2c3d-1111-4222-8333-444455556666/operations/x",` +
		`"resourceData":{"status":"running","resultInfo":{"code":200,"subcode":7015},"participants":[1]}}`
	for name, c := range map[string]struct {
		kind Kind
		want string
	}{
		"casing": {Casing, `{"changeType":"Updated","resourceUrl":"/communications/calls/0a1b2c3d-1111-4222-8333-444455556666/operations/x",` +
			`"resourceData":{"status":"Running","resultInfo":{"code":200,"subCode":7015},"participants":[1]}}`},
		"ids": {PlainIDs, `{"changeType":"updated","resource":null,"resourceUrl":"/communications/calls/0A1B2C3D111142228333444455556666/operations/x",` +
			`"resourceData":{"status":"running","resultInfo":{"code":200,"subcode":7015},"participants":[1]}}`},
		"codes": {StringCodes, `{"changeType":"updated","resourceUrl":"/communications/calls/0a1b2c3d-1111-4222-8333-444455556666/operations/x",` +
			`"resourceData":{"status":"running","resultInfo":{"code":"200","subcode":7015},"participants":[1]}}`},
		"no data": {NoResourceData, `{"changeType":"updated","resourceUrl":"/communications/calls/0a1b2c3d-1111-4222-8333-444455556666/operations/x"}`},
		"no slash": {NoLeadingSlash, `{"changeType":"updated","resourceUrl":"communications/calls/0a1b2c3d-1111-4222-8333-444455556666/operations/x",` +
			`"resourceData":{"status":"running","resultInfo":{"code":200,"subcode":7015},"participants":[1]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := Decision{Kinds: []Kind{c.kind}}.Disturb([]byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			_ = json.Unmarshal([]byte(c.want), &want)
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("notification (-want +got):\n%s", diff)
			}
		})
	}
}
