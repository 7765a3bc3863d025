// SPDX-License-Identifier: Apache-2.0

package flow_test

import "testing"

func TestCollect(t *testing.T) {
	const flow = `
start: pin
speech: {url: https://speech.example/say}
steps:
- name: pin
  collect:
    prompts: [{text: PIN}]
    variable: pin
    min: 2
    max: 4
    timeout: 5s
    interDigitTimeout: 3s
    noInput: {retries: 0, next: lost}
    noMatch: {retries: 1, prompts: [{text: again}], next: lost}
  next: any
- name: any
  collect: {variable: any, terminator: None, max: 3, bargeIn: false, prompts: [{text: any}]}
  next: end
- {name: lost, say: lost, next: end}
- {name: end, hangup: {}}
`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"the terminator ends the digits and is none of them": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 12   ->
			key #    -> play 2 "any"
			is pin   -> 12`,
		"so do as many digits as there may be": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1234 -> play 2 "any"
			is pin   -> 1234`,
		"a terminator behind them belongs to them": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1234 -> play 2 "any"
			wait 2900ms ->
			key #    ->
			key #    ->
			played 2 ->
			wait 3s  -> hang up
			is pin any -> 1234 #`,
		"also when all was typed ahead": `
			begin    -> play 1 "PIN"
			key 1234 -> stop playing 1
			key #5   ->
			played 1 -> play 2 "any"
			played 2 ->
			wait 3s  -> hang up
			is pin any -> 1234 5`,
		"but not when it comes late": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1234 -> play 2 "any"
			wait 3001ms ->
			key #    ->
			played 2 ->
			wait 3s  -> hang up
			is any   -> #`,
		"nor behind another key": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1234 -> play 2 "any"
			key 5#   ->
			played 2 ->
			wait 3s  -> hang up
			is any   -> 5#`,
		"so does time without another digit, from the last one": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1    ->
			wait 2900ms ->
			key 2    ->
			wait 2900ms ->
			key 3    ->
			wait 3s  -> play 2 "any"
			is pin   -> 123`,
		"the first digit ends the prompts, and time runs though they have not ended": `
			begin    -> play 1 "PIN"
			key 1    -> stop playing 1
			key 2    ->
			wait 3s  ->
			played 1 -> play 2 "any"
			is pin   -> 12`,
		"digits may be complete before the prompts have ended": `
			begin    -> play 1 "PIN"
			key 1234 -> stop playing 1
			wait 1h  ->
			played 1 -> play 2 "any"
			is pin   -> 1234`,
		"time since the last digit runs on past the end of the prompts": `
			begin    -> play 1 "PIN"
			key 12   -> stop playing 1
			wait 2s  ->
			played 1 ->
			wait 1s  -> play 2 "any"`,
		"too few digits are no match": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1#   -> play 2 "again"
			played 2 ->
			key #    -> play 3 "lost"
			is pin   -> `,
		"too few before the time is over are no match": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 1    ->
			wait 3s  -> play 2 "again"`,
		"what is no digit is no match at once": `
			begin    -> play 1 "PIN"
			played 1 ->
			key 12   ->
			key A    -> play 2 "again"
			key *    -> stop playing 2
			played 2 -> play 3 "lost"`,
		"nothing at all is no input": `
			begin    -> play 1 "PIN"
			played 1 ->
			wait 5s  -> play 2 "lost"`,
		"digits typed ahead count, and only more are waited for": `
			begin    -> play 1 "PIN"
			key 12345 -> stop playing 1
			played 1 -> play 2 "any"
			played 2 ->
			key *    ->
			key #    -> hang up
			is pin any -> 1234 5*#`,
		"without a terminator # and * are digits": `
			begin    -> play 1 "PIN"
			key 1234 -> stop playing 1
			played 1 -> play 2 "any"
			key *0#  ->
			played 2 -> hang up
			is any   -> *0#`,
		"digits pressed during prompts that no key ends may be too few, and more are waited for": `
			begin    -> play 1 "PIN"
			key 1234 -> stop playing 1
			played 1 -> play 2 "any"
			key 7    ->
			played 2 ->
			wait 2s  ->
			key 8    ->
			wait 3s  -> hang up
			is any   -> 78`,
	})
}
