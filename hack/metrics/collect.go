// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/callfleet/callfleet/controllers/fleet"
	mediapodcontroller "github.com/callfleet/callfleet/controllers/mediapod"
	"github.com/callfleet/callfleet/controllers/session"
	"github.com/callfleet/callfleet/mediapod/agent"
	"github.com/callfleet/callfleet/router"
)

// metric is what a process tells under one name.
type metric struct {
	name, help, kind string
	labels           []string
}

// process has metrics.
type process struct {
	name    string
	metrics []metric
}

// processes registers what each process does, and reads what that is.
func processes() ([]process, error) {
	register := []struct {
		name string
		with []func(prometheus.Registerer) error
	}{
		{"Manager", []func(prometheus.Registerer) error{
			func(r prometheus.Registerer) error { return fleet.RegisterMetrics(r, nil, nil) },
			session.RegisterMetrics, mediapodcontroller.RegisterMetrics,
		}},
		{"Router", []func(prometheus.Registerer) error{func(r prometheus.Registerer) error {
			router.New(router.NewTable(), logr.Discard(), r)
			return router.RegisterCertificate(r, nil)
		}}},
		{"Media pod", []func(prometheus.Registerer) error{agent.RegisterMetrics}},
	}
	var all []process
	for _, p := range register {
		seen := &recorder{registry: prometheus.NewPedanticRegistry(), metrics: map[string]metric{}}
		for _, add := range p.with {
			if err := add(seen); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
		if seen.err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, seen.err)
		}
		all = append(all, process{p.name, seen.sorted()})
	}
	return all, nil
}

// recorder takes down what is registered. The registry behind it refuses what Prometheus would.
type recorder struct {
	registry *prometheus.Registry
	metrics  map[string]metric
	err      error
}

// Register implements prometheus.Registerer.
func (r *recorder) Register(c prometheus.Collector) error {
	if err := r.registry.Register(c); err != nil {
		return err
	}
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); c.Describe(descs) }()
	for d := range descs {
		m, err := read(d)
		if err != nil {
			r.err = err
			continue
		}
		m.kind = kindOf(c, m.name)
		r.metrics[m.name] = m
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *recorder) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		if err := r.Register(c); err != nil {
			panic(err) // two metrics of one name: a programming error, as in the process itself
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *recorder) Unregister(c prometheus.Collector) bool { return r.registry.Unregister(c) }

func (r *recorder) sorted() []metric {
	var list []metric
	for _, m := range r.metrics {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return list
}

// A Desc shows what it holds by its text alone.
var description = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), (?:unit: "[a-z]*", )?constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

func read(d *prometheus.Desc) (metric, error) {
	m := description.FindStringSubmatch(d.String())
	if m == nil {
		return metric{}, fmt.Errorf("a description reads otherwise than it did: %s", d)
	}
	var found metric
	if _, err := fmt.Sscanf(m[1]+" "+m[2], "%q %q", &found.name, &found.help); err != nil {
		return metric{}, fmt.Errorf("%s: %w", d, err)
	}
	for constant := range strings.SplitSeq(m[3], ",") {
		if name, _, ok := strings.Cut(constant, "="); ok {
			found.labels = append(found.labels, name)
		}
	}
	for variable := range strings.SplitSeq(m[4], ",") {
		if variable != "" {
			found.labels = append(found.labels, variable)
		}
	}
	return found, nil
}

// kindOf is what Prometheus calls the type. Of a collector that makes its metrics when it is asked, its answer tells; of those
// that have none to show, the name does, which naming.go holds to its word.
func kindOf(c prometheus.Collector, name string) string {
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	case prometheus.Histogram: // a Gauge or Counter has no ObserveWithExemplar
		return "histogram"
	}
	if one, ok := c.(prometheus.Metric); ok {
		var written dto.Metric
		if one.Write(&written) == nil {
			switch {
			case written.Counter != nil:
				return "counter"
			case written.Histogram != nil:
				return "histogram"
			}
			return "gauge"
		}
	}
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	return "gauge"
}
