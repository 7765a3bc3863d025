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
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/graph"
)

// defaultKeepAlive is what Microsoft's samples use; the documentation asks for
// one at least every 15 minutes.
const defaultKeepAlive = 10 * time.Minute

// ErrStopping is what Join answers once Shutdown was called.
var ErrStopping = errors.New("signaling: the pod is stopping and makes no more calls")

// ErrAlreadyJoined is what Join answers while it holds a call for that session.
var ErrAlreadyJoined = errors.New("signaling: there is a call for this session already")

// GraphAPI is what is needed of *graph.Client.
type GraphAPI interface {
	CreateCall(ctx context.Context, scenarioID string, call *graph.Call) (*graph.Call, error)
	GetCall(ctx context.Context, scenarioID, callID string) (*graph.Call, error)
	KeepAlive(ctx context.Context, scenarioID, callID string) error
	ListParticipants(ctx context.Context, scenarioID, callID string) ([]graph.Participant, error)
	DeleteCall(ctx context.Context, scenarioID, callID string) error
	RejectCall(ctx context.Context, scenarioID, callID string, reason graph.RejectReason) error
}

var _ GraphAPI = (*graph.Client)(nil)

// Config of a Server. AppID is the verifier's business.
type Config struct {
	// HomeTenant is the bot's tenant; AllowedTenants are others whose meetings it may join.
	HomeTenant     string
	AllowedTenants []string
	// BaseURL is https://HOST/NAMESPACE/BOT, under which the service reaches the bot.
	BaseURL string
	// MediaPod is the name of this pod, which is part of every call's callback.
	MediaPod string

	Graph    GraphAPI
	Verifier TokenVerifier

	// KeepAliveEvery is 10 minutes if zero.
	KeepAliveEvery time.Duration

	Clock      clock.WithTicker
	Log        logr.Logger
	Registerer prometheus.Registerer
}

// JoinRequest asks for a call into a meeting.
type JoinRequest struct {
	// UID is the session's. It is how notifications find the call.
	UID        string
	Meeting    graph.Meeting
	ScenarioID string // a GUID; a new one for every attempt
	Blob       string // opaque: where the far side finds the media
	// OnChange is called on the call's own goroutine when Snapshot has changed. It
	// must be quick: the call waits for it.
	OnChange func()
}

// Server is the signalling of one media pod.
type Server struct {
	cfg     Config
	clock   clock.Clock
	log     logr.Logger
	metrics *metrics
	tenants []string

	newCallPath    string
	callbackPrefix string

	over   *overCalls
	errand chan struct{} // a slot for each request made for a call that is not held

	ctx    context.Context // of everything that is under way
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu       sync.RWMutex
	calls    map[string]*Call // by session UID
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
		cfg:            cfg,
		clock:          cfg.Clock,
		log:            cfg.Log,
		metrics:        metrics,
		tenants:        AllowedTenants(cfg.HomeTenant, cfg.AllowedTenants),
		newCallPath:    path + "/calls",
		callbackPrefix: path + "/pods/" + cfg.MediaPod + "/calls/",
		over:           newOverCalls(maxOverCalls),
		errand:         make(chan struct{}, maxErrands),
		calls:          make(map[string]*Call),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// callbackURI is where the service sends what happens to the session's call. The
// router finds this pod by it.
func (s *Server) callbackURI(uid string) string {
	return s.cfg.BaseURL + "/pods/" + s.cfg.MediaPod + "/calls/" + url.PathEscape(uid)
}

// Join begins a call and returns at once; the Call tells how it goes. An error
// means that no call was begun, because of how Join was used: what is wrong with
// the meeting or with Graph is told by the call's End.
func (s *Server) Join(req JoinRequest) (*Call, error) {
	if req.UID == "" || req.Blob == "" {
		return nil, errors.New("signaling: a join needs the session's UID and the media blob")
	}
	if req.ScenarioID == "" {
		req.ScenarioID = uuid.NewString()
	}
	request, end := s.newGraphCall(req)

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return nil, ErrStopping
	case s.calls[req.UID] != nil:
		return nil, ErrAlreadyJoined
	}
	c := newCall(s, req, request)
	s.calls[req.UID] = c
	s.group.Go(func() { c.run(s.ctx, end) })
	return c, nil
}

// HangUpRemote ends a call this process does not hold: one left behind by a process
// that died. A call that is gone already is a success.
func (s *Server) HangUpRemote(ctx context.Context, callID, scenarioID string) error {
	// Whatever the call still says must neither be adopted nor hung up once more.
	s.over.add(callID)
	if err := s.hangUp(ctx, callID, scenarioID); err != nil {
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

// forget takes a call that has ended out. After it nothing is delivered to the
// call any more. The id, if given, is that of a call that is certainly over.
func (s *Server) forget(c *Call, over string) {
	if over != "" {
		s.over.add(over)
	}
	s.mu.Lock()
	delete(s.calls, c.req.UID)
	s.mu.Unlock()
}

// holds reports whether one of the calls here has that id.
func (s *Server) holds(callID string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.calls {
		if graph.SameID(c.Snapshot().CallID, callID) {
			return true
		}
	}
	return false
}
