// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestScriptsAreDoneOneAfterTheOther(t *testing.T) {
	script, err := Parse([]string{
		"# a caller who is in a hurry", "", "press 12#", "wait 3s", " wait 1 ", "say my message.wav", "speak 1.5 s", "press 4 5", "hang up", "# gone",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Due{
		{0, Act{Press: "1"}},
		{200 * time.Millisecond, Act{Press: "2"}},
		{400 * time.Millisecond, Act{Press: "#"}},
		{4600 * time.Millisecond, Act{Speak: 2 * time.Second, File: "my message.wav"}},
		{6600 * time.Millisecond, Act{Speak: 1500 * time.Millisecond}},
		{8100 * time.Millisecond, Act{Press: "4"}},
		{8300 * time.Millisecond, Act{Press: "5"}},
		{8500 * time.Millisecond, Act{HangUp: true}},
	}
	if !slices.Equal(script, want) {
		t.Errorf("the script is\n%v\nwant\n%v", script, want)
	}
}

func TestWhatNoCallerDoesIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"push 1":          `line 2 of the script, "push 1": a caller can "press 12#", "wait 3s"`,
		"press":           `there is no key; write "press 1"`,
		"press 1E":        `'E' is no key of a telephone; keys are 0 to 9, *, # and A to D`,
		"press a":         `'a' is no key`,
		"wait":            `"" is no length of time; write "3s" or "1m30s"`,
		"wait a bit":      `"abit" is no length of time`,
		"wait -3s":        "-3s is no time; take more than 0s",
		"wait 0":          "0s is no time",
		"speak 169h":      "169h0m0s is too long; at most 168h",
		"speak 999999999": "is too long",
		"say":             `there is no file; write "say hello.wav"`,
		"hang":            `write "hang up"`,
		"hang up now":     `write "hang up"`,
	} {
		_, err := Parse([]string{"wait 1s", line, "hang up"})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 2 ") {
			t.Errorf("%q comes to %v; want %s", line, err, want)
		}
	}
	if _, err := Parse([]string{"hang up", "press 1"}); err == nil || !strings.Contains(err.Error(), `line 2 of the script, "press 1": nothing follows "hang up"`) {
		t.Errorf("what is done after the end comes to %v", err)
	}
	if _, err := Parse([]string{"wait 100h", "wait 100h"}); err == nil || !strings.Contains(err.Error(), "would last longer than 168h") {
		t.Errorf("a call of eight days comes to %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, script := range []string{
		"press 12#\nwait 3s\nsay hello.wav\nspeak 4s\nhang up", "press\nhang", "wait 1h168m\nspeak .1ns", "# x\n\n press * \n", "wait 9999999999999", "speak 1e3s",
	} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		script, err := Parse(lines)
		if err != nil {
			if script != nil || !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("refused with %v: %v", script, err)
			}
			return
		}
		last := time.Duration(0)
		for i, d := range script {
			if d.After < last || d.After > longestAct || d.Speak < 0 || d.Act == (Act{}) {
				t.Errorf("act %d of %v makes no sense", i, script)
			}
			last = d.After
		}
	})
}
