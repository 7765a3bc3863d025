// SPDX-License-Identifier: Apache-2.0

// Package shorten keeps texts within the bounds that the API server sets for them. An ellipsis tells that something was cut
// off.
package shorten

import (
	"strings"
	"unicode/utf8"
)

const ellipsis = "…"

// Note is the bound on an event's note, in bytes; a condition has no use for more either.
const Note = 1024

// Bytes keeps a text within so many bytes, and valid UTF-8.
func Bytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(ellipsis)], "") + ellipsis
}

// Characters keeps a text within so many characters, which is what a schema's maxLength counts.
func Characters(text string, limit int) string {
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	kept := 0
	for i := range text {
		if kept == limit-1 {
			return text[:i] + ellipsis
		}
		kept++
	}
	return text
}
