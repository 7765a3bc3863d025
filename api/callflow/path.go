// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"cmp"
	"strconv"
	"strings"
)

// comparePaths orders paths as people read them: steps[2] is before steps[10].
func comparePaths(a, b string) int {
	for a != "" && b != "" {
		x, y := head(a), head(b)
		m, errM := strconv.Atoi(x)
		n, errN := strconv.Atoi(y)
		order := cmp.Compare(x, y)
		if errM == nil && errN == nil {
			order = cmp.Compare(m, n)
		}
		if order != 0 {
			return order
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

// head is the number that a path begins with, or all before the next one.
func head(path string) string {
	isNumber := digit(path[0])
	end := strings.IndexFunc(path, func(r rune) bool { return (r < 0x80 && digit(byte(r))) != isNumber })
	if end < 0 {
		return path
	}
	return path[:end]
}

func digit(b byte) bool { return '0' <= b && b <= '9' }
