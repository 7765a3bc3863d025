// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

var callID = regexp.MustCompile(`(/calls/)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`)

// Disturb rewrites one notification, given as JSON, as the decision says.
func (d Decision) Disturb(notification []byte) ([]byte, error) {
	if len(d.Kinds) == 0 {
		return notification, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(notification))
	decoder.UseNumber()
	var n map[string]any
	if err := decoder.Decode(&n); err != nil {
		return nil, fmt.Errorf("disturb a notification: %w", err)
	}
	for _, k := range d.Kinds {
		switch k {
		case Casing:
			n["changeType"] = capital(n["changeType"])
			walk(n["resourceData"], loosen)
		case PlainIDs:
			for _, key := range []string{"resourceUrl", "resource"} {
				n[key] = plainID(n[key])
			}
			walk(n["resourceData"], func(m map[string]any) {
				if id, ok := m["@odata.id"]; ok {
					m["@odata.id"] = plainID(id)
				}
			})
		case StringCodes:
			walk(n["resourceData"], func(m map[string]any) {
				if code, ok := m["code"].(json.Number); ok {
					m["code"] = code.String()
				}
			})
		case NoResourceData:
			delete(n, "resourceData")
		case NoLeadingSlash:
			if url, ok := n["resourceUrl"].(string); ok {
				n["resourceUrl"] = strings.TrimPrefix(url, "/")
			}
		case EmptyRoster:
			switch roster := n["resourceData"].(type) {
			case []any:
				n["resourceData"] = []any{}
			case map[string]any: // a delta
				roster["participants"] = []any{}
			}
		}
	}
	return json.Marshal(n)
}

// loosen spells an object as some real payloads do.
func loosen(m map[string]any) {
	if sub, ok := m["subcode"]; ok {
		delete(m, "subcode")
		m["subCode"] = sub
	}
	if status, ok := m["status"]; ok { // of an operation; its enumeration has capitals in the metadata
		m["status"] = capital(status)
	}
}

func capital(v any) any {
	s, ok := v.(string)
	if !ok || s == "" {
		return v
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func plainID(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return callID.ReplaceAllStringFunc(s, func(found string) string {
		return "/calls/" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(found, "/calls/"), "-", ""))
	})
}

// walk visits all objects in a JSON value.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, member := range v {
			walk(member, visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}
