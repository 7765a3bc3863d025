// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/login"
)

const maxBody = 256 << 10

// request is one request to the API, past authentication.
type request struct {
	*http.Request
	claims     login.Claims
	beta       bool
	version    string
	scenarioID string
	body       []byte
}

// ServeHTTP serves /v1.0 and /beta. Every reply carries the headers of reference section 1.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("request-id", uuid.NewString())
	h.Set("client-request-id", r.Header.Get("client-request-id"))
	if h.Get("client-request-id") == "" {
		h.Set("client-request-id", h.Get("request-id"))
	}
	if id := r.Header.Get("Scenario-Id"); id != "" {
		h.Set("scenario-id", id)
	}
	h.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Local","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"TEAMSIM"}}`)
	h.Set("OData-Version", "4.0")
	if err := s.serve(w, r); err != nil {
		s.Log.V(1).Info("request refused", "method", r.Method, "path", r.URL.Path, "status", err.status, "code", err.code)
		err.write(w)
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) *apiError {
	claims, refusal := s.authenticate(r)
	if refusal != nil {
		return refusal
	}
	req := &request{Request: r, claims: claims, scenarioID: r.Header.Get("Scenario-Id")}
	if req.scenarioID != "" {
		if _, err := uuid.Parse(req.scenarioID); err != nil {
			return badRequest("the header Scenario-Id must be a GUID")
		}
	}
	if req.body, refusal = readBody(r); refusal != nil {
		return refusal
	}
	return s.route(w, req)
}

func (s *Service) authenticate(r *http.Request) (login.Claims, *apiError) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return login.Claims{}, unauthorized("Access token is empty.")
	}
	claims, err := s.Login.Verify(token)
	if err != nil {
		return login.Claims{}, unauthorized("Access token validation failure: " + err.Error())
	}
	if _, known := s.Directory.Get(claims.AppID); !known {
		return login.Claims{}, unauthorized("The application of the access token is not registered.")
	}
	return claims, nil
}

func readBody(r *http.Request) ([]byte, *apiError) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, badRequest("the body cannot be read: %v", err)
	}
	if len(body) > maxBody {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The body is too large."}
	}
	if len(body) > 0 {
		if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" {
			return nil, &apiError{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The body must be application/json."}
		}
	}
	return body, nil
}

// route finds the operation. Segments and action names are case-insensitive, ids are not; /app is the old alias
// of /communications, and actions may carry their namespace (reference section 1).
func (s *Service) route(w http.ResponseWriter, r *request) *apiError {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	fold := func(i int, names ...string) bool {
		for _, n := range names {
			if i < len(segments) && strings.EqualFold(segments[i], n) {
				return true
			}
		}
		return false
	}
	if !fold(0, "v1.0", "beta") || !fold(1, "communications", "app") || !fold(2, "calls") {
		return badRequest("Resource not found for the path '%s'.", r.URL.Path)
	}
	r.version = strings.ToLower(segments[0])
	r.beta = r.version == "beta"
	segments = segments[3:]
	switch len(segments) {
	case 0:
		return method(r, http.MethodPost, func() *apiError { return s.create(w, r) })
	default:
		if strings.EqualFold(segments[0], "logTeleconferenceDeviceQuality") {
			return method(r, http.MethodPost, func() *apiError { return s.serveDeviceQuality(w, r) })
		}
		c, ok := s.find(segments[0], r.claims.AppID)
		if !ok {
			return callNotFound()
		}
		if !strings.EqualFold(c.tenantID, r.claims.TenantID) {
			return tenantMismatch()
		}
		return s.routeCall(w, r, c, segments[1:])
	}
}

// routeCall serves GET and DELETE …, and finds the actions and collections below it.
func (s *Service) routeCall(w http.ResponseWriter, r *request, c *call, rest []string) *apiError {
	if len(rest) == 0 {
		switch r.Method {
		case http.MethodGet:
			reply(w, http.StatusOK, c.resource())
			return nil
		case http.MethodDelete:
			if !c.end(endedByBot, "the bot hung up", true) {
				return callNotFound()
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return notAllowed(r)
	}
	name := strings.TrimPrefix(strings.ToLower(rest[0]), "microsoft.graph.")
	if serve, known := callActions[name]; known && len(rest) == 1 {
		return method(r, http.MethodPost, func() *apiError { return serve(c, w, r) })
	}
	if serve, known := callParts[name]; known {
		return serve(c, w, r, rest[1:])
	}
	return badRequest("Resource not found for the segment '%s'.", rest[0])
}

// callActions are the actions on a call, POST …/calls/{id}/{action}, by lower-case name.
var callActions = map[string]func(*call, http.ResponseWriter, *request) *apiError{
	"cancelmediaprocessing": (*call).serveCancelMediaProcessing,
	"playprompt":            (*call).servePlayPrompt,
	"recordresponse":        (*call).serveRecordResponse,
	"redirect":              (*call).serveRedirect,
	"senddtmftones":         (*call).serveSendDtmfTones,
	"subscribetotone":       (*call).serveSubscribeToTone,
	"transfer":              (*call).serveTransfer,
	"answer":                (*call).serveAnswer,
	"keepalive":             (*call).serveKeepAlive,
	"reject":                (*call).serveReject,
	"mute":                  func(c *call, w http.ResponseWriter, r *request) *apiError { return c.serveMute(w, r, true) },
	"unmute":                func(c *call, w http.ResponseWriter, r *request) *apiError { return c.serveMute(w, r, false) },

	"updaterecordingstatus":   (*call).serveUpdateRecordingStatus,
	"changescreensharingrole": (*call).serveChangeScreenSharingRole,
	"addlargegalleryview":     (*call).serveAddLargeGalleryView,
}

// callParts are the collections of a call, …/calls/{id}/{part}[/…], by lower-case name. They get the segments below.
var callParts = map[string]func(*call, http.ResponseWriter, *request, []string) *apiError{
	"operations":             (*call).routeOperations,
	"participants":           (*call).routeParticipants,
	"contentsharingsessions": (*call).routeContentSharing,
	"audioroutinggroups":     (*call).routeRoutingGroups,
}

func method(r *request, want string, serve func() *apiError) *apiError {
	if r.Method != want {
		return notAllowed(r)
	}
	return serve()
}

func notAllowed(r *request) *apiError {
	return &apiError{http.StatusMethodNotAllowed, "Request_BadRequest",
		fmt.Sprintf("Specified HTTP method %s is not allowed for the request target.", r.Method)}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
