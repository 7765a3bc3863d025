// SPDX-License-Identifier: Apache-2.0

// Package forward makes addresses of Services and host ports work without
// kernel rules: it listens on them and carries TCP connections and UDP
// datagrams to the pods behind, in user space.
package forward

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
)

// Network is the transport of a rule.
type Network string

// The transports that are forwarded.
const (
	TCP Network = "tcp"
	UDP Network = "udp"
)

// Frontend is where clients come to.
type Frontend struct {
	Network Network
	Addr    netip.AddrPort
}

// String is for logs.
func (f Frontend) String() string { return string(f.Network) + "/" + f.Addr.String() }

// Rule says where what comes to a frontend goes.
type Rule struct {
	Frontend Frontend
	Backends []netip.AddrPort // any order; none: connections are refused
	For      string           // what the rule is for, in messages: "service voice/reception"
	Object   runtime.Object   // the same, for events; may be nil
}

// Config configures a Forwarder.
type Config struct {
	Log logr.Logger
	// UDPIdle is after how long without a datagram either way a client of a
	// UDP frontend is forgotten; 0 means 2 minutes, as conntrack has for a
	// stream (nf_conntrack_udp_timeout_stream).
	UDPIdle time.Duration
	// Failed hears, once for each time it begins, that a frontend cannot be
	// listened on. It is tried again on every Apply.
	Failed func(r Rule, err error)
}

// Forwarder carries traffic by rules.
type Forwarder struct {
	cfg Config

	mu     sync.Mutex
	open   map[Frontend]*frontend
	broken map[Frontend]string
	closed bool
}

// New returns a forwarder without rules.
func New(cfg Config) *Forwarder {
	if cfg.UDPIdle == 0 {
		cfg.UDPIdle = 2 * time.Minute
	}
	if cfg.Failed == nil {
		cfg.Failed = func(Rule, error) {}
	}
	return &Forwarder{cfg: cfg, open: map[Frontend]*frontend{}, broken: map[Frontend]string{}}
}

type frontend struct {
	backends atomic.Pointer[[]netip.AddrPort]
	listener interface{ Close() error }
	changed  func() // after the backends have changed
}

// pick chooses a backend at random, as kube-proxy does. Excluded ones were
// tried already.
func (f *frontend) pick(exclude []netip.AddrPort) (netip.AddrPort, bool) {
	backends := *f.backends.Load()
	if len(exclude) > 0 {
		backends = slices.DeleteFunc(slices.Clone(backends), func(b netip.AddrPort) bool { return slices.Contains(exclude, b) })
	}
	if len(backends) == 0 {
		return netip.AddrPort{}, false
	}
	return backends[rand.IntN(len(backends))], true
}

// Apply makes the rules the ones that hold. Frontends that stay keep their
// connections; when two rules want the same frontend, the first one has it.
// The error names all frontends that cannot be listened on.
func (f *Forwarder) Apply(rules []Rule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	wanted := make(map[Frontend]Rule, len(rules))
	for _, r := range rules {
		if _, taken := wanted[r.Frontend]; !taken {
			wanted[r.Frontend] = r
		}
	}
	for key, fe := range f.open {
		if _, ok := wanted[key]; !ok {
			fe.listener.Close()
			delete(f.open, key)
		}
	}
	maps.DeleteFunc(f.broken, func(key Frontend, _ string) bool { _, ok := wanted[key]; return !ok })

	var errs []error
	for _, key := range slices.SortedFunc(maps.Keys(wanted), compare) {
		r := wanted[key]
		backends := slices.Clone(r.Backends)
		if fe, ok := f.open[key]; ok {
			fe.backends.Store(&backends)
			fe.changed()
			continue
		}
		if err := f.listen(r, backends); err != nil {
			err = fmt.Errorf("listening on %s for %s: %w", key, r.For, err)
			errs = append(errs, err)
			if f.broken[key] != err.Error() {
				f.broken[key] = err.Error()
				f.cfg.Failed(r, err)
			}
			continue
		}
		delete(f.broken, key)
	}
	return errors.Join(errs...)
}

func (f *Forwarder) listen(r Rule, backends []netip.AddrPort) (err error) {
	fe := &frontend{changed: func() {}}
	fe.backends.Store(&backends)
	switch r.Frontend.Network {
	case TCP:
		err = f.listenTCP(r.Frontend, fe)
	case UDP:
		err = f.listenUDP(r.Frontend, fe)
	default:
		err = fmt.Errorf("network %q is not forwarded", r.Frontend.Network)
	}
	if err == nil {
		f.open[r.Frontend] = fe
	}
	return err
}

// Close ends all frontends. TCP connections that are open go on until their
// ends close them.
func (f *Forwarder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for key, fe := range f.open {
		fe.listener.Close()
		delete(f.open, key)
	}
}

func compare(a, b Frontend) int {
	return cmp.Or(cmp.Compare(a.Network, b.Network), a.Addr.Compare(b.Addr))
}
