// SPDX-License-Identifier: Apache-2.0

// Package onlinemeetings is the part of Graph in which a bot looks meetings up and creates them (reference section 1.5).
package onlinemeetings

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/login"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/policy"
)

// The application permissions (reference section 1.5).
const (
	roleRead  = "OnlineMeetings.Read.All"
	roleWrite = "OnlineMeetings.ReadWrite.All"
)

const maxBody = 64 << 10

// Service serves /users/{id}/onlineMeetings and /communications/onlineMeetings.
type Service struct {
	BaseURL   string
	Login     *login.Service
	Directory *directory.Directory
	Meetings  *meeting.Store
	Policies  *policy.Set
	People    *people.Registry
	Journal   *journal.Journal

	mu       sync.Mutex
	external map[externalKey]string // meeting by what createOrGet named it
	times    map[string]span        // of meetings made here
}

// externalKey: an external id is unique for a user.
type externalKey struct{ tenant, user, id string }

type span struct{ start, end time.Time }

// Handles says whether a path is this service's.
func Handles(path string) bool {
	segments := split(path)
	if len(segments) < 3 {
		return false
	}
	if segments[1] == "communications" {
		return segments[2] == "onlinemeetings"
	}
	return segments[1] == "users" && len(segments) > 3 && segments[3] == "onlinemeetings"
}

// split cuts a path into lower-case segments: v1.0, users, {id}, onlinemeetings, …
func split(path string) []string { return strings.Split(strings.Trim(strings.ToLower(path), "/"), "/") }

// refusal is an error reply (reference section 4, "Error body").
type refusal struct {
	status        int
	code, message string
}

func badRequest(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "BadRequest", fmt.Sprintf(format, args...)}
}

func notFound() *refusal {
	return &refusal{http.StatusNotFound, "NotFound", "The meeting was not found."}
}

// request is one request past authentication.
type request struct {
	*http.Request
	claims login.Claims
	user   string // on whose behalf
	body   []byte
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("request-id", uuid.NewString())
	client := r.Header.Get("client-request-id")
	if client == "" {
		client = h.Get("request-id")
	}
	h.Set("client-request-id", client)
	h.Set("OData-Version", "4.0")
	status, body, refused := s.serve(r)
	if refused != nil {
		status, body = refused.status, map[string]any{"error": map[string]any{
			"code": refused.code, "message": refused.message,
			"innerError": map[string]any{
				"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": h.Get("request-id"), "client-request-id": client,
			},
		}}
	}
	h.Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Service) serve(r *http.Request) (int, any, *refusal) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	claims, err := s.Login.Verify(token)
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		return 0, nil, &refusal{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty or invalid."}
	}
	if _, known := s.Directory.Get(claims.AppID); !known {
		return 0, nil, &refusal{http.StatusUnauthorized, "InvalidAuthenticationToken", "The application of the access token is not registered."}
	}
	req := &request{Request: r, claims: claims}
	if req.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil || len(req.body) > maxBody {
		return 0, nil, badRequest("the body cannot be read, or is too large")
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); len(req.body) > 0 && t != "application/json" {
		return 0, nil, &refusal{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The body must be application/json."}
	}
	if segments := split(r.URL.Path); segments[1] == "communications" {
		return s.routeVTC(req, segments[3:])
	}
	return s.routeUser(req)
}

// routeVTC serves GET /communications/onlineMeetings, the lookup by VTC id, which needs no access policy, but a partner's
// licence in real life.
func (s *Service) routeVTC(r *request, rest []string) (int, any, *refusal) {
	if len(rest) > 0 || r.Method != http.MethodGet {
		return 0, nil, badRequest("only GET /communications/onlineMeetings with a filter on VideoTeleconferenceId exists")
	}
	if refused := r.needs(roleRead, roleWrite); refused != nil {
		return 0, nil, refused
	}
	property, value, refused := r.filter()
	if refused != nil {
		return 0, nil, refused
	}
	if !strings.EqualFold(property, "VideoTeleconferenceId") {
		return 0, nil, badRequest("the filter must be on VideoTeleconferenceId, not on %s", property)
	}
	return http.StatusOK, s.collection(r, func(m *meeting.Meeting) bool { return m.VTCID == value }), nil
}

func (s *Service) routeUser(r *request) (int, any, *refusal) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // ids are case-sensitive
	r.user = segments[2]
	if _, err := uuid.Parse(r.user); err != nil {
		return 0, nil, badRequest("the user must be given by their object id, a GUID")
	}
	roles := []string{roleRead, roleWrite}
	if r.Method != http.MethodGet {
		roles = []string{roleWrite}
	}
	if refused := r.needs(roles...); refused != nil {
		return 0, nil, refused
	}
	// A token knows the users of its own tenant alone.
	if known := s.People.Get(r.user); known.TenantID != "" && !strings.EqualFold(known.TenantID, r.claims.TenantID) {
		return 0, nil, &refusal{http.StatusNotFound, "NotFound", "The user was not found in the tenant of the access token."}
	}
	if !s.Policies.MayAccess(r.claims.TenantID, r.claims.AppID, r.user) {
		return 0, nil, &refusal{http.StatusForbidden, "Forbidden", fmt.Sprintf(
			"No application access policy found for this app: %s on the user: %s.", r.claims.AppID, r.user)}
	}
	rest := segments[4:]
	switch {
	case len(rest) == 0 && r.Method == http.MethodGet:
		return s.find(r)
	case len(rest) == 0 && r.Method == http.MethodPost:
		return s.create(r)
	case len(rest) == 1 && r.Method == http.MethodPost && isCreateOrGet(rest[0]):
		return s.createOrGet(r)
	case len(rest) == 1 && r.Method == http.MethodGet:
		return s.get(r, rest[0])
	}
	return 0, nil, badRequest("%s %s does not exist, or is not simulated", r.Method, r.URL.Path)
}

func isCreateOrGet(segment string) bool {
	return strings.TrimPrefix(strings.ToLower(segment), "microsoft.graph.") == "createorget"
}

func (r *request) needs(anyOf ...string) *refusal {
	if slices.ContainsFunc(anyOf, r.claims.Has) {
		return nil
	}
	return &refusal{http.StatusForbidden, "Forbidden",
		"Insufficient privileges to complete the operation. Missing application permission: " + strings.Join(anyOf, " or ") + "."}
}
