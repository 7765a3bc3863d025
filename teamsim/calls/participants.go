// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"net/http"
)

// routeParticipants serves …/participants and what is below it.
func (c *call) routeParticipants(w http.ResponseWriter, r *request, rest []string) *apiError {
	switch {
	case len(rest) == 0:
		return method(r, http.MethodGet, func() *apiError { return c.serveParticipants(w) })
	case len(rest) == 1:
		return method(r, http.MethodGet, func() *apiError { return c.serveParticipant(w, rest[0]) })
	}
	return badRequest("Resource not found for the segment '%s'.", rest[len(rest)-1])
}
