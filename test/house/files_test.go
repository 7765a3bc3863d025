// SPDX-License-Identifier: Apache-2.0

package house

import (
	"regexp"
	"strings"
	"testing"
)

// longestFile: past it, a file no longer fits in a head. Most have 100 to 400 lines.
const longestFile = 500

func TestFilesFitInAHead(t *testing.T) {
	for _, s := range sources(t) {
		if lines := strings.Count(s.text, "\n"); lines > longestFile && !s.generated() {
			t.Errorf("%s has %d lines; at most %d: two ideas in a file are two files", s.path, lines, longestFile)
		}
	}
}

func TestFilesNameTheirLicense(t *testing.T) {
	const header = "// SPDX-License-Identifier: Apache-2.0\n"
	for _, s := range sources(t) {
		if s.generated() {
			// A generator may put its build constraint first.
			if !strings.Contains(s.text, header) {
				t.Errorf("%s: lacks %q", s.path, strings.TrimSpace(header))
			}
		} else if !strings.HasPrefix(s.text, header) {
			t.Errorf("%s:1: must be %q", s.path, strings.TrimSpace(header))
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	// In two parts, so that this file does not find itself.
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	for _, s := range sources(t) {
		for i, line := range strings.Split(s.text, "\n") {
			if later.MatchString(strings.ReplaceAll(line, "context.TO"+"DO", "")) {
				t.Errorf("%s:%d: do it now, or file an issue: %s", s.path, i+1, strings.TrimSpace(line))
			}
		}
	}
}
