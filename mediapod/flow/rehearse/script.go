// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// KeyEvery is how often a caller presses a key of several. A key is told as soon as it is known to be pressed.
	KeyEvery = 200 * time.Millisecond
	// FileLength is how long a file is taken to be, as files are not there when a flow is rehearsed.
	FileLength = 2 * time.Second
	// longestAct is as long as a Duration of the API.
	longestAct = 168 * time.Hour
)

// Act is something that the caller does: one of its members.
type Act struct {
	Press callfleetv1.PhoneKey
	Speak time.Duration
	// File is what is spoken, if it is known.
	File   string
	HangUp bool
}

func (a Act) String() string {
	switch {
	case a.Press != "":
		return "presses " + string(a.Press)
	case a.HangUp:
		return "hangs up"
	case a.File != "":
		return "says " + a.File
	}
	return "speaks for " + a.Speak.String()
}

// Due is an act and how long after it is asked for it is done.
type Due struct {
	After time.Duration
	Act
}

// Parse reads a script: lines that are done one after the other, each of them "press 12#", "wait 3s", "say hello.wav", "speak 4s" or
// "hang up". Empty lines, and those that begin with #, say nothing. The error names the line, counted from one.
func Parse(lines []string) ([]Due, error) {
	var script []Due
	var now time.Duration
	for i, line := range lines {
		wrong := func(format string, args ...any) ([]Due, error) {
			return nil, fmt.Errorf("line %d of the script, %q: %s", i+1, line, fmt.Sprintf(format, args...))
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if verb == "" || verb[0] == '#' {
			continue
		}
		if len(script) > 0 && script[len(script)-1].HangUp {
			return wrong(`nothing follows "hang up"; remove it`)
		}
		switch verb {
		case "press":
			keys, err := parseKeys(rest)
			if err != nil {
				return wrong("%v", err)
			}
			for _, k := range keys {
				script = append(script, Due{now, Act{Press: k}})
				now += KeyEvery
			}
		case "wait", "speak":
			length, err := parseLength(rest)
			if err != nil {
				return wrong("%v", err)
			}
			if verb == "speak" {
				script = append(script, Due{now, Act{Speak: length}})
			}
			now += length
		case "say":
			if rest == "" {
				return wrong(`there is no file; write "say hello.wav"`)
			}
			script = append(script, Due{now, Act{Speak: FileLength, File: rest}})
			now += FileLength
		case "hang":
			if rest != "up" {
				return wrong(`write "hang up"`)
			}
			script = append(script, Due{now, Act{HangUp: true}})
		default:
			return wrong(`a caller can "press 12#", "wait 3s", "say hello.wav", "speak 4s" and "hang up"`)
		}
		if now > longestAct {
			return wrong("the call would last longer than %v; wait less", longestAct)
		}
	}
	return script, nil
}

// phoneKeys are those of ITU-T Q.23.
const phoneKeys = "0123456789*#ABCD"

func parseKeys(text string) ([]callfleetv1.PhoneKey, error) {
	var keys []callfleetv1.PhoneKey
	for _, r := range strings.ReplaceAll(text, " ", "") {
		if !strings.ContainsRune(phoneKeys, r) {
			return nil, fmt.Errorf("%q is no key of a telephone; keys are 0 to 9, *, # and A to D", r)
		}
		keys = append(keys, callfleetv1.PhoneKey(r))
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf(`there is no key; write "press 1"`)
	}
	return keys, nil
}

// parseLength reads "3s", and "3 s" and "3" as people write it.
func parseLength(text string) (time.Duration, error) {
	text = strings.ReplaceAll(text, " ", "")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		text = strconv.FormatUint(seconds, 10) + "s"
	}
	length, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`%q is no length of time; write "3s" or "1m30s"`, text)
	case length <= 0:
		return 0, fmt.Errorf("%v is no time; take more than 0s", length)
	case length > longestAct:
		return 0, fmt.Errorf("%v is too long; at most %v", length, longestAct)
	}
	return length, nil
}
