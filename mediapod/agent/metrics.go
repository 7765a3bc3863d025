// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

type metrics struct {
	factory promauto.Factory

	admissions   *prometheus.CounterVec
	incoming     *prometheus.CounterVec
	statusWrites *prometheus.CounterVec
	graph        *prometheus.HistogramVec
	tokens       *prometheus.HistogramVec
}

// requestBuckets reach from an answer out of the next rack to the client's patience with one try.
var requestBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		factory: f,
		admissions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_admissions_total", Help: "Bindings the pod claimed, adopted or refused.",
		}, []string{"outcome"}),
		incoming: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_incoming_calls_total", Help: "Calls that came in, by what the rules and the seats made of them.",
		}, []string{"outcome"}),
		statusWrites: f.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_mediapod_status_writes_total", Help: "Writes about calls to the API server.",
		}, []string{"outcome"}),
		graph: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callfleet_graph_request_seconds",
			Help:    "Time until Graph answered a request, each try by itself, by operation and class of status code: 2xx to 5xx, 429, or none for no answer.",
			Buckets: requestBuckets,
		}, []string{"operation", "code"}),
		tokens: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callfleet_token_request_seconds",
			Help:    "Time until the login service answered, each try by itself, by class of status code: 2xx to 5xx, 429, or none for no answer.",
			Buckets: requestBuckets,
		}, []string{"code"}),
	}
}

// RegisterMetrics adds the metrics of a media pod that does nothing to a registry: for who lists them.
func RegisterMetrics(reg prometheus.Registerer) error {
	m := newMetrics(reg)
	m.certificate(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil })
	m.uploads(&uploads{})
	for _, register := range []func(prometheus.Registerer) error{signaling.RegisterMetrics, media.RegisterMetrics, control.RegisterMetrics} {
		if err := register(reg); err != nil {
			return err
		}
	}
	return nil
}

// asked takes note of a request to Graph.
func (m *metrics) asked(e graph.Exchange) {
	m.graph.WithLabelValues(e.Operation, codeClass(e.StatusCode)).Observe(e.Took.Seconds())
}

// codeClass keeps the series few. Too many requests are told apart from what is wrong with them: the remedy is another.
func codeClass(code int) string {
	switch {
	case code == 0:
		return "none"
	case code == http.StatusTooManyRequests:
		return "429"
	}
	return strconv.Itoa(code/100) + "xx"
}

// logins is the way to the login service, timed. It follows azcore's policy.Transporter.
type logins struct {
	web  *http.Client
	seen *prometheus.HistogramVec
}

func (l logins) Do(req *http.Request) (*http.Response, error) {
	began, code := time.Now(), 0
	resp, err := l.web.Do(req)
	if err == nil {
		code = resp.StatusCode
	}
	l.seen.WithLabelValues(codeClass(code)).Observe(time.Since(began).Seconds())
	return resp, err
}

// certificate tells until when the media port's certificate is valid: the one that is shown, whatever its Secret holds.
func (m *metrics) certificate(shown getCertificate) {
	m.factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callfleet_mediapod_certificate_expiry_timestamp_seconds",
		Help: "When the certificate that the media port shows expires, in seconds since 1970; 0 if it shows none.",
	}, func() float64 {
		cert, err := shown(&tls.ClientHelloInfo{})
		if err != nil || cert == nil || len(cert.Certificate) == 0 {
			return 0
		}
		leaf := cert.Leaf
		if leaf == nil {
			if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
				return 0
			}
		}
		return float64(leaf.NotAfter.Unix())
	})
}

// uploads tells of recordings that are on their way into the bucket.
func (m *metrics) uploads(u *uploads) {
	uploading := func(name, help string, count func() int) {
		m.factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help,
		}, func() float64 { return float64(count()) })
	}
	uploading("callfleet_mediapod_recordings_waiting", "Recordings that are not in the bucket yet, those that fail included.", func() int { waiting, _ := u.count(); return waiting })
	uploading("callfleet_mediapod_recordings_failing", "Recordings that the bucket has not taken, although it was tried; it is tried again.", func() int { _, failing := u.count(); return failing })
}
