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
	"time"

	"github.com/callfleet/callfleet/graph"
)

// unjudgedHeader of a 503 tells the router that the token was not judged, so that no other pod is to be asked.
const unjudgedHeader = "Callfleet-Unjudged"

// maxNewCallBytes bounds the request for a new call, which is one call without its roster.
const maxNewCallBytes = 256 << 10

// Handler serves what the router forwards: new calls of the bot, and what happens
// to its calls. Those of other pods may be among them, whose calls were adopted here.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, body := s.serve(w, r)
		s.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc()
		switch {
		case code >= http.StatusBadRequest:
			// Nothing of a request that was refused is worth reading on for.
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(code), code)
		case body != nil:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write(body)
		default:
			w.WriteHeader(code)
		}
	})
}

// serve acts on a request and says how to answer it. Not a byte of the body is
// read before the token was found good and the request is one for this pod.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) (code int, body []byte) {
	pod, uid, isCallback := s.callback(r.URL.Path)
	isNewCall := r.URL.Path == s.newCallPath
	switch {
	case !isNewCall && !isCallback:
		return http.StatusNotFound, nil
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, nil
	}
	if isNewCall {
		// A connection kept alive would pin all new calls to one pod (Microsoft's samples).
		w.Header().Set("Connection", "close")
	}
	claims, err := s.cfg.Verifier.Verify(r.Context(), bearer(r))
	if err != nil {
		var refusal *TokenError
		switch {
		case !errors.As(err, &refusal):
		case refusal.Cause == KeysUnavailable:
			return http.StatusServiceUnavailable, nil // our fault: it may be sent again
		case refusal.Cause == TokenKeyUnchecked:
			// So may this, but it may be junk as well, which must not be shown to one pod after the other.
			w.Header().Set(unjudgedHeader, "true")
			w.Header().Set("Retry-After", strconv.Itoa(int(refetchEvery/time.Second)))
			return http.StatusServiceUnavailable, nil
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		return http.StatusUnauthorized, nil
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return http.StatusUnsupportedMediaType, nil
	}
	with := arrivalOf(r, claims)
	switch {
	case isNewCall && !with.last && s.cfg.Full != nil && s.cfg.Full():
		return http.StatusServiceUnavailable, nil
	case isCallback && s.holding(uid) == nil:
		if code := s.findOwner(r.Context(), w, uid, pod); code != 0 {
			return code, nil
		}
	}
	notifications, code := s.read(w, r, isNewCall)
	if code != 0 {
		return code, nil
	}
	if isNewCall {
		d := s.takeNewCalls(notifications, with)
		if d.location != "" {
			w.Header().Set("Location", d.location)
		}
		return d.code, nil
	}
	return s.takeCallback(r.Context(), uid, claims.TenantID, notifications)
}

// callback reads the path of a callback: of any pod of the bot.
func (s *Server) callback(path string) (pod, uid string, ok bool) {
	rest, ok := strings.CutPrefix(path, s.podsPath)
	if !ok {
		return "", "", false
	}
	pod, uid, ok = strings.Cut(rest, "/calls/")
	return pod, uid, ok && pod != "" && uid != "" && !strings.Contains(pod, "/") && !strings.Contains(uid, "/")
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
	most := int64(graph.MaxNotificationBytes)
	if isNewCall {
		most = maxNewCallBytes
	}
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, most)); err != nil {
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
