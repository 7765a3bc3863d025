// SPDX-License-Identifier: Apache-2.0

package login

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// refusal is an error of the token endpoint. The numbers and texts follow the list at
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
type refusal struct {
	status int
	oauth  string // RFC 6749 section 5.2 code
	aadsts int
	text   string
}

func errUnknownTenant(tenant string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure "+
		"you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, "+
		"this may happen if there are no active subscriptions for the tenant.", tenant)}
}

func errUnknownApp(id, tenant string) *refusal {
	return &refusal{http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not "+
		"found in the directory '%s'. This can happen if the application has not been installed by the administrator of the "+
		"tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", id, tenant)}
}

func errWrongSecret(id string) *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_client", 7000215, fmt.Sprintf("Invalid client secret provided. Ensure the "+
		"secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", id)}
}

func errNoCredential() *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is " +
		"required for the 'client_credentials' grant type."}
}

func errMissing(parameter string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", 900144,
		fmt.Sprintf("The request body must contain the following parameter: '%s'.", parameter)}
}

func errGrantType(grant string) *refusal {
	return &refusal{http.StatusBadRequest, "unsupported_grant_type", 70003,
		fmt.Sprintf("The app requested an unsupported grant type '%s'.", grant)}
}

func errScope(scope string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_scope", 1002012, fmt.Sprintf("The provided value for scope %s is not valid. "+
		"Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)}
}

func errResource(resource, tenant string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found "+
		"in the tenant named %s.", resource, tenant)}
}

func (s *Service) refuse(w http.ResponseWriter, r *http.Request, why *refusal) {
	now := time.Now().UTC()
	trace, correlation := uuid.NewString(), r.Header.Get("client-request-id")
	if correlation == "" {
		correlation = uuid.NewString()
	}
	writeJSON(w, why.status, map[string]any{
		"error": why.oauth,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			why.aadsts, why.text, trace, correlation, now.Format("2006-01-02 15:04:05Z")),
		"error_codes":    []int{why.aadsts},
		"timestamp":      now.Format("2006-01-02 15:04:05Z"),
		"trace_id":       trace,
		"correlation_id": correlation,
		"error_uri":      fmt.Sprintf("%s/error?code=%d", s.BaseURL, why.aadsts),
	})
}
