// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
)

// WHIP, RFC 9725. The endpoint of a call is /whip/<call>; a POST makes a session,
// whose URL is /whip/<call>/<session>.

const (
	whipPrefix   = "/whip/"
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"

	// maxBody is far above any offer: a browser's with everything is 10 KiB.
	maxBody = 64 << 10
	// answerWithin bounds the making of an answer. Gathering asks no server, so it
	// takes milliseconds.
	answerWithin = 5 * time.Second
)

func endpointPath(call string) string { return whipPrefix + call }

func newTag() string { return `"` + rand.Text() + `"` }

func (e *Engine) newServer() *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(e.serveHTTP),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: e.cfg.GetCertificate,
		},
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      answerWithin + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(chatter{e.log.WithName("whip")}, "", 0),
	}
}

// chatter takes what the HTTP server has to say of handshakes that failed.
type chatter struct{ logr.Logger }

func (c chatter) Write(p []byte) (int, error) {
	c.V(1).Info(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (e *Engine) serveHTTP(w http.ResponseWriter, r *http.Request) {
	// A browser may be a far side. The token in the header, not the origin, is
	// what lets it in, so every origin may try (section 4.2, CORS).
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link")
	h.Set("Cache-Control", "no-store")

	rest, ok := strings.CutPrefix(r.URL.Path, whipPrefix)
	callID, sessionID, inSession := strings.Cut(rest, "/")
	if !ok || callID == "" || strings.Contains(sessionID, "/") {
		e.refuse(w, r, problem{http.StatusNotFound, "unknown_path", "WHIP endpoints are at /whip/<call>."})
		return
	}
	if r.Method == http.MethodOptions {
		preflight(h, inSession)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	call, p := e.authorize(r, callID)
	if p == nil {
		if inSession {
			p = e.serveSession(w, r, call, sessionID)
		} else {
			p = e.serveEndpoint(w, r, call)
		}
	}
	if p != nil {
		e.refuse(w, r, *p)
	}
}

func preflight(h http.Header, inSession bool) {
	if inSession {
		h.Set("Access-Control-Allow-Methods", "PATCH, DELETE, OPTIONS")
		h.Set("Accept-Patch", typeFragment)
	} else {
		h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		h.Set("Accept-Post", typeSDP) // section 4.2
	}
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
}

// authorize finds the call and checks the bearer token for it (section 4.5).
func (e *Engine) authorize(r *http.Request, callID string) (*Call, *problem) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, &problem{http.StatusUnauthorized, "unauthorized", "Send the call's token as a bearer token."}
	}
	call := e.call(callID)
	if call == nil {
		return nil, &problem{http.StatusNotFound, "unknown_call", "There is no such call here, or not any more."}
	}
	if !call.authorized(strings.TrimSpace(token)) {
		return nil, &problem{http.StatusUnauthorized, "unauthorized", "The bearer token is not the one of this call."}
	}
	return call, nil
}

// serveEndpoint makes a session of an offer (section 4.2).
func (e *Engine) serveEndpoint(w http.ResponseWriter, r *http.Request, call *Call) *problem {
	if r.Method != http.MethodPost {
		// GET, HEAD and PUT are kept for later versions (section 4.2).
		w.Header().Set("Allow", "POST, OPTIONS")
		return &problem{http.StatusMethodNotAllowed, "method", "A WHIP endpoint takes POST."}
	}
	offer, p := readBody(w, r, typeSDP)
	if p != nil {
		return p
	}
	ctx, cancel := contextFor(r)
	defer cancel()
	s, answer, err := call.connect(ctx, offer)
	if err != nil {
		return problemOf(err)
	}
	h := w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", endpointPath(call.id)+"/"+s.id)
	h.Set("ETag", s.tag()) // section 4.3.1: names the ICE session
	h.Set("Accept-Patch", typeFragment)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
	return nil
}

// serveSession changes or ends a session.
func (e *Engine) serveSession(w http.ResponseWriter, r *http.Request, call *Call, id string) *problem {
	s := call.live(id)
	if s == nil {
		return &problem{http.StatusNotFound, "unknown_session", "The session has ended; POST a new offer to the endpoint."}
	}
	switch r.Method {
	case http.MethodDelete: // section 4.2: the far side ends the session
		s.end()
		w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodPatch:
		return e.patch(w, r, s)
	}
	w.Header().Set("Allow", "PATCH, DELETE, OPTIONS")
	return &problem{http.StatusMethodNotAllowed, "method", "A WHIP session takes PATCH and DELETE."}
}

// readBody reads a body of the given type and no more than maxBody.
func readBody(w http.ResponseWriter, r *http.Request, want string) (string, *problem) {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || got != want {
		return "", &problem{http.StatusUnsupportedMediaType, "media_type", "The Content-Type must be " + want + "."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", &problem{http.StatusRequestEntityTooLarge, "too_large", "The body is larger than 64 KiB."}
	case err != nil:
		return "", &problem{http.StatusBadRequest, "unreadable", "The body could not be read to its end."}
	}
	return string(body), nil
}
