// SPDX-License-Identifier: Apache-2.0

// Package teamsim is Teams on a laptop, as a calling bot sees it: a login, the Graph calls API, signed
// notifications, and meetings in which people speak and hear. It is written from Microsoft's documentation and
// is stricter than the real service where that helps a bot's author; it shares no code with Callfleet's own client.
//
// Media is standard WebRTC: teamsim posts an offer to the WHIP resource that appHostedMediaConfig.blob names. It
// does not speak the protocol of Microsoft's Real-time Media Platform.
package teamsim

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/calls"
	"github.com/callfleet/callfleet/teamsim/console"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/faults"
	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/jwks"
	"github.com/callfleet/callfleet/teamsim/login"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/onlinemeetings"
	"github.com/callfleet/callfleet/teamsim/outbound"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/policy"
	"github.com/callfleet/callfleet/teamsim/quota"
	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

// Options say where and how to serve. The zero value serves on free loopback ports.
type Options struct {
	Listen      string // address of Microsoft's side, HTTPS; 127.0.0.1:0 when empty
	AdminListen string // address of the admin API and page, HTTP, loopback only; 127.0.0.1:0 when empty
	// PublicURL is how bots reach Microsoft's side; https:// and the listening address when empty.
	PublicURL string
	// Certificate serves HTTPS; a CA and a certificate by it are made when nil.
	Certificate *tls.Certificate
	// CertificateCA is the PEM of the CA behind Certificate, for the admin API to hand out.
	CertificateCA []byte
	// TrustRoots are PEM certificates trusted beside the system's, for bots' callbacks and media.
	TrustRoots []byte
	// Resolve points host names at addresses, see outbound.Network.Resolve.
	Resolve map[string]string
	// NotificationIssuer is the iss of notification tokens; callback.DefaultIssuer when empty.
	NotificationIssuer string
	// NotificationPatience is how long an undeliverable notification is tried; callback.DefaultPatience when 0.
	NotificationPatience time.Duration
	// MediaTimeout is how long a bot's media may be silent, connectivity checks included, until its call is ended;
	// whip.DefaultMediaTimeout when 0.
	MediaTimeout time.Duration
	Log          logr.Logger
}

// Server is a running local Teams.
type Server struct {
	info   admin.Info
	calls  *calls.Service
	sender *callback.Sender
	store  *meeting.Store

	public, adminServer *http.Server
}

// Start opens the sockets and serves until Close.
func Start(o Options) (*Server, error) {
	adminListener, err := listenLoopback(cmp.Or(o.AdminListen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		_ = adminListener.Close()
		return nil, fmt.Errorf("listen for bots: %w", err)
	}
	s, err := assemble(o, listener, adminListener)
	if err != nil {
		_ = adminListener.Close()
		_ = listener.Close()
		return nil, err
	}
	return s, nil
}

// listenLoopback refuses addresses others can reach: the admin API has no login.
func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("admin address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("admin address %q is not a loopback address; the admin API has no login and must stay on this machine", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	return l, nil
}

func assemble(o Options, listener, adminListener net.Listener) (*Server, error) {
	base := strings.TrimSuffix(cmp.Or(o.PublicURL, "https://"+listener.Addr().String()), "/")
	certificate, caPEM, err := certificateFor(o, base, listener.Addr())
	if err != nil {
		return nil, err
	}
	network := outbound.New()
	if len(o.TrustRoots) > 0 {
		if err := network.AddRoots(o.TrustRoots); err != nil {
			return nil, fmt.Errorf("trust roots: %w", err)
		}
	}
	for name, addr := range o.Resolve {
		if err := network.Resolve(name, addr); err != nil {
			return nil, fmt.Errorf("resolve: %w", err)
		}
	}
	loginKeys, err := jwks.NewSet()
	if err != nil {
		return nil, err
	}
	callKeys, err := jwks.NewSet()
	if err != nil {
		return nil, err
	}

	clock, events, apps, book := simclock.New(), &journal.Journal{}, directory.New(), &secrets.Book{}
	loginService := &login.Service{Directory: apps, Keys: loginKeys, BaseURL: base, Secrets: book}
	signer := &callback.Signer{Keys: callKeys, Issuer: cmp.Or(o.NotificationIssuer, callback.DefaultIssuer)}
	sender := callback.NewSender(signer, network, o.NotificationPatience, o.Log.WithName("callback"))
	sender.Legacy = func(appID string) bool {
		app, _ := apps.Get(appID)
		return app.LegacyFirst
	}
	meetings := &meeting.Store{Clock: clock, Journal: events, Secrets: book}
	phones, recordings, policies := &people.Registry{Clock: clock}, &servicemedia.Recordings{Secrets: book}, &policy.Set{}
	callService := &calls.Service{
		People: phones, Prompts: &servicemedia.Prompts{HTTP: network.PlainClient(0)}, Recordings: recordings, Policies: policies, Quotas: &quota.Book{Now: clock.Now},
		BaseURL: base, Login: loginService, Directory: apps, Meetings: meetings, Sender: sender, Network: network, Clock: clock,
		Secrets: book, Journal: events, MediaTimeout: o.MediaTimeout, Log: o.Log.WithName("calls"),
	}
	onlineMeetings := &onlinemeetings.Service{
		BaseURL: base, Login: loginService, Directory: apps, Meetings: meetings, Policies: policies, People: phones, Journal: events,
	}
	failing := &faults.Set{}

	s := &Server{
		calls: callService, sender: sender, store: meetings,
		info: admin.Info{
			URL: base, AdminURL: "http://" + adminListener.Addr().String(), CA: string(caPEM),
			OpenIDConfigurationURL: base + "/v1/.well-known/OpenIdConfiguration", Issuer: signer.Issuer,
		},
	}
	s.public = &http.Server{
		Handler:           failing.Wrap(publicHandler(base, loginService, callService, callKeys, recordings, onlineMeetings)),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          quiet(o.Log),
	}
	s.adminServer = &http.Server{
		Handler: console.New(console.Config{
			Info: s.info, Calls: callService, Directory: apps, Meetings: meetings, Sender: sender, Signer: signer, Network: network, People: phones,
			Clock: clock, Journal: events, Keys: callKeys, Faults: failing, Secrets: book,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          quiet(o.Log),
	}
	go serve(o.Log, "bots", func() error { return s.public.ServeTLS(listener, "", "") })
	go serve(o.Log, "admin", func() error { return s.adminServer.Serve(adminListener) })
	return s, nil
}

func serve(log logr.Logger, what string, run func() error) {
	if err := run(); !errors.Is(err, http.ErrServerClosed) {
		log.Error(err, "stopped serving", "what", what)
	}
}

// certificateFor takes the certificate given, or makes one for every name this server may be called by.
func certificateFor(o Options, base string, addr net.Addr) (tls.Certificate, []byte, error) {
	if o.Certificate != nil {
		return *o.Certificate, o.CertificateCA, nil
	}
	hosts := []string{"127.0.0.1", "::1", "localhost", hostOf(base)}
	if host, _, err := net.SplitHostPort(addr.String()); err == nil {
		hosts = append(hosts, host)
	}
	return makeCertificate(hosts)
}

// publicHandler sorts requests by which of Microsoft's hosts they would go to.
func publicHandler(base string, loginService, callService, keys, recordings, onlineMeetings http.Handler) http.Handler {
	metadata := callback.ServeMetadata(base)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.ToLower(r.URL.Path)
		switch {
		case path == "/v1/.well-known/openidconfiguration" && r.Method == http.MethodGet:
			metadata.ServeHTTP(w, r)
		case path == "/v1/keys" && r.Method == http.MethodGet:
			keys.ServeHTTP(w, r)
		case onlinemeetings.Handles(path):
			onlineMeetings.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/v1.0/"), strings.HasPrefix(path, "/beta/"):
			callService.ServeHTTP(w, r)
		case strings.HasPrefix(path, servicemedia.RecordingsPath):
			recordings.ServeHTTP(w, r)
		case login.Handles(r.URL.Path):
			loginService.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// Info says where the server is.
func (s *Server) Info() admin.Info { return s.info }

// Admin returns a client of the admin API.
func (s *Server) Admin() *admin.Client { return admin.NewClient(s.info.AdminURL) }

// Close stops everything: calls end without word to the bots, sockets close.
func (s *Server) Close() {
	s.sender.Close()
	s.calls.Close()
	for _, m := range s.store.All() {
		s.store.Delete(m.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, h := range []*http.Server{s.public, s.adminServer} {
		if h.Shutdown(ctx) != nil {
			_ = h.Close()
		}
	}
}
