// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// AuthError is a token that could not be had. azidentity's own error prints the whole answer over many lines; this one is a
// line, with what is needed to look further.
type AuthError struct {
	// Code is OAuth's word, such as invalid_client. Empty when the login could not be asked.
	Code string
	// AADSTS is Entra ID's number for the cause, 0 if it gave none. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
	AADSTS        int
	Description   string
	CorrelationID string
	err           error
}

func (e *AuthError) Error() string {
	var b strings.Builder
	b.WriteString("get access token")
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.AADSTS != 0 && !strings.Contains(e.Description, "AADSTS") {
		fmt.Fprintf(&b, ": AADSTS%d", e.AADSTS)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.CorrelationID != "" {
		b.WriteString(" (correlation id " + e.CorrelationID + ")")
	}
	return b.String()
}

func (e *AuthError) Unwrap() error { return e.err }

// credential marks the errors of the bot's credential, so that they are known whatever their type is, and asks for the tokens of
// one tenant.
type credential struct {
	azcore.TokenCredential
	tenant string // empty: the credential's own
}

func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if c.tenant != "" {
		o.TenantID = c.tenant
	}
	token, err := c.TokenCredential.GetToken(ctx, o)
	if err == nil || ctx.Err() != nil {
		return token, err
	}
	auth := asAuthError(err)
	if auth == nil {
		auth = &AuthError{Description: describe(err.Error()), err: err}
	}
	return token, auth
}

var aadsts = regexp.MustCompile(`AADSTS(\d{4,9})`)

// asAuthError finds out from err why a token was refused. It returns nil when err is about something else.
func asAuthError(err error) *AuthError {
	var known *AuthError
	if errors.As(err, &known) {
		return known
	}
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) {
		return nil
	}
	e := &AuthError{err: err}
	if failed.RawResponse == nil {
		e.Description = describe(failed.Error())
	} else if body, readErr := runtime.Payload(failed.RawResponse); readErr == nil {
		e.readOAuth(body)
		if status := failed.RawResponse.StatusCode; e.Code == "" && e.Description == "" {
			e.Description = "the login answered " + failed.RawResponse.Status
			if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
				e.Code = "temporarily_unavailable"
			}
		}
	}
	if e.AADSTS == 0 {
		if m := aadsts.FindStringSubmatch(e.Description); m != nil {
			e.AADSTS, _ = strconv.Atoi(m[1])
		}
	}
	return e
}

// readOAuth reads an error answer of a token endpoint (RFC 6749, 5.2) with the members Entra ID adds.
func (e *AuthError) readOAuth(body []byte) {
	var answer struct {
		Error         string            `json:"error"`
		Description   string            `json:"error_description"`
		Codes         []json.RawMessage `json:"error_codes"`
		CorrelationID string            `json:"correlation_id"`
	}
	if decode(body, &answer) != nil {
		return
	}
	e.Code = clip(answer.Error, 64)
	e.Description = describe(answer.Description)
	e.CorrelationID = clip(answer.CorrelationID, 64)
	if len(answer.Codes) > 0 {
		if n, ok := looseInt(answer.Codes[0]); ok {
			e.AADSTS = int(n)
		}
	}
}

// describe keeps the sentence and drops the ids Entra ID appends to it, and azidentity's link.
func describe(text string) string {
	for _, tail := range []string{" Trace ID:", "\r\nTrace ID:", "\nTrace ID:", "To troubleshoot, visit"} {
		text, _, _ = strings.Cut(text, tail)
	}
	return redact(text, nil)
}
