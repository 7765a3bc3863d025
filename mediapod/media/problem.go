// SPDX-License-Identifier: Apache-2.0

package media

import (
	"encoding/json"
	"net/http"
	"unicode"
	"unicode/utf8"
)

// problem is why a request is refused. The reason is one of a few words, for the
// metrics.
type problem struct {
	status int
	reason string
	detail string
}

// refuse answers with problem details (RFC 9457), and counts.
func (e *Engine) refuse(w http.ResponseWriter, r *http.Request, p problem) {
	e.metrics.refused.WithLabelValues(p.reason).Inc()
	e.log.V(1).Info("refused a WHIP request", "method", r.Method, "status", p.status, "reason", p.reason, "detail", p.detail, "from", r.RemoteAddr)
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(p.status), "status": p.status, "detail": p.detail,
	})
}

// sentence makes one of an error's text.
func sentence(err error) string {
	s := err.Error()
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:] + "."
}
