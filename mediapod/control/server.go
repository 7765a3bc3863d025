// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	// atOnce bounds the requests that are answered at the same time; each call may have some.
	atOnce = 256

	// recordings can be fetched this long; the service drops them soon after the call.
	keepRecordings = 30 * time.Minute
	maxRecordings  = 1024
)

// patience is how long an action may take. Those that end with their request have what the API of the service gets;
// the others last as long as what is heard does.
func patience(a wire.Action) time.Duration {
	switch a {
	case wire.ActionPlay: // twenty prompts, queued behind others
		return time.Hour
	case wire.ActionRecord: // a prompt of eight minutes and two minutes, queued behind others
		return 20 * time.Minute
	case wire.ActionTransfer: // it rings
		return 3 * time.Minute
	}
	return time.Minute
}

// Prompts finds sound files; *prompts.Library does.
type Prompts interface {
	MediaInfo(ctx context.Context, play *callfleetv1.Play) (graph.MediaInfo, error)
}

// Config of a Server.
type Config struct {
	// Namespace and MediaPod say whose calls these are.
	Namespace, MediaPod string
	Calls               Calls
	Prompts             Prompts
	// Kube is where the API server is. Its credentials are not used.
	Kube       *rest.Config
	Clock      clock.Clock
	Log        logr.Logger
	Registerer prometheus.Registerer
}

// Server is the control endpoint of a media pod.
type Server struct {
	cfg        Config
	reviews    *reviewer
	slots      chan struct{}
	listeners  chan struct{}
	recordings *cache.LRUExpireCache // uid/id → recording
	actions    *prometheus.CounterVec
}

// recording is one that was made here; its call may have ended since, and be forgotten by those who held it.
type recording struct {
	call   Held
	permit permit
}

// New makes a Server.
func New(cfg Config) (*Server, error) {
	reviews, err := newReviewer(cfg.Kube, cfg.Clock)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	s := &Server{
		cfg: cfg, reviews: reviews, slots: make(chan struct{}, atOnce), listeners: make(chan struct{}, listening),
		recordings: cache.NewLRUExpireCacheWithClock(maxRecordings, cfg.Clock),
		actions:    newActions(),
	}
	if err := cfg.Registerer.Register(s.actions); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return s, nil
}

func newActions() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callfleet_control_actions_total", Help: "Actions that people asked for in calls, by action and result.",
	}, []string{"action", "result"})
}

// RegisterMetrics adds the metrics of an endpoint that serves nothing to a registry: for who lists them.
func RegisterMetrics(reg prometheus.Registerer) error { return reg.Register(newActions()) }

// Handler serves the endpoint.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+wire.CallsPath, s.handle(s.list))
	mux.Handle("POST "+wire.CallsPath+"/{uid}/{action}", s.handle(s.act))
	mux.Handle("GET "+wire.CallsPath+"/{uid}/recordings/{id}", s.handle(s.fetch))
	mux.Handle("GET "+wire.CallsPath+"/{uid}/tones", s.handle(s.tones))
	mux.Handle("/", s.handle(func(http.ResponseWriter, *http.Request, caller) error {
		return refuse(http.StatusNotFound, wire.ReasonNotFound, "There is nothing at this address. The media pod may be older or newer than your kubectl callfleet.")
	}))
	return mux
}

// handle serves those who say who they are, not too many at once, and tells errors.
func (s *Server) handle(serve func(http.ResponseWriter, *http.Request, caller) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		who, err := callerOf(r.Header)
		if err == nil {
			select {
			case s.slots <- struct{}{}:
				defer func() { <-s.slots }()
				err = serve(w, r, who)
			default:
				err = refuse(http.StatusServiceUnavailable, wire.ReasonUnavailable, "The media pod has too many requests under way. Try again in a moment.")
			}
		}
		if err != nil {
			s.tell(w, r, err)
		}
	})
}

func (s *Server) tell(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refusalOf(err)
	if refusal.cause != nil {
		s.cfg.Log.Info("a request was not carried out", "path", r.URL.Path, "code", refusal.code, "reason", refusal.say.Reason, "error", refusal.cause.Error())
	}
	if refusal.code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, refusal.code, refusal.say)
}

// list gives the calls of this pod, of the kinds that the caller may control throughout the namespace.
func (s *Server) list(w http.ResponseWriter, r *http.Request, who caller) error {
	allowed, err := map[string]bool{}, error(nil)
	for _, resource := range []string{client.MeetingSessions, client.Calls} {
		_, no := s.reviews.allow(r.Context(), who, permit{wire.Verb, resource, s.cfg.Namespace, ""})
		if refusal, ok := errors.AsType[*refusal](no); ok && refusal.code != http.StatusForbidden {
			return no
		}
		allowed[resource] = no == nil
		err = errors.Join(err, no)
	}
	if !allowed[client.MeetingSessions] && !allowed[client.Calls] {
		return err
	}
	list := wire.HeldList{MediaPod: s.cfg.MediaPod, Calls: []wire.Held{}}
	for _, held := range s.cfg.Calls.List() {
		kind, namespace, name := held.Object()
		if allowed[resourceOf(kind)] {
			list.Calls = append(list.Calls, wire.Held{Kind: kind, Namespace: namespace, Name: name, UID: held.UID()})
		}
	}
	answer(w, http.StatusOK, list)
	return nil
}

// find gives a call by the object's UID or, for an incoming one that knows itself by another, by the object's name.
func (s *Server) find(uid, name string) (Held, bool) {
	if held, ok := s.cfg.Calls.Find(uid); ok {
		return held, true
	}
	if name == "" {
		return nil, false
	}
	for _, held := range s.cfg.Calls.List() {
		// The name of an incoming call is made of the service's id for it, so that it means no other.
		if kind, _, its := held.Object(); kind == kindCall && its == name {
			return held, true
		}
	}
	return nil, false
}

// permitted finds a call and has the API server say that the caller may control it. Strangers are not told which calls
// there are: those who may control nothing here are told that first.
func (s *Server) permitted(r *http.Request, who caller) (Held, permit, string, error) {
	uid, name := r.PathValue("uid"), r.URL.Query().Get(wire.ParamCall)
	held, ok := s.find(uid, name)
	if !ok {
		if _, err := s.reviews.allow(r.Context(), who, permit{wire.Verb, client.Calls, s.cfg.Namespace, ""}); err != nil {
			return nil, permit{}, "", err
		}
		return nil, permit{}, "", refuse(http.StatusNotFound, wire.ReasonNotFound, fmt.Sprintf(
			"Media pod %s does not hold this call: it has ended, or has not begun, or has moved to another pod. Look at its phase and pod: kubectl callfleet calls.", s.cfg.MediaPod))
	}
	p := permitOf(held)
	user, err := s.reviews.allow(r.Context(), who, p)
	return held, p, user, err
}

const (
	kindCall    = "Call"
	kindSession = "MeetingSession"
)

func resourceOf(kind string) string {
	if kind == kindCall {
		return client.Calls
	}
	return client.MeetingSessions
}

func permitOf(held Held) permit {
	kind, namespace, name := held.Object()
	return permit{wire.Verb, resourceOf(kind), namespace, name}
}

func (s *Server) act(w http.ResponseWriter, r *http.Request, who caller) error {
	held, p, user, err := s.permitted(r, who)
	if err != nil {
		return err
	}
	raw, err := readBody(w, r)
	if err != nil {
		return err
	}
	name := wire.Action(r.PathValue("action"))
	body, err := parse(name, raw)
	if err != nil {
		return err
	}
	outcome, err := s.perform(r.Context(), w, held, p, user, name, body)
	result := "done"
	if err != nil {
		result = string(refusalOf(err).say.Reason)
	}
	s.actions.WithLabelValues(string(name), result).Inc()
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, outcome)
	return nil
}

func (s *Server) perform(ctx context.Context, w http.ResponseWriter, held Held, p permit, user string, name wire.Action, body wire.Request) (*wire.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience(name))
	defer cancel()
	// The server's own deadline for writing is for answers that come at once.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience(name) + writeTimeout))
	action, err := s.action(ctx, name, body)
	if err != nil {
		return nil, err
	}
	s.cfg.Log.Info("acting in a call", "action", name, "object", p.String(), "by", user)
	result, err := held.Act(ctx, user, action)
	// The recording of somebody who hung up is there although the call is not.
	if result.RecordingID != "" {
		s.recordings.Add(held.UID()+"/"+result.RecordingID, recording{held, p}, keepRecordings)
	}
	if err != nil {
		return nil, err
	}
	outcome := &wire.Outcome{Action: name, By: user, Recording: result.RecordingID, Message: result.Message}
	if op := result.Operation; op != nil {
		outcome.Operation = &wire.Operation{ID: op.ID, Status: string(op.Status), Reason: op.CompletionReason}
	}
	return outcome, nil
}

// recordOf is who a recording was made with, if it was made through this pod.
func (s *Server) recordOf(uid, id string) (recording, bool) {
	found, ok := s.recordings.Get(uid + "/" + id)
	if !ok {
		return recording{}, false
	}
	return found.(recording), true
}

var errNoRecording = refuse(http.StatusNotFound, wire.ReasonNotFound,
	"There is no such recording. The service drops recordings soon after the call; fetch one as soon as it is made.")

func (s *Server) fetch(w http.ResponseWriter, r *http.Request, who caller) error {
	id := r.PathValue("id")
	made, ok := s.recordOf(r.PathValue("uid"), id)
	if !ok { // the caller may know the call by its object's own UID
		held, _, _, err := s.permitted(r, who)
		if err != nil {
			return err
		}
		if made, ok = s.recordOf(held.UID(), id); !ok {
			return errNoRecording
		}
	}
	user, err := s.reviews.allow(r.Context(), who, made.permit)
	if err != nil {
		return err
	}
	result, err := made.call.Act(r.Context(), user, signaling.FetchRecording{ID: id})
	if err != nil {
		return err
	}
	defer result.Recording.Close()
	w.Header().Set("Content-Type", "audio/wav")
	stream(w, result.Recording, s.cfg.Log)
	return nil
}
