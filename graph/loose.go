// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// decode reads JSON the way the service writes it. encoding/json already matches member names in any
// case, ignores unknown ones and, when a member has the wrong type, skips it and decodes the rest before it
// reports so: that report is dropped, because a field less is better than a notification less.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return nil
	}
	return err
}

// Sequence is an order number: of a tone, of a roster. It decodes from a number or a string.
type Sequence int64

func (s *Sequence) UnmarshalJSON(data []byte) error {
	if n, ok := looseInt(data); ok {
		*s = Sequence(n)
	}
	return nil
}

// looseInt reads 200, 200.0 and "200". It reports false for null and for anything that is not a number.
func looseInt(data []byte) (int64, bool) {
	text := string(bytes.Trim(data, `" `))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	// 2^53: beyond it a float no longer tells integers apart.
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
		return int64(f), true
	}
	return 0, false
}

// canonical returns the member of known that text spells in whatever case, or text itself: enums are open.
func canonical[T ~string](text []byte, known []T) T {
	for _, k := range known {
		if len(k) == len(text) && strings.EqualFold(string(k), string(text)) {
			return k
		}
	}
	return T(text)
}

// encode writes v, a struct, as a JSON object that begins with its @odata.type.
func encode(odataType string, v any) ([]byte, error) {
	object, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(object)+len(odataType)+len(`{"@odata.type":"#microsoft.graph.",`))
	out = append(out, `{"@odata.type":"#microsoft.graph.`...)
	out = append(out, odataType...)
	out = append(out, '"')
	if len(object) > len("{}") {
		out = append(out, ',')
	}
	return append(out, object[1:]...), nil
}

// typeName is the name in an @odata.type, without the namespace: "#microsoft.graph.call" gives "call".
func typeName(odataType string) string {
	name := strings.TrimPrefix(odataType, "#")
	const namespace = "microsoft.graph."
	if len(name) >= len(namespace) && strings.EqualFold(name[:len(namespace)], namespace) {
		name = name[len(namespace):]
	}
	return name
}

// isObject reports whether data is a JSON object, isArray whether it is an array.
func isObject(data []byte) bool { return startsWith(data, '{') }
func isArray(data []byte) bool  { return startsWith(data, '[') }

func startsWith(data []byte, c byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == c
}
