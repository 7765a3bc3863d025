// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	// maxBody bounds a notification, as the pods do: the roster of a meeting with a thousand people is about 1 MB.
	maxBody = 4 << 20
	// newCallTries bounds how many pods are asked for one new call: an answer is due 15 s after the notification, and a
	// pod that cannot be reached costs up to dialTimeout.
	newCallTries = 3
	dialTimeout  = 2 * time.Second
	// forwardTimeout: a pod answers as soon as it has queued a notification.
	forwardTimeout = 10 * time.Second
)

// Router forwards notifications to media pods.
type Router struct {
	table  *Table
	synced atomic.Bool
	proxy  *httputil.ReverseProxy
	log    logr.Logger

	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

// New returns a router over the table. It answers 503 until Synced is called.
func New(table *Table, log logr.Logger, reg prometheus.Registerer) *Router {
	f := promauto.With(reg)
	r := &Router{
		table: table, log: log,
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_router_requests_total", Help: "Notifications by kind and by the status code answered.",
		}, []string{"kind", "code"}),
		latency: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "callfleet_router_request_seconds", Help: "Time from a notification's arrival to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"kind"}),
	}
	r.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Scheme = "http" },
		Transport: &podTransport{next: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			ResponseHeaderTimeout: forwardTimeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
		}},
		ErrorHandler: r.failed,
	}
	return r
}

// Synced tells the router that the table is complete.
func (r *Router) Synced() { r.synced.Store(true) }

// Ready reports whether the table is complete.
func (r *Router) Ready() bool { return r.synced.Load() }

func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	rt, ok := parseRoute(req.URL.Path)
	if !ok {
		rt.kind = "unknown"
	}
	rec := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
	switch {
	case !ok:
		http.NotFound(rec, req)
	case req.Method != http.MethodPost:
		rec.Header().Set("Allow", http.MethodPost)
		http.Error(rec, "notifications are POSTed", http.StatusMethodNotAllowed)
	case !r.Ready():
		unavailable(rec, "the router has not seen the fleet yet")
	default:
		r.forward(rec, req, rt)
	}
	r.requests.WithLabelValues(rt.kind, strconv.Itoa(rec.code)).Inc()
	r.latency.WithLabelValues(rt.kind).Observe(time.Since(start).Seconds())
}

func (r *Router) forward(w http.ResponseWriter, req *http.Request, rt route) {
	targets, refusal := r.targets(rt)
	if refusal != nil {
		refusal(w)
		return
	}
	// The body is held so that it can be sent to another pod; it is bounded, and nothing of it is looked at.
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			http.Error(w, fmt.Sprintf("a notification is at most %d bytes long", maxBody), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	if rt.kind == kindNewCall {
		// Balancers in front of several routers would pin every call to one of them by a kept connection.
		w.Header().Set("Connection", "close")
	}
	ctx := context.WithValue(req.Context(), attemptKey{}, attempt{targets: targets, body: body})
	r.proxy.ServeHTTP(w, req.WithContext(ctx))
}

// targets are the pods to try in turn, or how to refuse.
func (r *Router) targets(rt route) ([]string, func(http.ResponseWriter)) {
	if rt.kind == kindCallback {
		addr, known := r.table.Owner(rt.bot, rt.mediaPod)
		switch {
		case !known:
			return nil, func(w http.ResponseWriter) { http.Error(w, "no such media pod", http.StatusNotFound) }
		case addr == "":
			return nil, func(w http.ResponseWriter) { unavailable(w, "the media pod is restarting") }
		}
		return []string{addr}, nil
	}
	if !r.table.Knows(rt.bot) {
		return nil, func(w http.ResponseWriter) { http.Error(w, "no such bot", http.StatusNotFound) }
	}
	open := r.table.WithRoom(rt.bot)
	if len(open) == 0 {
		return nil, func(w http.ResponseWriter) { unavailable(w, "no media pod of the bot has a free seat") }
	}
	return open[:min(len(open), newCallTries)], nil
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}

func (r *Router) failed(w http.ResponseWriter, req *http.Request, err error) {
	if req.Context().Err() != nil {
		w.WriteHeader(499) // the sender hung up; nobody reads this but the metrics
		return
	}
	r.log.Info("notification not delivered", "path", req.URL.Path, "cause", err.Error())
	unavailable(w, "the media pod could not be reached")
}

// attempt travels with a request to the transport.
type attempt struct {
	targets []string
	body    []byte
}

type attemptKey struct{}

// podTransport sends a request to the first of its targets that can be reached and has room.
type podTransport struct{ next http.RoundTripper }

func (t *podTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	a := req.Context().Value(attemptKey{}).(attempt)
	var last error
	for i, target := range a.targets {
		out := req.Clone(req.Context())
		out.URL.Host, out.Host = target, req.Host
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(a.body)), int64(len(a.body))
		resp, err := t.next.RoundTrip(out)
		switch {
		case err != nil:
			last = fmt.Errorf("pod %d of %d: %w", i+1, len(a.targets), err)
			// Once it was sent, a pod may have taken it although no answer came: asked again, two would answer one call.
			if !dialFailed(err) || req.Context().Err() != nil {
				return nil, last
			}
		case resp.StatusCode == http.StatusServiceUnavailable && i+1 < len(a.targets):
			// The pod has no room after all; the next one may.
			_ = resp.Body.Close()
		default:
			return resp, nil
		}
	}
	return nil, last
}

// dialFailed: nothing was sent.
func dialFailed(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// statusRecorder remembers the status code for the metrics.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
