// SPDX-License-Identifier: Apache-2.0

package callflow

import "fmt"

// maxTypos is how many letters of a name may be wrong for another to be what was meant.
const maxTypos = 2

// meant asks whether another of the names was meant, if one is nearly the one that is written; else it says what to do.
func meant[T ~string](written T, names []T, todo string) string {
	best, least := T(""), maxTypos+1
	for _, name := range names {
		if d := typos(string(written), string(name)); d < least && d < len(name) {
			best, least = name, d
		}
	}
	if best == "" {
		return todo
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// typos is how many letters have to be put in, taken out or changed (Levenshtein's distance), as far as that matters here.
func typos(a, b string) int {
	if d := len(a) - len(b); d > maxTypos || -d > maxTypos || len(a) > maxName {
		return maxTypos + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before, row[j+1] = row[j+1], min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
