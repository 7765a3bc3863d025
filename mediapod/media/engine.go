// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/webrtc"
)

// watchEvery is how often calls are looked at for changes that no event announces.
const watchEvery = 200 * time.Millisecond

// Engine holds the sockets and the calls of one process.
type Engine struct {
	cfg     Config
	log     logr.Logger
	sockets *sockets
	backend transport.Backend
	codecs  []codec.Codec // that we speak, best first
	whip    door
	whep    door
	clock   *clock
	metrics *metrics
	public  atomic.Pointer[public]
	doctor  doctor

	stop       chan struct{}
	stopOnce   sync.Once
	background group

	mu     sync.Mutex
	calls  map[string]*Call
	closed bool
}

// New opens the sockets. Serve must follow, and gives them back.
func New(cfg Config) (*Engine, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("configuring the media engine: %w", err)
	}
	sockets, err := listen(cfg.BindAddr, cfg.Port)
	if err != nil {
		return nil, fmt.Errorf("opening the media ports: %w", err)
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log, sockets: sockets, clock: newClock(),
		doctor: doctor{standIn: cfg.load}, codecs: codec.All(), stop: make(chan struct{}), calls: map[string]*Call{},
	}
	pub, err := publicAddress(cfg.PublicHost, cfg.PublicIP, cfg.PublicPort, sockets.addr)
	if err == nil {
		e.public.Store(&pub)
		e.whip, e.whep = whipDoor(), whepDoor()
		e.backend, err = webrtc.New(webrtc.Config{
			UDP: sockets.udp, TCP: sockets.tcp.ice, Addr: sockets.addr, PublicIP: func() netip.Addr { return e.public.Load().ip },
			Audio: e.codecs, Patience: cfg.patience, Log: cfg.Log,
		})
	}
	if err == nil {
		e.metrics, err = newMetrics(e, cfg.Registerer)
	}
	if err != nil {
		sockets.close()
		if e.backend != nil {
			e.backend.Close()
		}
		return nil, fmt.Errorf("configuring the media engine: %w", err)
	}
	return e, nil
}

// Addr is where both sockets are bound.
func (e *Engine) Addr() netip.AddrPort { return e.sockets.addr }

// SetPublic changes where far sides find the engine, for offers from now on. An
// address that ICE cannot announce is refused, and the one before kept.
func (e *Engine) SetPublic(host string, ip netip.Addr, port uint16) error {
	pub, err := publicAddress(host, ip, port, e.sockets.addr)
	if err != nil {
		return err
	}
	e.public.Store(&pub)
	return nil
}

// Serve takes far sides until ctx is done, then closes all calls and the sockets
// and returns when nothing runs any more.
func (e *Engine) Serve(ctx context.Context) error {
	server := e.newServer()
	failed := make(chan error, 1)
	e.background.Go(func() { e.clock.run(e.stop) })
	e.background.Go(func() { e.watch() })
	e.background.Go(func() { failed <- server.ServeTLS(e.sockets.tcp.tls, "", "") })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serving WHIP: %w", err)
	}
	// Far sides have their answers in milliseconds; those still at it may finish.
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(shutdown) != nil {
		_ = server.Close()
	}
	e.close()
	return err
}

func (e *Engine) close() {
	e.mu.Lock()
	e.closed = true
	calls := make([]*Call, 0, len(e.calls))
	for _, c := range e.calls {
		calls = append(calls, c)
	}
	e.mu.Unlock()

	var closing sync.WaitGroup
	for _, c := range calls {
		closing.Go(c.Close)
	}
	closing.Wait()
	e.stopOnce.Do(func() { close(e.stop) })
	e.sockets.close()
	e.backend.Close()
	e.background.Wait()
	e.metrics.unregister()
}

// watch looks at the calls now and then.
func (e *Engine) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var calls []*Call
	for {
		select {
		case now := <-ticker.C:
			calls = calls[:0]
			e.mu.Lock()
			for _, c := range e.calls {
				calls = append(calls, c)
			}
			e.mu.Unlock()
			for _, c := range calls {
				c.notice(now)
			}
			clear(calls)
			if now.Sub(e.doctor.looked) >= healthEvery {
				if e.doctor.look(now, e.clock.lag()) {
					e.log.Info("the load of the process decides what video it does without",
						"health", e.Health().String(), "shed", e.Shedding().String())
				}
			}
		case <-e.stop:
			return
		}
	}
}

func (e *Engine) add(c *Call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errors.New("the media engine is closed")
	}
	if _, ok := e.calls[c.id]; ok {
		return fmt.Errorf("call %q exists already", c.id)
	}
	e.calls[c.id] = c
	return nil
}

func (e *Engine) remove(c *Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls[c.id] == c {
		delete(e.calls, c.id)
		e.metrics.retire(c)
	}
}

func (e *Engine) call(id string) *Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[id]
}
