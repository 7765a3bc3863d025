// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

func program(t *testing.T, texts ...string) *callflow.Program {
	t.Helper()
	flows := map[string]*callfleetv1.CallFlowSpec{}
	for i, text := range texts {
		spec := &callfleetv1.CallFlowSpec{}
		if err := yaml.UnmarshalStrict([]byte(text), spec); err != nil {
			t.Fatal(err)
		}
		flows[[]string{"main", "sub"}[i]] = spec
	}
	p, errs := callflow.Compile("main", flows)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return p
}

const (
	office = `
start: when
timeZone: Europe/Berlin
speech: {url: https://speech.example/say}
variables: {known: "no"}
steps:
- name: when
  branch: {cases: [{when: "now.getHours(zone) < 8", next: elsewhere}, {when: "caller.id == 'spam'", next: reject}], else: lookup}
- {name: elsewhere, redirect: {targets: [{phone: "+12065550100"}]}}
- {name: reject, hangup: {}}
- {name: lookup, subflow: {flowRef: {name: sub}}, next: choose}
- name: choose
  menu: {prompts: [{text: "Press 1, 2 or 3"}], choices: [{key: "1", next: person}, {key: "2", next: message}, {key: "3", next: conference}], noInput: {next: choose}}
- {name: person, transfer: {to: {phone: "+12065550100"}, timeout: 30s, onFailure: message}}
- {name: message, record: {variable: message, maxDuration: 10s, initialSilence: 3s, maxSilence: 2s}, next: thanks}
- {name: thanks, play: {prompts: [{configMap: {name: p, key: t.wav}}]}, next: bye}
- {name: conference, invite: {phone: "+12065550100", onFailure: message}, next: stay}
- {name: stay, return: {}}
- {name: bye, hangup: {}}
`
	lookup = `
start: ask
steps:
- {name: ask, webhook: {url: "https://hook.example/a", sets: [known], choices: [vip], onError: back}, next: back}
- {name: vip, mute: {muted: true}, next: back}
- {name: back, return: {}}
`
)

var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

// heard is what a test comes to, in one text.
func heard(t *testing.T, test callfleetv1.FlowTest) (Report, string) {
	t.Helper()
	r, err := Test(t.Context(), program(t, office, lookup), noon, test)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range r.Conversation {
		lines = append(lines, fmt.Sprintf("%v %s %s", l.After, l.Who, l.What))
	}
	return r, strings.Join(lines, "\n")
}

func TestConversationsAreWhatBothDoAndWhen(t *testing.T) {
	r, got := heard(t, callfleetv1.FlowTest{
		Script:   []string{"wait 4s", "press 2", "wait 1s", "speak 2s"},
		Outcomes: []callfleetv1.FlowOutcome{{Step: "ask", Next: "vip", Variables: map[callfleetv1.VariableName]callfleetv1.VariableValue{"known": "yes"}}},
		Expect: callfleetv1.FlowExpectation{
			End: callfleetv1.FlowHungUp, Variables: map[callfleetv1.VariableName]callfleetv1.VariableValue{"known": "yes", "message": "message-1"},
			Steps: []string{"when", "lookup", "sub/ask", "sub/vip", "sub/back", "choose", "message", "thanks", "bye"},
		},
	})
	const want = `0s flow takes step when
0s call answered
0s flow takes step lookup
0s flow takes step sub/ask
0s bot asks https://hook.example/a
200ms flow takes step sub/vip
200ms flow takes step sub/back
200ms flow takes step choose
200ms bot mutes
200ms bot says "Press 1, 2 or 3"
4s caller presses 2
4s flow takes step message
4s bot records message-1
5.2s caller speaks for 2s
9.2s bot has recorded: the caller was done
9.2s flow takes step thanks
9.2s bot plays p/t.wav
11.2s flow takes step bye
11.2s bot hangs up
11.2s call over: the flow hung up`
	if got != want || r.Wrong != nil {
		t.Errorf("what was heard is\n%s\nwant\n%s\nwrong: %q", got, want, r.Wrong)
	}
}

func TestWhatOthersDo(t *testing.T) {
	failed := func(step callfleetv1.StepName) []callfleetv1.FlowOutcome {
		return []callfleetv1.FlowOutcome{{Step: step, Failed: true}}
	}
	for sentence, tc := range map[string]struct {
		test callfleetv1.FlowTest
		end  callfleetv1.FlowEnd
		want []string // in what was heard
	}{
		"a transfer succeeds": {callfleetv1.FlowTest{Script: []string{"press 1"}}, callfleetv1.FlowTransferred,
			[]string{"200ms bot transfers to +12065550100", "5.2s call over: somebody else has the caller"}},
		"or fails when its time is over": {callfleetv1.FlowTest{Script: []string{"press 1"}, Outcomes: failed("person")}, callfleetv1.FlowHungUp,
			[]string{"30.2s flow takes step message", "33.2s bot has recorded: nothing was said"}},
		"an invitation succeeds": {callfleetv1.FlowTest{Script: []string{"press 3"}}, callfleetv1.FlowReturned,
			[]string{"5.2s call goes on: the flow is over, and the bot listens"}},
		"or fails when its time is over too": {callfleetv1.FlowTest{Script: []string{"press 3"}, Outcomes: failed("conference")}, callfleetv1.FlowHungUp,
			[]string{"1m0.2s flow takes step message"}},
		"a webhook fails when it was tried again": {callfleetv1.FlowTest{Script: []string{"wait 20s", "press 1"}, Outcomes: failed("ask")}, callfleetv1.FlowTransferred,
			[]string{"10s flow takes step sub/back"}},
		"a call may be sent on": {callfleetv1.FlowTest{Time: &metav1.Time{Time: noon.Add(-5 * time.Hour)}, Script: []string{"press 1"}}, callfleetv1.FlowRedirected,
			[]string{"0s bot sends the call on: redirect to +12065550100"}},
		"or rejected": {callfleetv1.FlowTest{Caller: &callfleetv1.Caller{ID: "spam"}}, callfleetv1.FlowHungUp,
			[]string{"0s bot hangs up"}},
		"a caller may hang up": {callfleetv1.FlowTest{Script: []string{"wait 1s", "hang up"}}, callfleetv1.FlowCallerHungUp,
			[]string{"1s caller hangs up\n1s call over: the caller hung up"}},
		"a stop tone ends a recording, and no more": {callfleetv1.FlowTest{Script: []string{"press 2", "wait 1s", "speak 1s", "press #"}}, callfleetv1.FlowHungUp,
			[]string{"2.2s caller presses #\n2.2s bot has recorded: a key ended it\n2.2s flow takes step thanks"}},
		"so does time, however much is said": {callfleetv1.FlowTest{Script: []string{"press 2", "wait 1s", "speak 20s"}}, callfleetv1.FlowHungUp,
			[]string{"10.2s bot has recorded: the time was over"}},
		"who speaks already is heard": {callfleetv1.FlowTest{Script: []string{"press 2", "speak 1s"}}, callfleetv1.FlowHungUp,
			[]string{"3.2s bot has recorded: the caller was done"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			r, got := heard(t, tc.test)
			if r.End != tc.end {
				t.Errorf("the end is %q, want %q", r.End, tc.end)
			}
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("what was heard is\n%s\nwant in it\n%s", got, want)
				}
			}
		})
	}
}

func TestWhatIsNotAsExpectedIsTold(t *testing.T) {
	r, _ := heard(t, callfleetv1.FlowTest{
		Script: []string{"press 1"},
		Expect: callfleetv1.FlowExpectation{
			Steps: []string{"when", "lookup", "sub/ask", "sub/vip", "choose"}, End: callfleetv1.FlowHungUp,
			Variables: map[callfleetv1.VariableName]callfleetv1.VariableValue{"known": "yes", "message": "message-1"},
		},
	})
	want := []string{
		"the steps are others (- expected, + taken):\n  when\n  lookup\n  sub/ask\n- sub/vip\n+ sub/back\n  choose\n+ person",
		`variable known is "no", expected "yes"`,
		`variable message is not set, expected "message-1"`,
		"the flow ended with Transferred, expected HungUp",
	}
	if !slices.Equal(r.Wrong, want) {
		t.Errorf("wrong is\n%q\nwant\n%q", r.Wrong, want)
	}
}

func TestAFlowThatNeverEndsIsGivenUp(t *testing.T) {
	const circle = `
start: choose
steps:
- {name: choose, menu: {timeout: 5s, choices: [{key: "1", next: end}], noInput: {retries: 0, next: choose}}}
- {name: end, hangup: {}}
`
	for timeout, want := range map[string]string{"5s": "the flow still went on after 10001 steps", "1h": "the flow still went on after 24h0m0s"} {
		p := program(t, strings.Replace(circle, "5s", timeout, 1))
		r, err := Test(t.Context(), p, noon, callfleetv1.FlowTest{Expect: callfleetv1.FlowExpectation{End: callfleetv1.FlowHungUp}})
		if err != nil || len(r.Wrong) != 1 || !strings.HasPrefix(r.Wrong[0], want) || r.End != "" {
			t.Errorf("with %s it comes to %v, %q, end %q", timeout, err, r.Wrong, r.End)
		}
	}
}

func TestTestsThatMakeNoSenseAreRefused(t *testing.T) {
	p := program(t, office, lookup)
	for want, test := range map[string]callfleetv1.FlowTest{
		`line 1 of the script, "dance"`: {Script: []string{"dance"}},
		"there is an outcome of choose, which is no transfer, invite or webhook of the flow or its subflows; there are ask, conference, person": {
			Outcomes: []callfleetv1.FlowOutcome{{Step: "choose", Failed: true}},
		},
	} {
		if _, err := Test(t.Context(), p, noon, test); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v comes to %v; want %s", test, err, want)
		}
	}
}

func TestTextsLastAsLongAsTheyAre(t *testing.T) {
	for text, want := range map[string]time.Duration{"": FileLength, "hi": time.Second, strings.Repeat("ü", 100): 6 * time.Second} {
		if got := LengthOf(flow.Prompt{Text: text}); got != want {
			t.Errorf("%q lasts %v, want %v", text, got, want)
		}
	}
}

func TestDiffsAreShort(t *testing.T) {
	for want, lists := range map[string][2]string{
		"":                {"", ""},
		"  a,  b":         {"a b", "a b"},
		"- a,  b":         {"a b", "b"},
		"  a,+ b":         {"a", "a b"},
		"- a,+ b":         {"a", "b"},
		"  a,- b,  c,+ d": {"a b c", "a c d"},
	} {
		if got := strings.Join(diff(strings.Fields(lists[0]), strings.Fields(lists[1])), ","); got != want {
			t.Errorf("from %q to %q: %s, want %s", lists[0], lists[1], got, want)
		}
	}
}
