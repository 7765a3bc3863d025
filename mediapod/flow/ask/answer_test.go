// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func TestWhatAnAnswerSays(t *testing.T) {
	for raw, want := range map[string]answer{
		`{}`:                         {},
		" {\"next\":\"vip-menu\"}\n": {next: "vip-menu"},
		`{"variables":{}}`:           {variables: map[string]string{}},
		`{"variables":{"name":"Zoë ${x}","open":true,"shut":false,"n":-1.50e2,"none":""},"next":"a"}`: {
			variables: map[string]string{"name": "Zoë ${x}", "open": "true", "shut": "false", "n": "-1.50e2", "none": ""}, next: "a",
		},
		`{"variables":{"long":"` + strings.Repeat("é", maxValue) + `"}}`: {variables: map[string]string{"long": strings.Repeat("é", maxValue)}},
	} {
		got, err := parse([]byte(raw))
		if err != nil || got.next != want.next || !maps.Equal(got.variables, want.variables) {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
}

// TestWhatMakesNoSenseIsNotGuessedAt, and no message holds a value.
func TestWhatMakesNoSenseIsNotGuessedAt(t *testing.T) {
	many := map[string]string{}
	for i := range maxVariables + 1 {
		many["v"+strings.Repeat("x", i)] = "secret"
	}
	tooMany, _ := json.Marshal(map[string]any{"variables": many})
	for raw, want := range map[string]string{
		``:                                "not JSON",
		`<html>secret`:                    "not JSON",
		`{"next":"secret"`:                "not JSON",
		`{"next":"a",}`:                   "not JSON",
		`{"variables":{"a":"secret"`:      "not JSON",
		`null`:                            "the answer is not an object",
		`"secret"`:                        "the answer is not an object",
		`[{"next":"a"}]`:                  "the answer is not an object",
		`{} {"next":"secret"}`:            "something follows",
		`{"next":"a"}x`:                   "something follows",
		`{"Next":"a"}`:                    "besides variables and next",
		`{"secret":1}`:                    "besides variables and next",
		`{"next":"a","next":"b"}`:         "a member twice",
		`{"variables":{"a":"1","a":"2"}}`: "a member twice",
		`{"variables":{},"variables":{}}`: "a member twice",
		`{"next":null}`:                   "next is not the name",
		`{"next":""}`:                     "next is not the name",
		`{"next":"Secret Step"}`:          "next is not the name",
		`{"next":{"a":"b"}}`:              "next is not the name",
		`{"variables":null}`:              "variables is not an object",
		`{"variables":["secret"]}`:        "variables is not an object",
		`{"variables":{"a":null}}`:        `variable "a" is neither`,
		`{"variables":{"a":["secret"]}}`:  `variable "a" is neither`,
		`{"variables":{"a":{"b":1}}}`:     `variable "a" is neither`,
		`{"variables":{"a b":"secret"}}`:  "is none of a variable",
		`{"variables":{"":"secret"}}`:     "is none of a variable",
		"{\"next\":\"\xff\"}":             "not UTF-8",
		string(tooMany):                   "more than 32 variables",
		`{"variables":{"a":"` + strings.Repeat("s", maxValue+1) + `"}}`: "longer than 1024",
	} {
		got, err := parse([]byte(raw))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60s: error %v, want %q", raw, err, want)
		}
		if got.next != "" || got.variables != nil {
			t.Errorf("%.60s: %+v is taken all the same", raw, got)
		}
	}
}

// FuzzParse: whatever is taken is within bounds, and means what encoding/json reads too.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"next":"vip"}`, `{"variables":{"name":"Zoë","n":1.5,"open":true},"next":"a-1"}`, `{"variables":{"a":"1","a":"2"}}`,
		`{"next":"a"} {}`, `{"variables":{"a":{"b":[1,2,{}]}}}`, `{"variables":{"a":"\ud800"}}`, "{\"next\":\"a\\u0000\"}", `[`, `{"next"`, `{"variables":{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parse(raw)
		if err != nil {
			return
		}
		var plain struct {
			Variables map[string]any
			Next      callfleetv1.StepName
		}
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatalf("taken, but %v", err)
		}
		if plain.Next != got.next || len(plain.Variables) != len(got.variables) || len(got.variables) > maxVariables {
			t.Fatalf("%+v, want %+v", got, plain)
		}
		for name, value := range got.variables {
			if !variableName.MatchString(name) || utf8.RuneCountInString(value) > maxValue || !utf8.ValidString(value) {
				t.Fatalf("%q = %q", name, value)
			}
			if text, ok := plain.Variables[name].(string); ok && text != value {
				t.Fatalf("%q = %q, want %q", name, value, text)
			}
		}
	})
}
