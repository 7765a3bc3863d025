// SPDX-License-Identifier: Apache-2.0

package flow_test

import "testing"

func TestRecord(t *testing.T) {
	const flow = `
start: message
speech: {url: https://speech.example/say}
variables: {name: before}
steps:
- name: message
  record:
    prompts: [{text: speak}]
    variable: name
    maxDuration: 30s
    stopTones: ["#", "*"]
    onSilence: silent
    onFailure: broken
  next: again
- {name: again, record: {variable: name, beep: false, stopTones: []}, next: choose}
- {name: choose, menu: {prompts: [{text: choose}], choices: [{key: "#", next: end}, {key: "1", next: message}]}}
- {name: silent, say: "silent ${error}", next: choose}
- {name: broken, say: "broken ${error}", next: choose}
- {name: end, hangup: {}}
`
	const first = `record 2 message-1 with a beep, 30s at most, silence 5s/5s, until "#*"`
	const second = `record 3 again-2 without a beep, 1m0s at most, silence 5s/5s, until ""`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"prompts come first, then the recording; its name goes into the variable": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Silence kept-as.wav -> ` + second + `
			is name    -> kept-as.wav
			recorded 3 MaxDuration later.wav -> play 4 "choose"
			is name    -> later.wav`,
		"a step may be led to by silence, and then there is no name": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Nothing -> play 3 "silent"
			is name    -> `,
		"a step may be led to by failure, and error says so": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Failed -> play 3 "broken RecordingFailed"`,
		"the failure may be another": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Failed "" Refused -> play 3 "broken Refused"`,
		"without such steps silence and failure go on": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Silence a -> ` + second + `
			recorded 3 Nothing -> play 4 "choose"`,
		"keys while recording are dropped": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			key 1#     ->
			recorded 2 StopTone a -> ` + second + `
			key 1#     ->
			recorded 3 Silence b -> play 4 "choose"`,
		"a stop tone told after the recording's end is swallowed once": `
			begin      -> play 1 "speak"
			played 1   -> ` + first + `
			recorded 2 Silence a -> ` + second + `
			recorded 3 Silence b -> play 4 "choose"
			key 1      -> stop playing 4
			played 4   -> play 5 "speak"
			played 5   -> record 6 message-3 with a beep, 30s at most, silence 5s/5s, until "#*"
			recorded 6 Nothing -> play 7 "silent"
			played 7   -> play 8 "choose"
			key #      -> stop playing 8`,
	})
}

func TestStopTonesToldTwiceCountOnce(t *testing.T) {
	const flow = `
start: message
steps:
- {name: message, record: {variable: name, stopTones: ["#", "*"]}, next: choose}
- {name: choose, menu: {choices: [{key: "#", next: end}, {key: "1", next: message}], noMatch: {retries: 0}}}
- {name: end, return: {}}
`
	const record = `record 1 message-1 with a beep, 1m0s at most, silence 5s/5s, until "#*"`
	dialogs(t, program(t, flow), answered(), map[string]string{
		"told after the end, within a second, it is not the next step's": `
			begin      -> ` + record + `
			recorded 1 StopTone a ->
			wait 1s    ->
			key #      ->
			is end     ->
			key #      ->
			is end     -> Returned`,
		"told later, it is": `
			begin      -> ` + record + `
			recorded 1 StopTone a ->
			wait 1001ms ->
			key #      ->
			is end     -> Returned`,
		"told before the end, the next is another": `
			begin      -> ` + record + `
			key #      ->
			recorded 1 StopTone a ->
			key #      ->
			is end     -> Returned`,
		"another key in between is not swallowed": `
			begin      -> ` + record + `
			recorded 1 StopTone a ->
			key 1      -> record 2 message-2 with a beep, 1m0s at most, silence 5s/5s, until "#*"
			key #      ->
			recorded 2 StopTone a ->
			key #      ->
			is end     -> `,
		"another key while recording is not it": `
			begin      -> ` + record + `
			key 1      ->
			recorded 1 StopTone a ->
			key #      ->
			is end     -> `,
		"nor is one of the recording before": `
			begin      -> ` + record + `
			key #      ->
			recorded 1 Silence a ->
			key 1      -> record 2 message-2 with a beep, 1m0s at most, silence 5s/5s, until "#*"
			recorded 2 StopTone b ->
			key #      ->
			is end     -> `,
		"of an end of another kind nothing is swallowed": `
			begin      -> ` + record + `
			recorded 1 Silence a ->
			key #      ->
			is end     -> Returned`,
		"nor is it forgotten by another process": `
			begin      -> ` + record + `
			recorded 1 StopTone a ->
			resume     ->
			key #      ->
			is end     ->`,
	})
}
