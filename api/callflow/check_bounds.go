// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// durations are written so, as v1alpha1.Duration has it.
var durations = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

func (f *reading) checkDuration(path *field.Path, d callfleetv1.Duration, least, most time.Duration) {
	if d == "" {
		f.lacks(path, "say how long, such as 30s")
		return
	}
	length, err := time.ParseDuration(string(d))
	switch {
	case err != nil || !durations.MatchString(string(d)) || len(d) > 32:
		f.wrong(path, d, "this is no duration, such as 500ms, 30s or 1h30m")
	case length < least || length > most:
		f.wrong(path, d, "must be between %s and %s", brief(least), brief(most))
	}
}

// brief is a duration without the units of which there are none.
func brief(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if rest, ok := strings.CutSuffix(text, none); ok {
			text = rest + none[:1]
		}
	}
	return text
}

func (f *reading) checkURL(path *field.Path, text callfleetv1.HTTPSURL) {
	if u, err := url.ParseRequestURI(string(text)); err != nil || u.Scheme != "https" || u.Host == "" {
		f.wrong(path, text, "must be an absolute address that begins with https://")
		return
	}
	f.checkLength(path, string(text), 2048)
}

// checkReference checks the name of an object, or a key in it.
func (f *reading) checkReference(path *field.Path, name string) {
	if name == "" {
		f.lacks(path, "name the ConfigMap, and the key under binaryData that has the file")
		return
	}
	f.checkLength(path, name, 253)
}

// checkGiven checks that a step is named that must be.
func (f *reading) checkGiven(path *field.Path, name callfleetv1.StepName, when string) {
	if name == "" {
		f.lacks(path, "name the step that follows when %s", when)
	}
}

func (f *reading) checkOnce(path *field.Path, value any, twice bool) {
	if twice {
		f.wrong(path, value, "this is in the list twice; take one out")
	}
}

func (f *reading) checkRange(path *field.Path, value, least, most int32) {
	if value < least || value > most {
		f.wrong(path, value, "must be between %d and %d", least, most)
	}
}

func (f *reading) checkSize(path *field.Path, size, least, most int) {
	switch {
	case size < least:
		f.lacks(path, "give at least one")
	case size > most:
		f.errs = append(f.errs, field.TooMany(path, size, most))
	}
}

func (f *reading) checkLength(path *field.Path, text string, most int) bool {
	if utf8.RuneCountInString(text) > most {
		f.wrong(path, cut(text, 32)+"…", "this is longer than %d characters", most)
		return false
	}
	return true
}

func count(given ...bool) int {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	return n
}

func sorted[K cmp.Ordered, V any](of map[K]V) []K { return slices.Sorted(maps.Keys(of)) }
