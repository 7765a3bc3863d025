// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrInside is why an address is not asked: it is inside the pod, or of the node and the cloud below it.
var ErrInside = errors.New("the address is inside the pod or belongs to its node")

// inside are the addresses at which clouds tell machines their secrets, as far as they are not link-local: Azure's wire server, Alibaba
// Cloud's and Oracle's metadata, AWS's over IPv6.
var inside = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23"),
}

// nat64 is where IPv6-only clusters reach IPv4 addresses, which are its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Guard gives a client like web that reaches no address inside the pod, whose own address is own. Whoever may write a flow or a session
// could have the pod ask on their behalf what they cannot reach themselves. It looks at the address that is dialled, not at the name,
// which may lead elsewhere the next time it is looked up.
//
// Loopback is allowed where the pod's own address is of it, as in the dev cluster, where everything is. What a proxy can reach, if the
// pod has one, is up to the proxy, but for addresses written as numbers.
func Guard(web *http.Client, own netip.Addr) *http.Client {
	base, ok := web.Transport.(*http.Transport)
	if !ok {
		base = http.DefaultTransport.(*http.Transport)
	}
	g := guard{own: own.Unmap(), base: base, direct: base.Clone()}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: g.control}
	g.direct.Proxy, g.direct.DialContext = nil, dialer.DialContext
	c := *web
	c.Transport = g
	return &c
}

type guard struct {
	own          netip.Addr
	base, direct *http.Transport
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if ip, err := netip.ParseAddr(r.URL.Hostname()); err == nil && g.inside(ip) {
		return nil, closing(r, ErrInside)
	}
	if g.base.Proxy != nil {
		proxy, err := g.base.Proxy(r)
		if err != nil {
			return nil, closing(r, err)
		}
		if proxy != nil {
			return g.base.RoundTrip(r)
		}
	}
	return g.direct.RoundTrip(r)
}

// closing is what a RoundTripper has to do that does not send a request.
func closing(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return err
}

// control sees each address before it is dialled.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	if g.inside(at.Addr()) {
		return ErrInside
	}
	return nil
}

func (g guard) inside(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case ip == g.own, ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast():
		return true
	case ip.IsLoopback():
		return !g.own.IsLoopback()
	}
	return slices.Contains(inside, ip)
}
