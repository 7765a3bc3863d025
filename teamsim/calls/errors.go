// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// apiError is an error reply (reference section 4, "Error body").
type apiError struct {
	status  int
	code    string // numeric string of the calling service, or a Graph word
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

// The numeric codes are the calling service's. 7504, 7505, 8522 and 2203 have been seen on real wires with
// these meanings; the real service also answers 7504 to a missing role, without naming it. Here 7503, which the
// reference gives as the code for it, is used instead, and the message names the role.
const (
	codeMissingRole    = "7503"
	codeNotConsented   = "7504"
	codeTenantMismatch = "7505"
	codeCallNotFound   = "8522"
	codeBadMedia       = "2203"
)

func badRequest(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "BadRequest", fmt.Sprintf(format, args...)}
}

func badMedia(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, codeBadMedia, fmt.Sprintf(format, args...)}
}

func unauthorized(message string) *apiError {
	return &apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", message}
}

func tenantMismatch() *apiError {
	return &apiError{http.StatusForbidden, codeTenantMismatch, "Request authorization tenant mismatch."}
}

func notConsented() *apiError {
	return &apiError{http.StatusForbidden, codeNotConsented, "Insufficient enterprise tenant permissions, cannot access this API."}
}

func missingRoles(roles []string) *apiError {
	return &apiError{http.StatusForbidden, codeMissingRole,
		"The application lacks a permission this call needs. Missing application permission: " + strings.Join(roles, ", ") + "."}
}

func callNotFound() *apiError {
	return &apiError{http.StatusNotFound, codeCallNotFound, "Call not found."}
}

// meetingNotFound has a word for a code: no numeric one is known. It answers an unknown thread, an organizer who
// is not the meeting's, an unknown joinMeetingId and a wrong passcode alike, as telling them apart would let a
// caller try out meetings.
func meetingNotFound() *apiError {
	return &apiError{http.StatusNotFound, "NotFound", "The meeting was not found, or its passcode is wrong."}
}

func notSimulated(what string) *apiError {
	return &apiError{http.StatusNotImplemented, "NotImplemented", what + " exists in Graph, but teamsim does not simulate it."}
}

// write sends the error body.
func (e *apiError) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code":    e.code,
		"message": e.message,
		"innerError": map[string]any{
			"date":              time.Now().UTC().Format("2006-01-02T15:04:05"),
			"request-id":        h.Get("request-id"),
			"client-request-id": h.Get("client-request-id"),
		},
	}})
}
