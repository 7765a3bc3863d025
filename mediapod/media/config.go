// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callfleet/callfleet/mediapod/media/webrtc"
)

// Config is all an engine needs to know.
type Config struct {
	// BindAddr is the pod's IP. Both sockets are bound to it and no other.
	BindAddr netip.Addr
	// Port is the number of both the TCP port (WHIP over TLS) and the UDP port
	// (ICE, DTLS, SRTP). Zero picks one that is free for both.
	Port uint16
	// GetCertificate is asked at every TLS handshake, so a renewed certificate
	// serves from the next one on.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// PublicHost is the host in the WHIP URL: a name or an IP address. Empty means
	// BindAddr.
	PublicHost string
	// PublicIP is announced in ICE candidates instead of BindAddr. Zero means
	// BindAddr.
	PublicIP netip.Addr
	// PublicPort is the port in the WHIP URL. Zero means Port. It must be Port:
	// the UDP port is announced as it is bound.
	PublicPort uint16

	// Health answers at /healthz, for whoever finds out whether the public host
	// leads here. nil: nobody does.
	Health http.Handler

	Log        logr.Logger
	Registerer prometheus.Registerer // nil: no metrics

	// load stands in for what the process is found to use, once a second, for tests.
	load func() load
	// patience overrides how long a far side may be silent, for tests.
	patience webrtc.Patience
}

// A far side that says nothing for 15 s is gone. RFC 7675 section 5.1 would wait
// 30 s for consent, but that is for a user who may come back into coverage; this
// is a server in front of a meeting, and a bot nobody hears should say so.
var defaultPatience = webrtc.Patience{Disconnected: 5 * time.Second, Failed: 10 * time.Second, Keepalive: 2 * time.Second}

func (c *Config) complete() error {
	switch {
	case !c.BindAddr.IsValid():
		return errors.New("the media engine has no address to bind to; set the pod's IP")
	case c.BindAddr.IsUnspecified():
		return fmt.Errorf("the media engine cannot bind to %s, which is not one address; set the pod's IP", c.BindAddr)
	case c.GetCertificate == nil:
		return errors.New("the media engine has no certificate for its TLS port")
	}
	if c.patience == (webrtc.Patience{}) {
		c.patience = defaultPatience
	}
	return nil
}

// public is where the far side finds the engine. It may be learned after the
// start, from a load balancer for one.
type public struct {
	host string
	ip   netip.Addr
	port uint16
}

// publicAddress fills in what is not given, and refuses what ICE cannot announce.
func publicAddress(host string, ip netip.Addr, port uint16, bound netip.AddrPort) (public, error) {
	if !ip.IsValid() {
		ip = bound.Addr()
	}
	if host == "" {
		host = ip.String()
	}
	if port == 0 {
		port = bound.Port()
	}
	switch {
	case port != bound.Port():
		return public{}, fmt.Errorf("public port %d differs from port %d: ICE candidates carry the port that is bound, so nothing may map it; make the two equal", port, bound.Port())
	case ip.Is4() != bound.Addr().Unmap().Is4():
		return public{}, fmt.Errorf("public address %s is of another family than the bound address %s; use one of the same family", ip, bound.Addr())
	}
	return public{host: host, ip: ip, port: port}, nil
}
