// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"fmt"
	"strings"
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const jane = "11111111-2222-3333-4444-555555555555"

func TestTransfer(t *testing.T) {
	const flow = `
start: give
speech: {url: https://speech.example/say}
variables: {who: ` + jane + `, number: "0049 30 1"}
steps:
- {name: give, transfer: {to: {user: "${who}"}, timeout: 30s, onFailure: call}}
- {name: call, transfer: {to: {phone: "${number}"}, type: Consultative, onFailure: sorry}}
- {name: sorry, say: "sorry ${error}", next: number}
- {name: number, set: {number: "+12065550100"}, next: call}
`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"who takes the call has it": `
			begin         -> transfer 1 blind to ` + jane + ` within 30s
			key 1         ->
			transferred 1 ->
			is end        -> Transferred`,
		"the call's end is as good a word": `
			begin         -> transfer 1 blind to ` + jane + ` within 30s
			over          ->
			is end        -> Transferred
			transferred 1 NoAnswer ->
			is end        -> Transferred`,
		"who does not is why the flow goes on, and what is no number is nobody": `
			begin         -> transfer 1 blind to ` + jane + ` within 30s
			transferred 1 Declined -> play 2 "sorry Invalid"
			played 2      -> transfer 3 consultative to +12065550100 within 1m0s
			transferred 3 NoAnswer -> play 4 "sorry NoAnswer"
			over          ->
			is end        -> CallerHungUp`,
	})
}

func TestInvite(t *testing.T) {
	const flow = `
start: fetch
speech: {url: https://speech.example/say}
steps:
- {name: fetch, invite: {phone: "+12065550100", hidden: true, timeout: 20s, onFailure: sorry}, next: choose}
- {name: sorry, say: "sorry ${error}", next: choose}
- {name: choose, menu: {prompts: [{text: choose}], choices: [{key: "1", next: end}]}}
- {name: end, return: {}}
`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"it goes on when they are in, with the keys pressed meanwhile": `
			begin     -> invite 1 +12065550100 hidden within 20s
			wait 1h   ->
			key 1     ->
			invited 1 ->
			is end    -> Returned`,
		"or do not come": `
			begin     -> invite 1 +12065550100 hidden within 20s
			invited 1 NoAnswer -> play 2 "sorry NoAnswer"`,
	})
}

func TestHold(t *testing.T) {
	const flow = `
start: hold
speech: {url: https://speech.example/say}
steps:
- {name: hold, hold: {music: {url: "https://x.example/m.wav"}, duration: 1m, choices: [{key: "0", next: zero}]}, next: choose}
- {name: choose, menu: {prompts: [{text: "choose${error}"}], choices: [{key: "5", next: end}]}}
- {name: zero, say: zero, next: end}
- {name: end, return: {}}
`
	const music = `play 1 again and again https://x.example/m.wav`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"when its time is over the music stops, and then the flow goes on": `
			begin    -> ` + music + `
			wait 59s ->
			wait 1s  -> stop playing 1
			wait 1h  ->
			is at    -> hold
			played 1 -> play 2 "choose"`,
		"a key that leads elsewhere does too": `
			begin    -> ` + music + `
			key 0    -> stop playing 1
			wait 1h  ->
			played 1 -> play 2 "zero"`,
		"other keys are kept for the next menu": `
			begin    -> ` + music + `
			key 5    ->
			wait 1m  -> stop playing 1
			played 1 ->
			is end   -> Returned`,
		"keys while the music is being stopped are kept too": `
			begin    -> ` + music + `
			wait 1m  -> stop playing 1
			key 05   ->
			played 1 ->
			is end   -> Returned`,
		"music that cannot be had does not shorten it": `
			begin    -> ` + music + `
			played 1 PromptFailed ->
			wait 59s ->
			is at    -> hold
			wait 1s  -> play 2 "choosePromptFailed"`,
		"nor keep the caller from leaving": `
			begin    -> ` + music + `
			played 1 PromptFailed ->
			key 0    -> play 2 "zero"`,
	})
}

func TestSetMuteAndBranch(t *testing.T) {
	const flow = `
start: mute
timeZone: Europe/Berlin
speech: {url: https://speech.example/say}
variables: {a: "1", b: "2", count: five}
steps:
- {name: mute, mute: {muted: true}, next: swap}
- {name: swap, set: {a: "${b}", b: "${a}"}, next: unmute}
- {name: unmute, mute: {muted: false}, next: time}
- name: time
  branch:
    cases:
    - {when: "now.getHours(zone) == 12", next: utc}
    - {when: "now.getHours(zone) == 13 && vars.a == '2' && vars.b == '1'", next: who}
    else: wrong
- name: who
  branch: {cases: [{when: "caller.kind == 'User'", next: wrong}], else: number}
- name: number
  branch: {cases: [{when: "int(vars.count) > 4", next: wrong}, {when: "true", next: wrong}], else: right}
- {name: right, say: right, next: end}
- {name: utc, say: utc, next: end}
- {name: wrong, say: wrong, next: end}
- {name: end, hangup: {}}
`
	play(t, program(t, flow), answered(), `
		begin    -> mute; unmute; play 1 "right"
		is trail -> mute swap unmute time who number right
		is vars  -> a=2 b=1 count=five`)
}

func TestWebhook(t *testing.T) {
	const flow = `
start: ask
speech: {url: https://speech.example/say}
variables: {a: x, b: w}
steps:
- name: ask
  webhook: {url: "https://hook.example/a", data: {z: "${a}", why: "${caller.id}"}, sets: [a], choices: [other], onError: sorry}
  next: choose
- {name: choose, menu: {prompts: [{text: "${a} ${b}"}], choices: [{key: "1", next: ask}]}}
- {name: other, say: other, next: choose}
- {name: sorry, say: "sorry ${error}", next: choose}
`
	const ask = `ask 1 https://hook.example/a key uid-1/main/ask/1 why="+12065550199" z="x"`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"the answer sets variables": `
			begin         -> ` + ask + `
			told 1 a=new  -> play 2 "new w"`,
		"it may choose a step": `
			begin         -> ` + ask + `
			told 1 next=other -> play 2 "other"`,
		"the one that follows anyway is no mistake": `
			begin         -> ` + ask + `
			told 1 next=choose -> play 2 "x w"`,
		"a failure is told": `
			begin         -> ` + ask + `
			told 1 Timeout a=new -> play 2 "sorry Timeout"
			is a          -> x`,
		"other variables are a bad answer, of which nothing is taken": `
			begin         -> ` + ask + `
			told 1 a=new b=new -> play 2 "sorry BadAnswer"
			is a b        -> x w`,
		"other steps are too": `
			begin         -> ` + ask + `
			told 1 a=new next=sorry -> play 2 "sorry BadAnswer"`,
		"and values that no variable has room for": `
			begin         -> ` + ask + `
			told 1 a=` + strings.Repeat("x", 1025) + ` -> play 2 "sorry BadAnswer"`,
		"keys meanwhile are kept, and the next question has another key": `
			begin         -> ` + ask + `
			key 1         ->
			told 1        -> ask 2 https://hook.example/a key uid-1/main/ask/2 why="+12065550199" z="x"`,
		"the same question is asked with the same key by another process": `
			begin         -> ` + ask + `
			resume        -> ` + ask,
	})
}

func TestSubflows(t *testing.T) {
	const main = `
start: first
variables: {a: mains}
steps:
- {name: first, subflow: {flowRef: {name: sub}}, next: second}
- {name: second, subflow: {flowRef: {name: sub}}, next: end}
- {name: end, return: {}}
`
	const sub = `
start: ask
speech: {url: https://speech.example/sub}
variables: {a: subs, b: subs}
steps:
- {name: ask, say: "${a} ${b} ${flow.name}", next: set}
- {name: set, set: {b: changed}, next: hook}
- {name: hook, webhook: {url: "https://hook.example/b", onError: back}, next: back}
- {name: back, return: {}}
`
	dialogs(t, program(t, main, sub), answered(), map[string]string{
		"they share variables, of which those that are there keep their values, and go back where they came from": `
			begin    -> play 1 "mains subs sub"
			is trail -> first sub/ask
			played 1 -> ask 2 https://hook.example/b key uid-1/sub/hook/2
			told 2   -> play 3 "mains changed sub"
			is trail -> sub/back second sub/ask
			resume   -> play 3 "mains changed sub"
			played 3 -> ask 4 https://hook.example/b key uid-1/sub/hook/4
			told 4 Timeout ->
			is end   -> Returned
			is steps -> 11`,
	})
}

func TestSubflowsHaveSubflows(t *testing.T) {
	const main = `
start: a
speech: {url: https://speech.example/say}
steps:
- {name: a, subflow: {flowRef: {name: sub}}, next: b}
- {name: b, return: {}}
`
	sub := strings.ReplaceAll(main, "name: sub}", "name: deep}")
	const deep = `
start: a
speech: {url: https://speech.example/say}
steps:
- {name: a, say: hello, next: b}
- {name: b, return: {}}
`
	play(t, program(t, main, sub, deep), answered(), `
		begin    -> play 1 "hello"
		is trail -> a sub/a deep/a
		resume   -> play 1 "hello"
		played 1 ->
		is trail end -> deep/b sub/b b Returned`)
}

func TestBeforeTheAnswer(t *testing.T) {
	const flow = `
start: who
speech: {url: https://speech.example/say}
steps:
- {name: who, set: {seen: "${caller.name}"}, next: which}
- name: which
  branch: {cases: [{when: "vars.seen == 'Bob'", next: other}, {when: "vars.seen == 'Eve'", next: reject}], else: hello}
- {name: other, redirect: {targets: [{phone: "+12065550100"}]}}
- {name: reject, hangup: {}}
- {name: hello, say: hello, next: reject}
`
	ringing := answered()
	ringing.Answered = false
	for name, lines := range map[string]string{
		"Ann": `
			begin    ->
			is held trail -> true who which
			resume   ->
			is held  -> true
			pickup   -> play 1 "hello"
			is held trail steps -> false hello 3`,
		"Bob": `
			begin    -> redirect to +12065550100
			is held end -> false Redirected`,
		"Eve": `
			begin    -> hang up
			is held end -> false HungUp`,
	} {
		t.Run(name, func(t *testing.T) {
			c := ringing
			c.Caller.DisplayName = name
			play(t, program(t, flow), c, lines)
		})
	}
	t.Run("the caller may give up", func(t *testing.T) {
		play(t, program(t, flow), ringing, `
			begin  ->
			over   ->
			pickup ->
			is end -> CallerHungUp`)
	})
	for why, incoming := range map[string]bool{"and the call did not come in": false, "and the call was answered already": true} {
		t.Run("a redirect fails "+why, func(t *testing.T) {
			c := ringing
			c.Caller.DisplayName, c.Incoming, c.Answered = "Bob", incoming, incoming
			d := play(t, program(t, flow), c, `
				begin  -> hang up
				is end -> Failed`)
			if !strings.Contains(d.m.Message(), "step other redirects, "+why) {
				t.Errorf("the message is %q", d.m.Message())
			}
		})
	}
}

func TestFlowsThatNeverWaitFail(t *testing.T) {
	const flow = `
start: a
steps:
- {name: a, play: {prompts: [{url: "https://x.example/gone.wav"}]}, next: b}
- {name: b, transfer: {to: {phone: "${error}"}, onFailure: a}}
`
	d := play(t, program(t, flow), answered(), `begin -> play 1 https://x.example/gone.wav`)
	for id := 1; d.m.End() == "" && id < 2000; id++ {
		d.do(fmt.Sprintf("played %d PromptFailed", id))
	}
	if d.m.End() != callfleetv1.FlowFailed || d.m.Steps() != 1001 || !strings.Contains(d.m.Message(), "1000 steps without waiting for the caller") {
		t.Errorf("after %d steps the flow ended with %q: %s", d.m.Steps(), d.m.End(), d.m.Message())
	}

	d = play(t, program(t, flow), answered(), `begin -> play 1 https://x.example/gone.wav`)
	for id := 1; id < 2000; id++ {
		d.do(fmt.Sprintf("played %d", id))
	}
	if d.m.End() != "" {
		t.Errorf("a flow whose prompts the caller hears ended with %q: %s", d.m.End(), d.m.Message())
	}
}

func TestVariablesAreBounded(t *testing.T) {
	const flow = `
start: ask
steps:
- {name: ask, menu: {choices: [{key: "1", next: double}, {key: "2", next: spread}]}}
- {name: double, set: {a: "x${a}${a}"}, next: ask}
- {name: spread, set: {SETS}, next: ask}
`
	var sets []string
	for i := range 32 {
		sets = append(sets, fmt.Sprintf(`v%02d: "${a}"`, i))
	}
	d := play(t, program(t, strings.Replace(flow, "SETS", strings.Join(sets, ", "), 1)), answered(), `
		begin          ->
		key 1111111111 ->
		key 1          ->`)
	if n := len(d.do("is a")); n != 1024 {
		t.Errorf("a variable has %d characters", n)
	}
	if got := d.do("key 2"); got != "hang up" || !strings.Contains(d.m.Message(), "its variables have more than 32 KiB together at step spread") {
		t.Errorf("33 KiB of variables come to %q: %s", got, d.m.Message())
	}
	if n := len(d.m.State()); n > 48<<10 {
		t.Errorf("the state has %d bytes; FlowStatus.Sealed has room for 48 KiB", n)
	}
}
