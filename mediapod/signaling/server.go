// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/graph"
)

// defaultKeepAlive is what Microsoft's samples use; the documentation asks for
// one at least every 15 minutes.
const defaultKeepAlive = 10 * time.Minute

// ErrStopping is what Join and Adopt answer once Shutdown was called.
var ErrStopping = errors.New("signaling: the pod is stopping and makes no more calls")

// ErrAlreadyJoined is what Join and Adopt answer while a call is held for that session.
var ErrAlreadyJoined = errors.New("signaling: there is a call for this session already")

// Config of a Server. AppID is the verifier's business.
type Config struct {
	// HomeTenant is the bot's tenant; AllowedTenants are others whose meetings it may join.
	HomeTenant     string
	AllowedTenants []string
	// BaseURL is https://HOST/NAMESPACE/BOT, under which the service reaches the bot.
	BaseURL string
	// MediaPod is the name of this pod, which is part of every call's callback.
	MediaPod string

	// Graph is the client with the tokens of a tenant: the home tenant or an allowed one.
	Graph    func(tenantID string) GraphAPI
	Verifier TokenVerifier

	// Incoming decides about an incoming call. It must be quick: the caller waits. Nil: every one is rejected.
	Incoming func(Incoming) Decision
	// Full reports whether no incoming call could be taken now; another pod is tried then. Nil: never.
	Full func() bool
	// Joining decides about another participant under a recording policy, who would share the call of a session. It must be quick:
	// the participant waits. Nil: every one is rejected.
	Joining func(uid string, in Incoming) Joining
	// Orphan looks up a call that this process does not hold, for bots whose media the service hosts: such calls
	// outlive the process that holds them. It may take until the context is done. Nil: no call outlives its process.
	Orphan func(ctx context.Context, uid, mediaPod string) Orphan

	// KeepAliveEvery is 10 minutes if zero.
	KeepAliveEvery time.Duration

	Clock      clock.WithTicker
	Log        logr.Logger
	Registerer prometheus.Registerer
}

// Server is the signalling of one media pod.
type Server struct {
	cfg     Config
	clock   clock.Clock
	log     logr.Logger
	metrics *metrics
	tenants []string

	newCallPath  string
	podsPath     string
	ownCallsPath string

	over   *overCalls // by the id of the call
	left   *overCalls // by the session's UID
	errand chan struct{}
	orphan singleflight.Group

	ctx    context.Context // of everything that is under way
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu       sync.RWMutex
	calls    map[string]*Call // by session UID
	deciding map[string]bool  // ids of incoming calls that are being decided about
	stopping bool
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Server, error) {
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil || base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("signaling: baseURL must be https://HOST/NAMESPACE/BOT: Graph takes no other callback")
	case cfg.HomeTenant == "":
		return nil, errors.New("signaling: the home tenant is empty")
	case cfg.MediaPod == "" || strings.Contains(cfg.MediaPod, "/"):
		return nil, errors.New("signaling: the media pod's name is empty or has a slash")
	case cfg.Graph == nil || cfg.Verifier == nil:
		return nil, errors.New("signaling: a Graph client and a token verifier are needed")
	case cfg.KeepAliveEvery < 0 || cfg.KeepAliveEvery >= keepAliveDeadline:
		return nil, fmt.Errorf("signaling: keepAlive every %s: the service ends calls after %s", cfg.KeepAliveEvery, keepAliveDeadline)
	}
	if cfg.KeepAliveEvery == 0 {
		cfg.KeepAliveEvery = defaultKeepAlive
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	metrics, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("signaling: %w", err)
	}
	path := strings.TrimRight(base.Path, "/")
	s := &Server{
		cfg:          cfg,
		clock:        cfg.Clock,
		log:          cfg.Log,
		metrics:      metrics,
		tenants:      AllowedTenants(cfg.HomeTenant, cfg.AllowedTenants),
		newCallPath:  path + "/calls",
		podsPath:     path + "/pods/",
		ownCallsPath: path + "/pods/" + cfg.MediaPod + "/calls/",
		over:         newOverCalls(maxOverCalls),
		left:         newOverCalls(maxOverCalls),
		errand:       make(chan struct{}, maxErrands),
		calls:        make(map[string]*Call),
		deciding:     make(map[string]bool),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// newCallURI is the bot's webhook, where calls come in.
func (s *Server) newCallURI() string { return s.cfg.BaseURL + "/calls" }

// callbackURI is where the service sends what happens to the session's call. The
// router finds this pod by it.
func (s *Server) callbackURI(uid string) string {
	return s.cfg.BaseURL + "/pods/" + s.cfg.MediaPod + "/calls/" + url.PathEscape(uid)
}

// tenantOr is the tenant whose token speaks for a call.
func (s *Server) tenantOr(tenantID string) string {
	if tenantID == "" {
		return s.cfg.HomeTenant
	}
	return tenantID
}

// hold takes a call in and runs it.
func (s *Server) hold(p plan) (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return nil, ErrStopping
	case s.calls[p.uid] != nil:
		return nil, ErrAlreadyJoined
	}
	c := newCall(s, p)
	s.calls[p.uid] = c
	s.group.Go(func() { c.run(s.ctx) })
	return c, nil
}

// HangUpRemote ends a call this process does not hold: one left behind by a process
// that died. A call that is gone already is a success. An empty tenant is the bot's own.
func (s *Server) HangUpRemote(ctx context.Context, tenantID, callID, scenarioID string) error {
	// Whatever the call still says must neither be adopted nor hung up once more.
	s.over.add(callID)
	if err := s.hangUp(ctx, s.cfg.Graph(s.tenantOr(tenantID)), callID, scenarioID); err != nil {
		s.over.remove(callID)
		return fmt.Errorf("hang up a call that was left behind: %w", err)
	}
	return nil
}

// Shutdown hangs up all calls at the same time and waits until they are over. Once
// the context is done it waits no longer; calls that are still there then end as
// they are, and the service drops them for want of a keepAlive.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	calls := make([]*Call, 0, len(s.calls))
	for _, c := range s.calls {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	for _, c := range calls {
		c.HangUp(EndPodStopped)
	}
	done := make(chan struct{})
	go func() {
		s.group.Wait()
		close(done)
	}()
	defer s.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cancel()
		<-done
		return fmt.Errorf("hang up the calls of a stopping pod: %w", ctx.Err())
	}
}

// deliver hands notifications to the session's call.
func (s *Server) deliver(uid string, batch []graph.Notification) (held, accepted bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.calls[uid]
	if c == nil {
		return false, false
	}
	return true, c.offer(batch)
}

// holding is the session's call, nil if it is not held here.
func (s *Server) holding(uid string) *Call {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.calls[uid]
}

// forget takes a call that has ended out. After it nothing is delivered to the
// call any more. The id, if given, is that of a call that is certainly over.
func (s *Server) forget(c *Call, over string) {
	if over != "" {
		s.over.add(over)
		s.left.add(c.plan.uid)
	}
	s.mu.Lock()
	delete(s.calls, c.plan.uid)
	s.mu.Unlock()
}

// find is the call of that id, nil if none here has it.
func (s *Server) find(callID string) *Call {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.calls {
		if graph.SameID(c.Snapshot().CallID, callID) {
			return c
		}
	}
	return nil
}
