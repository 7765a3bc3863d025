// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Error is an answer of Graph that is not a success. Its text holds no query, no request body, no token.
type Error struct {
	Operation  string // such as "create call"
	Method     string
	Path       string
	StatusCode int
	// Code is a word of Graph or, as text, a number of the calling service.
	Code    string
	Message string
	// RequestID and ClientRequestID are what Microsoft's support asks for.
	RequestID       string
	ClientRequestID string
	// RetryAfter is how long the service asks to wait, 0 if it does not.
	RetryAfter time.Duration
	// MissingRoles are the roles the request needs and the token lacks. Set when it was forbidden and needs roles of its own.
	MissingRoles []string

	// ToPeople: the request calls somebody, and does not go into a meeting. ToPhone: one of them is a telephone.
	ToPeople, ToPhone bool
}

// calling notes whom the request that failed was to call.
func calling(err error, who ...InvitationParticipantInfo) error {
	var refused *Error
	if errors.As(err, &refused) {
		refused.ToPeople = len(who) > 0
		refused.ToPhone = slices.ContainsFunc(who, func(p InvitationParticipantInfo) bool { return p.Identity.Phone != nil })
	}
	return err
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s: %d %s", e.Operation, e.Method, e.Path, e.StatusCode, http.StatusText(e.StatusCode))
	if e.Code != "" {
		fmt.Fprintf(&b, ", code %s", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if len(e.MissingRoles) > 0 {
		fmt.Fprintf(&b, "; the token lacks %s", strings.Join(e.MissingRoles, ", "))
	}
	if e.RequestID != "" || e.ClientRequestID != "" {
		fmt.Fprintf(&b, " (request-id %s, client-request-id %s)", e.RequestID, e.ClientRequestID)
	}
	return b.String()
}

// IsNotFound reports whether err is Graph's answer that the call does not exist (any more).
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound
}

func newError(op operation, resp *http.Response, secrets []string) *Error {
	e := &Error{
		Operation: op.name, Method: op.method, StatusCode: resp.StatusCode,
		RequestID:       clip(resp.Header.Get("request-id"), 64),
		ClientRequestID: clip(resp.Header.Get("client-request-id"), 64),
		RetryAfter:      retryAfter(resp.Header, time.Now()),
	}
	if resp.Request != nil {
		e.Path = resp.Request.URL.Path
		if e.ClientRequestID == "" {
			e.ClientRequestID = resp.Request.Header.Get("Client-Request-Id")
		}
	}
	var body struct {
		Error struct {
			Code       looseText `json:"code"`
			Message    string    `json:"message"`
			InnerError struct {
				RequestID string `json:"request-id"`
			} `json:"innerError"`
		} `json:"error"`
	}
	payload, err := runtime.Payload(resp)
	if err != nil || decode(payload, &body) != nil || body.Error.Code == "" && body.Error.Message == "" {
		if len(payload) > 0 {
			kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
			e.Message = "the answer is not in Graph's form (" + clip(kind, 64) + "), so it may come from a proxy on the way"
		}
		return e
	}
	e.Code = clip(string(body.Error.Code), 64)
	e.Message = redact(body.Error.Message, secrets)
	if e.RequestID == "" {
		e.RequestID = clip(body.Error.InnerError.RequestID, 64)
	}
	return e
}

// looseText is a code given as a string or as a number.
type looseText string

func (t *looseText) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = looseText(s)
	} else if n, ok := looseInt(data); ok {
		*t = looseText(fmt.Sprint(n))
	}
	return nil
}

const maxMessageBytes = 512

var (
	urlInText   = regexp.MustCompile(`https?://[^\s"'<>]+`)
	tokenInText = regexp.MustCompile(`eyJ[\w-]{8,}\.[\w.-]*`) // a JWT
)

// redact makes a message of the service fit to be shown: the service may quote the request back, and the request holds secrets.
func redact(message string, secrets []string) string {
	for _, s := range secrets {
		// Very short strings would tear the message apart, and are no secrets either.
		if len(s) >= 4 {
			message = strings.ReplaceAll(message, s, "[redacted]")
		}
	}
	message = urlInText.ReplaceAllStringFunc(message, func(u string) string {
		if i := strings.IndexAny(u, "?#"); i >= 0 {
			u = u[:i] + "?[redacted]"
		}
		for _, marker := range []string{"/meetup-join/", "/meet/"} {
			if i := strings.Index(u, marker); i >= 0 {
				u = u[:i] + marker + "[redacted]"
			}
		}
		return u
	})
	message = tokenInText.ReplaceAllString(message, "[redacted]")
	message = strings.Join(strings.Fields(message), " ") // one line
	return clip(message, maxMessageBytes)
}

// clip shortens to at most n bytes, at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// secretsOf lists what must not come back in an error about creating the call.
func secretsOf(call *Call) []string {
	var secrets []string
	if m := call.MeetingInfo; m != nil {
		secrets = append(secrets, m.Passcode, m.Token, m.JoinMeetingID)
	}
	if call.MediaConfig != nil {
		secrets = append(secrets, call.MediaConfig.secrets()...)
	}
	return secrets
}

// secrets lists what of the media description must not come back in an error.
func (m *MediaConfig) secrets() []string {
	if m.Blob == "" {
		return nil
	}
	var blob struct {
		Token string `json:"token"`
	}
	_ = decode([]byte(m.Blob), &blob) // a blob of another kind has none
	return []string{m.Blob, blob.Token}
}
