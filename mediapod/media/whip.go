// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
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
// whose URL is /whip/<call>/<session>. WHEP, at /whep/<call>, is the same for those
// who only listen. Sections are of RFC 9725.

const (
	whipPrefix   = "/whip/"
	whepPrefix   = "/whep/"
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"

	// maxBody is far above any offer: a browser's with everything is 10 KiB.
	maxBody = 64 << 10
	// answerWithin bounds the making of an answer. Gathering asks no server, so it
	// takes milliseconds.
	answerWithin = 5 * time.Second
)

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

	if r.URL.Path == "/healthz" && e.cfg.Health != nil {
		e.cfg.Health.ServeHTTP(w, r)
		return
	}
	d := e.whip
	if strings.HasPrefix(r.URL.Path, whepPrefix) {
		d = e.whep
	}
	rest, ok := strings.CutPrefix(r.URL.Path, d.prefix)
	callID, sessionID, inSession := strings.Cut(rest, "/")
	if !ok || callID == "" || strings.Contains(sessionID, "/") {
		e.refuse(w, r, problem{http.StatusNotFound, "unknown_path", "WHIP endpoints are at /whip/<call>, WHEP endpoints at /whep/<call>."})
		return
	}
	if r.Method == http.MethodOptions {
		preflight(h, inSession)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		e.refuse(w, r, problem{http.StatusUnauthorized, "unauthorized", "Send " + d.token + " as a bearer token."})
		return
	}
	call := e.call(callID)
	if call == nil {
		e.refuse(w, r, problem{http.StatusNotFound, "unknown_call", "There is no such call here, or not any more."})
		return
	}
	g, p := d.let(call, r, token)
	if p == nil {
		if inSession {
			p = e.serveSession(w, r, g, sessionID)
		} else {
			p = e.serveEndpoint(w, r, d, g)
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

// door is one of the two kinds of endpoints.
type door struct {
	prefix string
	token  string // what to show, for those who do not
	// let judges the token, and says what may be done with it.
	let func(c *Call, r *http.Request, token string) (guest, *problem)
}

// guest is somebody who was let in.
type guest struct {
	// connect answers an offer.
	connect func(ctx context.Context, offer string) (*connection, string, error)
	// find is a session of theirs.
	find func(id string) (*connection, party)
}

// whip is for the far side, which shows the call's own token (section 4.5).
func whipDoor() door {
	return door{whipPrefix, "the call's token", func(c *Call, _ *http.Request, token string) (guest, *problem) {
		if !c.authorized(token) {
			return guest{}, &problem{http.StatusUnauthorized, "unauthorized", "The bearer token is not the one of this call."}
		}
		return guest{connect: c.connect, find: c.far}, nil
	}}
}

// whep is for those who listen in (draft-ietf-wish-whep), who show a token of their own.
func whepDoor() door {
	return door{whepPrefix, "your token", func(c *Call, r *http.Request, token string) (guest, *problem) {
		if c.options.Authorize == nil {
			return guest{}, &problem{http.StatusForbidden, "forbidden", "Nobody can listen in to this call."}
		}
		who, err := c.options.Authorize(r.Context(), token)
		if err != nil {
			return guest{}, problemOf(err)
		}
		return guest{
			connect: func(ctx context.Context, offer string) (*connection, string, error) { return c.listen(ctx, who, offer) },
			find:    func(id string) (*connection, party) { return c.listening(id, who) },
		}, nil
	}}
}

// serveEndpoint makes a session of an offer (section 4.2).
func (e *Engine) serveEndpoint(w http.ResponseWriter, r *http.Request, d door, g guest) *problem {
	if r.Method != http.MethodPost {
		// GET, HEAD and PUT are kept for later versions (section 4.2).
		w.Header().Set("Allow", "POST, OPTIONS")
		return &problem{http.StatusMethodNotAllowed, "method", "The endpoint takes POST."}
	}
	offer, p := readBody(w, r, typeSDP)
	if p != nil {
		return p
	}
	ctx, cancel := contextFor(r)
	defer cancel()
	s, answer, err := g.connect(ctx, offer)
	if err != nil {
		return problemOf(err)
	}
	h := w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", d.prefix+s.call.id+"/"+s.id)
	h.Set("ETag", s.tag()) // section 4.3.1: names the ICE session
	h.Set("Accept-Patch", typeFragment)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
	return nil
}

// serveSession changes or ends a session.
func (e *Engine) serveSession(w http.ResponseWriter, r *http.Request, g guest, id string) *problem {
	s, who := g.find(id)
	if s == nil {
		return &problem{http.StatusNotFound, "unknown_session", "The session has ended; POST a new offer to the endpoint."}
	}
	switch r.Method {
	case http.MethodDelete: // section 4.2: the other end ends the session
		who.end()
		w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodPatch:
		return e.patch(w, r, s)
	}
	w.Header().Set("Allow", "PATCH, DELETE, OPTIONS")
	return &problem{http.StatusMethodNotAllowed, "method", "A session takes PATCH and DELETE."}
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
