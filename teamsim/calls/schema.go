// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A rule checks one JSON value; path names it in the complaint. Graph itself lets some mistakes pass and answers
// others with an opaque error, so a strict check is what a bot's author wants from a simulator.
type rule func(path string, value any) error

// object allows the named members only. With types given, @odata.type must be one of them; it may be left out
// only where typeOptional is set, which it may be when the type follows from the place.
type object struct {
	types        []string
	typeOptional bool
	required     []string
	members      map[string]rule
}

func (o object) check(path string, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", path)
	}
	switch t, given := members["@odata.type"]; {
	case !given && !o.typeOptional:
		return fmt.Errorf("%s lacks @odata.type", path)
	case given && !slices.Contains(o.types, fmt.Sprint(t)):
		return fmt.Errorf("%s has the @odata.type %q, want %s", path, t, strings.Join(o.types, " or "))
	}
	for _, name := range o.required {
		if v, given := members[name]; !given || v == nil {
			return fmt.Errorf("%s is required", join(path, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "@odata.type" || strings.HasSuffix(name, "@odata.type") { // the latter annotates a member
			continue
		}
		check, known := o.members[name]
		if !known {
			return fmt.Errorf("%s is not a property of %s that a client may set", join(path, name), strings.Join(o.types, " or "))
		}
		if members[name] == nil && !slices.Contains(o.required, name) {
			continue
		}
		if err := check(join(path, name), members[name]); err != nil {
			return err
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "body" {
		return name
	}
	return path + "." + name
}

// byType picks the rule for an abstract type.
func byType(alternatives ...object) rule {
	return func(path string, value any) error {
		members, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be an object", path)
		}
		t, given := members["@odata.type"]
		if !given {
			return fmt.Errorf("%s lacks @odata.type", path)
		}
		for _, o := range alternatives {
			if slices.Contains(o.types, fmt.Sprint(t)) {
				return o.check(path, value)
			}
		}
		return fmt.Errorf("%s has the @odata.type %q, which is none of its types", path, t)
	}
}

func text(path string, value any) error {
	if _, ok := value.(string); !ok {
		return fmt.Errorf("%s must be a string", path)
	}
	return nil
}

func atMost(limit int) rule {
	return func(path string, value any) error {
		s, ok := value.(string)
		if !ok || utf8.RuneCountInString(s) > limit {
			return fmt.Errorf("%s must be a string of at most %d characters", path, limit)
		}
		return nil
	}
}

func nonEmpty(path string, value any) error {
	if s, ok := value.(string); !ok || s == "" {
		return fmt.Errorf("%s must be a string that is not empty", path)
	}
	return nil
}

func guid(path string, value any) error {
	s, _ := value.(string)
	if _, err := uuid.Parse(s); err != nil {
		return fmt.Errorf("%s must be a GUID", path)
	}
	return nil
}

func boolean(path string, value any) error {
	if _, ok := value.(bool); !ok {
		return fmt.Errorf("%s must be true or false", path)
	}
	return nil
}

func oneOf(allowed ...string) rule {
	return func(path string, value any) error {
		if s, ok := value.(string); !ok || !slices.Contains(allowed, s) {
			return fmt.Errorf("%s must be one of %s", path, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func integer(low, high int64) rule {
	return func(path string, value any) error {
		number, ok := value.(json.Number)
		if n, err := number.Int64(); !ok || err != nil || n < low || n > high {
			return fmt.Errorf("%s must be an integer from %d to %d", path, low, high)
		}
		return nil
	}
}

func list(item rule, least, most int) rule {
	return func(path string, value any) error {
		items, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s must be a list", path)
		}
		if len(items) < least || len(items) > most {
			return fmt.Errorf("%s must have %d to %d items, has %d", path, least, most, len(items))
		}
		for i, v := range items {
			if err := item(fmt.Sprintf("%s[%d]", path, i), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// parse reads a JSON document, checks it against a rule, and decodes it.
func parse(body []byte, check rule, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has more than one JSON value")
	}
	if err := check("body", value); err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
