// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/callfleet/callfleet/graph"
)

// Handler serves what the router forwards: new calls of the bot, and what happens
// to the calls of this pod.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := s.serve(w, r)
		s.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc()
		if code >= http.StatusBadRequest {
			// Nothing of a request that was refused is worth reading on for.
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(code), code)
			return
		}
		w.WriteHeader(code)
	})
}

// serve acts on a request and says how to answer it. Not a byte of the body is
// read before the token was found good.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) int {
	uid, isCallback := strings.CutPrefix(r.URL.Path, s.callbackPrefix)
	isNewCall := r.URL.Path == s.newCallPath
	switch {
	case !isNewCall && (!isCallback || uid == "" || strings.Contains(uid, "/")):
		return http.StatusNotFound
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed
	}
	if isNewCall {
		// A connection kept alive would pin all new calls to one pod (Microsoft's samples).
		w.Header().Set("Connection", "close")
	}
	if _, err := s.cfg.Verifier.Verify(r.Context(), bearer(r)); err != nil {
		var refusal *TokenError
		if errors.As(err, &refusal) && refusal.Cause == KeysUnavailable {
			return http.StatusServiceUnavailable // our fault: it may be sent again
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		return http.StatusUnauthorized
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return http.StatusUnsupportedMediaType
	}
	notifications, code := s.read(w, r, isNewCall)
	if code != 0 {
		return code
	}
	if isNewCall {
		return s.takeNewCalls(notifications)
	}
	return s.takeCallback(uid, notifications)
}

// bearer is the token of a request, empty if there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// read parses the body, or returns the code to answer with.
func (s *Server) read(w http.ResponseWriter, r *http.Request, isNewCall bool) ([]graph.Notification, int) {
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	}
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, graph.MaxNotificationBytes)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge
		}
		return nil, http.StatusBadRequest
	}
	notifications, err := graph.ParseNotifications(body.Bytes())
	switch {
	case err == nil:
		return notifications, 0
	case isNewCall && errors.Is(err, graph.ErrNotNotifications):
		// A channel that begins in the format of before Graph sends again in Graph's
		// when it gets this answer.
		return nil, http.StatusNoContent
	}
	s.log.V(1).Info("a notification cannot be read", "error", err.Error())
	return nil, http.StatusBadRequest
}

func (s *Server) takeNewCalls(notifications []graph.Notification) int {
	for _, n := range notifications {
		s.metrics.notifications[s.reject(n)].Inc()
	}
	return http.StatusAccepted
}

func (s *Server) takeCallback(uid string, notifications []graph.Notification) int {
	held, accepted := s.deliver(uid, notifications)
	switch {
	case accepted:
		return http.StatusAccepted
	case held:
		s.metrics.notifications[outcomeOverflow].Add(float64(len(notifications)))
		return http.StatusServiceUnavailable
	}
	for _, n := range notifications {
		s.metrics.notifications[s.stray(n, false)].Inc()
	}
	return http.StatusAccepted
}
