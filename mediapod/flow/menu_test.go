// SPDX-License-Identifier: Apache-2.0

package flow_test

import "testing"

const menus = `
start: hello
speech: {url: https://speech.example/say}
steps:
- {name: hello, say: hello, next: choose}
- name: choose
  menu:
    prompts: [{text: choose}]
    timeout: 5s
    variable: key
    choices: [{key: "1", next: one}, {key: "2", next: listen}]
    noInput: {retries: 1, prompts: [{text: speak up}], next: lost}
    noMatch: {retries: 2}
- name: listen
  menu:
    prompts: [{text: listen}]
    bargeIn: false
    choices: [{key: "1", next: one}, {key: "3", next: fresh}]
    noMatch: {retries: 0, next: lost}
- name: fresh
  menu:
    prompts: [{text: fresh}]
    typeAhead: false
    choices: [{key: "1", next: one}]
- {name: one, say: one, next: end}
- {name: lost, say: lost, next: end}
- {name: end, hangup: {}}
`

func TestMenus(t *testing.T) {
	dialogs(t, program(t, menus), answered(), map[string]string{
		"a key ends the prompts, and leads on when they have ended": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			key 1    -> stop playing 2
			is at    -> choose
			played 2 -> play 3 "one"
			is at key -> one 1
			played 3 -> hang up
			is end   -> HungUp`,
		"a key after the prompts leads on at once": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			played 2 ->
			wait 4999ms ->
			key 1    -> play 3 "one"`,
		"the timeout counts from the end of the prompts": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			wait 1h  ->
			played 2 ->
			wait 5s  -> play 3 "speak up"`,
		"after no input the retry's own prompts are played, and then its next follows": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			played 2 ->
			wait 5s  -> play 3 "speak up"
			played 3 ->
			wait 5s  -> play 4 "lost"
			is at    -> lost`,
		"after no match the step's prompts are played again, and without a next the call ends": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			key 9    -> stop playing 2
			played 2 -> play 3 "choose"
			key A    -> stop playing 3
			played 3 -> play 4 "choose"
			played 4 ->
			key #    -> hang up
			is end   -> HungUp`,
		"no input and no match are counted apart": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			key 9    -> stop playing 2
			played 2 -> play 3 "choose"
			played 3 ->
			wait 5s  -> play 4 "speak up"
			key 9    -> stop playing 4
			played 4 -> play 5 "choose"
			played 5 ->
			wait 5s  -> play 6 "lost"`,
		"keys pressed during what no key ends count for the menu, whose prompts are not played then": `
			begin    -> play 1 "hello"
			key 1    ->
			played 1 -> play 2 "one"`,
		"keys typed ahead count for one menu after the other": `
			begin    -> play 1 "hello"
			key 231  ->
			played 1 -> play 2 "listen"
			played 2 -> play 3 "fresh"
			is at    -> fresh`,
		"a second key while the prompt is being stopped is kept for the next menu": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			key 21   -> stop playing 2
			played 2 -> play 3 "listen"
			played 3 -> play 4 "one"`,
		"without barge-in keys wait for the end of the prompts": `
			begin    -> play 1 "hello"
			key 2    ->
			played 1 -> play 2 "listen"
			key 1    ->
			is at    -> listen
			played 2 -> play 3 "one"`,
		"without retries the first wrong key goes on": `
			begin    -> play 1 "hello"
			key 2    ->
			played 1 -> play 2 "listen"
			played 2 ->
			key 9    -> play 3 "lost"`,
		"without type-ahead what was pressed before is forgotten": `
			begin    -> play 1 "hello"
			key 2    ->
			played 1 -> play 2 "listen"
			key 31   ->
			played 2 -> play 3 "fresh"
			played 3 ->
			wait 4s  ->
			key 1    -> play 4 "one"`,
		"what is no key is none": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			key x    ->
			is at    -> choose`,
		"a prompt that cannot be had does not keep the caller from choosing": `
			begin    -> play 1 "hello"
			played 1 -> play 2 "choose"
			played 2 PromptFailed ->
			key 1    -> play 3 "one"`,
		"the caller may hang up": `
			begin    -> play 1 "hello"
			over     ->
			is end   -> CallerHungUp
			played 1 ->
			over     ->
			wait 1h  ->
			is end   -> CallerHungUp`,
		"answers to other commands mean nothing": `
			begin    -> play 1 "hello"
			played 2 ->
			recorded 1 Silence x ->
			transferred 1 ->
			invited 1 ->
			told 1   ->
			played 0 ->
			is at    -> hello
			played 1 -> play 2 "choose"
			played 1 ->
			is at    -> choose`,
	})
}

func TestCountersAreOfOneVisit(t *testing.T) {
	const flow = `
start: choose
steps:
- name: choose
  menu:
    prompts: [{url: https://x.example/a.wav}]
    choices: [{key: "1", next: choose}, {key: "2", next: end}]
    noMatch: {retries: 1}
- {name: end, hangup: {}}
`
	play(t, program(t, flow), answered(), `
		begin    -> play 1 https://x.example/a.wav
		played 1 ->
		key 9    -> play 2 https://x.example/a.wav
		played 2 ->
		key 1    -> play 3 https://x.example/a.wav
		played 3 ->
		key 9    -> play 4 https://x.example/a.wav
		played 4 ->
		key 9    -> hang up
		is steps -> 2`)
}

func TestThirtyTwoKeysAreRemembered(t *testing.T) {
	const flow = `
start: hello
steps:
- {name: hello, play: {prompts: [{url: https://x.example/a.wav}]}, next: first}
- {name: first, collect: {variable: a, min: 1, max: 30}, next: second}
- {name: second, collect: {variable: b, min: 1, max: 30}, next: end}
- {name: end, hangup: {}}
`
	play(t, program(t, flow), answered(), `
		begin    -> play 1 https://x.example/a.wav
		key 111111111111111111111111111111223333 ->
		played 1 ->
		is at a  -> second 111111111111111111111111111111
		wait 3s  -> hang up
		is b     -> 22`)
}

func TestPlay(t *testing.T) {
	const flow = `
start: a
speech: {url: https://speech.example/say, voice: anna}
variables: {who: nobody, empty: ""}
steps:
- {name: a, say: "Hi ${who}, $${who}", next: b}
- {name: b, say: "${empty}", next: c}
- {name: c, play: {bargeIn: true, prompts: [{configMap: {name: p, key: c.wav}}, {text: "${error}"}, {url: "https://x.example/c.wav"}]}, next: d}
- {name: d, play: {bargeIn: true, prompts: [{text: d}]}, next: e}
- {name: e, menu: {prompts: [{text: e}], choices: [{key: "1", next: f}]}}
- {name: f, return: {}}
`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"texts have their variables, and one that comes out empty is not played": `
			begin    -> play 1 "Hi nobody, ${who}"
			played 1 -> play 2 p/c.wav, https://x.example/c.wav
			is trail -> b c`,
		"error says that a prompt could not be played": `
			begin    -> play 1 "Hi nobody, ${who}"
			played 1 PromptFailed -> play 2 p/c.wav, "PromptFailed", https://x.example/c.wav`,
		"a key ends it, ends the next too, and counts for the menu": `
			begin    -> play 1 "Hi nobody, ${who}"
			played 1 -> play 2 p/c.wav, https://x.example/c.wav
			key 1    -> stop playing 2
			played 2 ->
			is trail end -> d e f Returned`,
		"more keys do not end it twice": `
			begin    -> play 1 "Hi nobody, ${who}"
			played 1 -> play 2 p/c.wav, https://x.example/c.wav
			key 1    -> stop playing 2
			key 1    ->
			played 2 ->
			is end   -> Returned`,
	})
}
