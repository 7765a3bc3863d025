// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// What an answer may be at most. maxValue and the names are those of the API's types, maxVariables is as many as a step can name.
const (
	maxAnswer    = 64 << 10
	maxVariables = 32
	maxValue     = 1024
	maxName      = 63
)

var (
	variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)
	stepName     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// answer of a web server.
type answer struct {
	variables map[string]string
	next      callfleetv1.StepName
}

// parse reads {"variables": {NAME: VALUE, …}, "next": STEP}, both optional. It is strict: a member of another name is more likely a
// mistake than something to be ignored, and of two members of one name nobody can tell which was meant. A number or truth value is taken
// as it is written, since {"open": true} can mean one thing only. Errors name members, never values.
func parse(raw []byte) (answer, error) {
	var a answer
	if !utf8.Valid(raw) {
		return a, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err := members(d, "the answer", func(name string, value json.Token) (err error) {
		switch name {
		case "variables":
			a.variables, err = variables(d, value)
			return err
		case "next":
			text, ok := value.(string)
			if !ok || len(text) > maxName || !stepName.MatchString(text) {
				return errors.New("next is not the name of a step")
			}
			a.next = callfleetv1.StepName(text)
			return nil
		}
		return errors.New("it has a member besides variables and next")
	})
	if err != nil {
		return answer{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return answer{}, errors.New("something follows it")
	}
	return a, nil
}

// members reads an object whose brace is still to come.
func members(d *json.Decoder, what string, each func(name string, value json.Token) error) error {
	open, err := d.Token()
	if err != nil {
		return errors.New("it is not JSON")
	}
	if open != json.Delim('{') {
		return fmt.Errorf("%s is not an object", what)
	}
	return rest(d, what, each)
}

// rest reads an object whose brace was read.
func rest(d *json.Decoder, what string, each func(name string, value json.Token) error) error {
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return errors.New("it is not JSON")
		}
		name := key.(string) // the decoder takes nothing else there
		value, err := d.Token()
		if err != nil {
			return errors.New("it is not JSON")
		}
		if seen[name] {
			return fmt.Errorf("%s has a member twice", what)
		}
		seen[name] = true
		if err := each(name, value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("it is not JSON")
	}
	return nil
}

func variables(d *json.Decoder, open json.Token) (map[string]string, error) {
	if open != json.Delim('{') {
		return nil, errors.New("variables is not an object")
	}
	set := map[string]string{}
	err := rest(d, "variables", func(name string, value json.Token) error {
		if len(name) > maxName || !variableName.MatchString(name) {
			return errors.New("variables has a member whose name is none of a variable")
		}
		var text string
		switch v := value.(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		case bool:
			text = fmt.Sprint(v)
		default:
			return fmt.Errorf("variable %q is neither text, number, nor true or false", name)
		}
		if utf8.RuneCountInString(text) > maxValue {
			return fmt.Errorf("variable %q is longer than %d characters", name, maxValue)
		}
		set[name] = text
		if len(set) > maxVariables {
			return fmt.Errorf("it sets more than %d variables", maxVariables)
		}
		return nil
	})
	return set, err
}
