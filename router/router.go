// SPDX-License-Identifier: Apache-2.0

package router

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/selftest"
)

// Router forwards requests to media pods.
type Router struct {
	table     *Table
	synced    atomic.Bool
	transport http.RoundTripper
	lanes     *lanes
	proven    *proven
	reaches   chan struct{} // holds one for each probe of a media port
	log       logr.Logger
	sometimes *rate.Sometimes

	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	retries  *prometheus.CounterVec
}

// New returns a router over the table. It answers 503 until Synced is called.
func New(table *Table, log logr.Logger, reg prometheus.Registerer) *Router {
	f := promauto.With(reg)
	r := &Router{
		table: table, transport: newTransport(), log: log, sometimes: &rate.Sometimes{Interval: time.Second},
		lanes: newLanes(laneLimits), proven: newProven(clock.RealClock{}), reaches: make(chan struct{}, maxReaches),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_router_requests_total", Help: "Requests by kind and by the status code answered.",
		}, []string{"kind", "code"}),
		latency: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "callfleet_router_request_seconds", Help: "Time from a request's arrival to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"kind"}),
		retries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_router_next_pod_total", Help: "Requests that went on to another pod, by what was wrong with the first: full or unreachable.",
		}, []string{"cause"}),
	}
	for class := range laneLimits {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "callfleet_router_in_flight", Help: "Requests under way or waiting, by what is known of their token.",
			ConstLabels: prometheus.Labels{"lane": string(class)},
		}, func() float64 { return float64(r.lanes.count(class)) })
	}
	return r
}

// RegisterCertificate tells until when the certificate of the public name is valid: the one that is shown.
func RegisterCertificate(reg prometheus.Registerer, shown func(*tls.ClientHelloInfo) (*tls.Certificate, error)) error {
	return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callfleet_router_certificate_expiry_timestamp_seconds",
		Help: "When the certificate that the public port shows expires, in seconds since 1970; 0 if it shows none.",
	}, func() float64 {
		if shown == nil {
			return 0
		}
		cert, err := shown(&tls.ClientHelloInfo{})
		if err != nil || cert == nil || len(cert.Certificate) == 0 {
			return 0
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			return 0
		}
		return float64(leaf.NotAfter.Unix())
	}))
}

// Synced tells the router that the table is complete.
func (r *Router) Synced() { r.synced.Store(true) }

// Ready reports whether the table is complete.
func (r *Router) Ready() bool { return r.synced.Load() }

func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	rt, ok := parseRoute(req.URL.Path)
	rec := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
	allow, allowed := rt.kind.allows(req.Method)
	switch {
	case !ok:
		refuse(rec, http.StatusNotFound, "nothing is here")
	case !allowed:
		rec.Header().Set("Allow", allow)
		refuse(rec, http.StatusMethodNotAllowed, "allowed here: "+allow)
	case rt.kind == kindSelfTest:
		r.selfTest(rec, req, rt.bot)
	case rt.kind == kindReach:
		r.reach(rec, req, rt)
	default:
		r.admit(rec, req, rt)
	}
	r.requests.WithLabelValues(string(rt.kind), strconv.Itoa(rec.code)).Inc()
	r.latency.WithLabelValues(string(rt.kind)).Observe(time.Since(start).Seconds())
}

// admit turns away what needs no pod to be refused, and lets the rest through as its lane has room.
func (r *Router) admit(w http.ResponseWriter, req *http.Request, rt route) {
	lane, token := laneKey{rt.bot, lanePrompt}, provenToken{}
	if rt.kind != kindPrompt {
		bearer, ok := bearerOf(req)
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if !small(req) {
				w.Header().Set("Connection", "close")
			}
			http.Error(w, "a token of the calling service is needed", http.StatusUnauthorized)
			return
		}
		token, lane.class = r.proven.key(rt.bot, bearer), laneUnproven
		if r.proven.has(token) {
			lane.class = laneProven
		}
	}
	switch {
	case req.ContentLength > maxBody(rt.kind):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a notification is at most %d bytes long", maxBody(rt.kind)))
		return
	case !r.Ready():
		unavailable(w, "the router has not seen the fleet yet")
		return
	case !r.table.knows(rt.bot):
		refuse(w, http.StatusNotFound, "no such bot")
		return
	}
	source := sourceOf(req.RemoteAddr)
	if !r.lanes.enter(req.Context(), lane, source) {
		unavailable(w, "too many requests are under way")
		return
	}
	defer r.lanes.leave(lane, source)
	x := r.newExchange(w, req, rt)
	x.forward()
	switch {
	case rt.kind == kindPrompt:
	case x.denied:
		r.proven.drop(token)
	case x.proved:
		r.proven.add(token)
	}
}

// selfTest proves that a name leads to a router that sees the bot's pods; see package selftest.
func (r *Router) selfTest(w http.ResponseWriter, req *http.Request, b Bot) {
	nonce := req.URL.Query().Get(selftest.Parameter)
	switch {
	case !selftest.ValidNonce(nonce):
		refuse(w, http.StatusBadRequest, "a nonce of 16 to 64 letters and digits is needed")
		return
	case !r.Ready():
		unavailable(w, "the router has not seen the fleet yet")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(selftest.Answer{Nonce: nonce, Proofs: r.table.proofs(b, nonce)})
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
