// SPDX-License-Identifier: Apache-2.0

// Package outbound makes connections to bots the way a service on the internet does: names are
// resolved, certificates are verified. As a laptop has neither public DNS nor a public CA, names can be
// pointed at addresses and trust roots can be added; verification itself cannot be turned off.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Network is safe for concurrent use.
type Network struct {
	mu    sync.Mutex
	roots *x509.CertPool
	names map[string]string // lower-case name, or *.domain, to address or address:port

	dialer net.Dialer
}

// New trusts the system's roots and resolves names as the system does.
func New() *Network {
	roots, err := x509.SystemCertPool()
	if err != nil { // none installed, as in a scratch image
		roots = x509.NewCertPool()
	}
	return &Network{roots: roots, names: map[string]string{}, dialer: net.Dialer{Timeout: 5 * time.Second}}
}

// AddRoots trusts further CA certificates, given as PEM. New connections see them at once.
func (n *Network) AddRoots(pem []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	pool := n.roots.Clone()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("no PEM certificate found; give the CA certificate as PEM")
	}
	n.roots = pool
	return nil
}

// Resolve points a name at an address, as a DNS record would. The name may be a wildcard, *.domain, which
// covers one label as it does in DNS practice and in certificates. The address may carry a port, which
// then replaces the port asked for. An empty address removes the record.
func (n *Network) Resolve(name, addr string) error {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || strings.Contains(strings.TrimPrefix(name, "*."), "*") {
		return fmt.Errorf("%q is not a host name or *.domain", name)
	}
	if addr != "" {
		host := addr
		if h, _, err := net.SplitHostPort(addr); err == nil {
			host = h
		}
		if net.ParseIP(host) == nil {
			return fmt.Errorf("%q is not an IP address or IP:port", addr)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr == "" {
		delete(n.names, name)
	} else {
		n.names[name] = addr
	}
	return nil
}

// Names lists the records.
func (n *Network) Names() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.names)
}

// lookup replaces host:port by what the records say.
func (n *Network) lookup(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	name := strings.ToLower(host)
	n.mu.Lock()
	addr, ok := n.names[name]
	if !ok {
		if _, domain, dotted := strings.Cut(name, "."); dotted {
			addr, ok = n.names["*."+domain]
		}
	}
	n.mu.Unlock()
	switch {
	case !ok:
		return hostport
	case net.ParseIP(addr) != nil:
		return net.JoinHostPort(addr, port)
	default:
		return addr
	}
}

// Client returns an HTTP client on this network. It follows no redirects, sends no cookies, uses no proxy,
// and opens a connection per request, so that a changed root or record counts at once and no connection
// is pinned to a bot that has gone.
func (n *Network) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialTLSContext:    n.dialTLS,
			DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				return nil, fmt.Errorf("refusing to talk to %s without TLS", addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// PlainClient is like Client, but also reaches http URLs, which the service allows for prompts only.
func (n *Network) PlainClient(timeout time.Duration) *http.Client {
	c := n.Client(timeout)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return n.dialer.DialContext(ctx, network, n.lookup(addr))
	}
	return c
}

func (n *Network) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	roots := n.roots
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	dialer := tls.Dialer{NetDialer: &n.dialer, Config: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}}
	return dialer.DialContext(ctx, network, n.lookup(addr))
}

// IsCertificateError says whether a request failed because the peer's certificate was not acceptable.
func IsCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid)
}
