// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math"
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync/atomic"
	"time"
)

// Health is how well the process copes with its calls. The names are of Microsoft's media platform (MediaPlatformHealth).
type Health int32

// The states of health.
const (
	// Normal takes more calls.
	Normal Health = iota
	// HeavilyLoaded serves the calls it has, and should get no more.
	HeavilyLoaded
	// Overloaded cannot serve them all as it should.
	Overloaded
)

// String is the name that conditions and metrics use.
func (h Health) String() string {
	return [...]string{"Normal", "HeavilyLoaded", "Overloaded"}[min(max(h, 0), 2)]
}

// load is what health is judged by.
type load struct {
	// cpu is the share of the processors that the process may use and did: 0 to 1.
	cpu float64
	// lag is how long work that could run waited for a processor, at the 99th percentile, or the clock of the calls was late
	// at the most.
	lag time.Duration
}

// What is too much. Sound is made every 20 ms, and a far side's jitter buffer bears as much being late without a gap; half
// of that is where it begins to wait longer. The second figure of each is where a state is left again, so that it does not
// change with every look.
const (
	heavyCPU, lightCPU   = 0.80, 0.70
	overCPU, underCPU    = 0.95, 0.90
	heavyLag, lightLag   = 10 * time.Millisecond, 5 * time.Millisecond
	overLag, underLag    = 40 * time.Millisecond, 20 * time.Millisecond
	healthEvery          = time.Second
	looksBeforeItIsWorse = 3
	// ownCPU is the share of the processors from which on being late counts. A process that uses less is late because of
	// others on its machine: fewer calls here would not cure that, and where all pods share such a machine none would take any.
	ownCPU = 0.10
)

// judge is what a look makes of the health before it. It gets worse step by step, when several looks in a row say so: a
// second in which a few hundred calls begin is no overload.
func judge(before Health, l load, worse int) (after Health, stillWorse int) {
	at := func(cpu float64, lag time.Duration) bool { return l.cpu >= cpu || l.lag >= lag && l.cpu >= ownCPU }
	verdict := Normal
	switch {
	case at(overCPU, overLag), before == Overloaded && at(underCPU, underLag):
		verdict = Overloaded
	case at(heavyCPU, heavyLag), before >= HeavilyLoaded && at(lightCPU, lightLag):
		verdict = HeavilyLoaded
	}
	if verdict <= before {
		return verdict, 0
	}
	if worse+1 < looksBeforeItIsWorse {
		return before, worse + 1
	}
	return before + 1, 0
}

// doctor looks at the process once a second.
type doctor struct {
	health   atomic.Int32
	shedding atomic.Int32
	cpu      atomicFloat
	lag      atomic.Int64 // ns
	// standIn takes the place of what is measured, in tests.
	standIn func() load

	worse   int
	shedder shedder
	looked  time.Time
	used    time.Duration
	waits   []runtimemetrics.Sample
	buckets []uint64
}

// Health of the process, as of the last second.
func (e *Engine) Health() Health { return Health(e.doctor.health.Load()) }

// look is called by the engine's watcher. It says if what is shed has changed.
func (d *doctor) look(now time.Time, clockLag time.Duration) (changed bool) {
	used, err := processorTime()
	waited := d.waited()
	if err == nil && !d.looked.IsZero() {
		l := load{
			cpu: (used - d.used).Seconds() / now.Sub(d.looked).Seconds() / float64(runtime.GOMAXPROCS(0)),
			lag: max(waited, clockLag),
		}
		if d.standIn != nil {
			l = d.standIn()
		}
		d.cpu.Store(l.cpu)
		d.lag.Store(int64(l.lag))
		var after Health
		after, d.worse = judge(Health(d.health.Load()), l, d.worse)
		d.health.Store(int32(after))
		shed := int32(d.shedder.look(after))
		changed = d.shedding.Swap(shed) != shed
	}
	d.looked, d.used = now, used
	return changed
}

// waited is the 99th percentile of what goroutines waited for a processor since the last look.
func (d *doctor) waited() time.Duration {
	if d.waits == nil {
		d.waits = []runtimemetrics.Sample{{Name: "/sched/latencies:seconds"}}
	}
	runtimemetrics.Read(d.waits)
	if d.waits[0].Value.Kind() != runtimemetrics.KindFloat64Histogram {
		return 0
	}
	h := d.waits[0].Value.Float64Histogram()
	if len(d.buckets) != len(h.Counts) {
		d.buckets = make([]uint64, len(h.Counts))
	}
	var total uint64
	for i, n := range h.Counts {
		total += n - d.buckets[i]
	}
	rest := total / 100 // that waited longer
	at := time.Duration(0)
	for i := len(h.Counts) - 1; i >= 0; i-- {
		n := h.Counts[i] - d.buckets[i]
		if n > rest {
			at = seconds(h.Buckets[i])
			break
		}
		rest -= n
	}
	copy(d.buckets, h.Counts)
	return at
}

func seconds(s float64) time.Duration {
	if math.IsInf(s, 0) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
