// SPDX-License-Identifier: Apache-2.0

// Package console serves the admin API of a local Teams, whose types and client are in package admin, and a page
// to look at.
package console

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/calls"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/faults"
	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/jwks"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/outbound"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

//go:embed page.html
var page []byte

// maxBody bounds requests: a WAV of ten minutes at 48 kHz stereo is 115 MB.
const maxBody = 128 << 20

// Config is what the console controls.
type Config struct {
	Info      admin.Info
	Calls     *calls.Service
	Directory *directory.Directory
	Meetings  *meeting.Store
	Sender    *callback.Sender
	Signer    *callback.Signer
	Network   *outbound.Network
	People    *people.Registry
	Clock     *simclock.Clock
	Journal   *journal.Journal
	Keys      *jwks.Set // of notifications
	Faults    *faults.Set
	Secrets   *secrets.Book
}

// handler returns what to reply with; nil is 204.
type handler func(*http.Request) (any, error)

var errNotFound = errors.New("not found")

// New returns the admin API and the page.
func New(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = io.WriteString(w, c.Info.CA)
	})
	for pattern, h := range map[string]handler{
		"GET /api/info":          func(*http.Request) (any, error) { return c.Info, nil },
		"GET /api/state":         func(*http.Request) (any, error) { return c.state(), nil },
		"GET /api/apps":          func(*http.Request) (any, error) { return c.apps(), nil },
		"PUT /api/apps/{app}":    c.putApp,
		"DELETE /api/apps/{app}": func(r *http.Request) (any, error) { c.Directory.Delete(r.PathValue("app")); return nil, nil },

		"GET /api/meetings":                                              func(*http.Request) (any, error) { return c.meetings(), nil },
		"POST /api/meetings":                                             c.createMeeting,
		"GET /api/meetings/{meeting}":                                    c.inMeeting(func(_ *http.Request, m *meeting.Meeting) (any, error) { return wireMeeting(m), nil }),
		"DELETE /api/meetings/{meeting}":                                 c.deleteMeeting,
		"POST /api/meetings/{meeting}/end":                               c.inMeeting(func(_ *http.Request, m *meeting.Meeting) (any, error) { m.End(); return nil, nil }),
		"PUT /api/meetings/{meeting}/lobby":                              c.inMeeting(setLobby),
		"POST /api/meetings/{meeting}/people":                            c.inMeeting(addPerson),
		"POST /api/meetings/{meeting}/people/{person}/join":              c.asPerson(func(_ *http.Request, p *meeting.Person) (any, error) { return nil, p.Join() }),
		"POST /api/meetings/{meeting}/people/{person}/leave":             c.asPerson(func(_ *http.Request, p *meeting.Person) (any, error) { p.Leave(); return nil, nil }),
		"POST /api/meetings/{meeting}/people/{person}/speak":             c.asPerson(speak),
		"DELETE /api/meetings/{meeting}/people/{person}/speak":           c.asPerson(func(_ *http.Request, p *meeting.Person) (any, error) { p.Hush(); return nil, nil }),
		"GET /api/meetings/{meeting}/people/{person}/heard":              c.asPerson(heard),
		"DELETE /api/meetings/{meeting}/people/{person}/heard":           c.asPerson(func(_ *http.Request, p *meeting.Person) (any, error) { p.ResetHeard(); return nil, nil }),
		"POST /api/meetings/{meeting}/participants/{participant}/{verb}": c.inMeeting(moderate),

		"POST /api/meetings/{meeting}/people/{person}/keys": c.asPerson(pressKeys),
		"GET /api/meetings/{meeting}/people/{person}/keys":  c.asPerson(func(_ *http.Request, p *meeting.Person) (any, error) { return p.Pressed(), nil }),

		"GET /api/users":               func(*http.Request) (any, error) { return c.users(), nil },
		"PUT /api/users/{user}":        c.putUser,
		"POST /api/users/{user}/react": c.react,
		"GET /api/ringing":             func(*http.Request) (any, error) { return c.ringing(), nil },

		"GET /api/calls":                           func(*http.Request) (any, error) { return c.calls(), nil },
		"POST /api/calls/{call}/hangup":            c.hangUp,
		"POST /api/calls/{call}/end":               c.endCall,
		"PUT /api/calls/{call}/media/cut":          c.cutMedia,
		"POST /api/calls/{call}/media/restart":     c.restartMedia,
		"PUT /api/tenants/{tenant}/policies":       c.putPolicies,
		"PUT /api/apps/{app}/quota":                c.setQuota,
		"POST /api/meetings/{meeting}/policy-join": c.inMeeting(c.policyJoin),
		"POST /api/meetings/{meeting}/churn":       c.inMeeting(churn),
		"POST /api/calls/{call}/persisted":         c.persisted,
		"GET /api/violations":                      c.violations,
		"POST /api/delivery-faults":                c.addDeliveryFault,
		"PUT /api/chaos":                           c.setChaos,
		"PUT /api/retry":                           c.setRetry,
		"GET /api/quiet":                           c.quiet,

		"GET /api/ghosts":        func(*http.Request) (any, error) { return c.ghosts(), nil },
		"POST /api/incoming":     c.ring,
		"GET /api/notifications": c.notifications,
		"GET /api/events":        c.events,
		"GET /api/secrets":       func(*http.Request) (any, error) { return c.Secrets.All(), nil },

		"POST /api/trust":        c.trust,
		"POST /api/resolve":      c.resolve,
		"POST /api/faults":       c.addFault,
		"DELETE /api/faults":     c.clearFaults,
		"POST /api/token-faults": c.spoilTokens,
		"GET /api/clock":         func(*http.Request) (any, error) { return c.clock(), nil },
		"PUT /api/clock":         c.setClock,
		"POST /api/keys/rotate":  func(r *http.Request) (any, error) { return nil, c.Keys.Rotate(r.FormValue("retire") == "true") },
		"POST /api/notify":       c.notify,
	} {
		mux.HandleFunc(pattern, h.serve)
	}
	// Web pages of other origins must not drive the simulator of whoever looks at them.
	return http.NewCrossOriginProtection().Handler(mux)
}

func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	out, err := h(r)
	switch {
	case errors.Is(err, errNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		if raw, ok := out.(wavFile); ok {
			w.Header().Set("Content-Type", "audio/wav")
			_, _ = w.Write(raw)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}
}

// read decodes a request's body and refuses members it does not know, so that a typing error does not go unnoticed.
func read[T any](r *http.Request) (T, error) {
	var in T
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, fmt.Errorf("cannot read the request: %w", err)
	}
	return in, nil
}

func (c Config) inMeeting(h func(*http.Request, *meeting.Meeting) (any, error)) handler {
	return func(r *http.Request) (any, error) {
		m, ok := c.Meetings.Get(r.PathValue("meeting"))
		if !ok {
			return nil, fmt.Errorf("meeting %s: %w", r.PathValue("meeting"), errNotFound)
		}
		return h(r, m)
	}
}

func (c Config) asPerson(h func(*http.Request, *meeting.Person) (any, error)) handler {
	return c.inMeeting(func(r *http.Request, m *meeting.Meeting) (any, error) {
		p, ok := m.Person(r.PathValue("person"))
		if !ok {
			return nil, fmt.Errorf("person %s: %w", r.PathValue("person"), errNotFound)
		}
		return h(r, p)
	})
}
