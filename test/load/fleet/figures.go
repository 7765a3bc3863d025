// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Targets on two cores.
const (
	targetRate                      = 400.0 // bindings a second
	targetLoaded, targetCalm        = 2 * time.Second, 50 * time.Millisecond
	targetWrites                    = 4.0
	targetMemory             uint64 = 300 << 20
)

// figures are what was measured.
type figures struct {
	options options
	// alone is how many sessions a second the API server takes from one program that writes them as if there were a
	// manager and agents.
	alone float64

	podsReady time.Duration
	// idle and loaded are how long sessions took from being applied to being bound, sorted.
	idle, loaded []time.Duration
	// rushed is how long the rush took, from the first binding to the last.
	rushed time.Duration
	// writes of the rush by who wrote what, and cpu that the processes took meanwhile.
	writes writes
	cpu    map[string]time.Duration
	// gap is from the kill of the leader to the next binding, and caughtUp to the last of those that waited for it.
	gap, caughtUp time.Duration
	// scaledIn is from the end of the last call on a pod that drains to the end of all such pods.
	scaledIn   time.Duration
	wholeLife  float64 // writes of a session that has ended, from creation on
	managerRSS uint64  // bytes, at most
}

func newFigures(o options) *figures { return &figures{options: o, cpu: map[string]time.Duration{}} }

func (f *figures) print(to io.Writer) error {
	out := tabwriter.NewWriter(to, 2, 0, 2, ' ', 0)
	row := func(what, figure, target string, ok bool) {
		verdict := ""
		switch {
		case target == "":
		case ok:
			verdict = "ok"
		default:
			verdict = "missed"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", what, figure, target, verdict)
	}
	bound := len(f.loaded)
	rate := float64(bound) / f.rushed.Seconds()
	fmt.Fprintln(out, "MEASURED\tFIGURE\tTARGET\t")
	row(fmt.Sprintf("0 to %d pods that take calls", f.options.pods), seconds(f.podsReady), "", true)
	row("applied to bound, idle, p50", millis(quantile(f.idle, .5)), millis(targetCalm), quantile(f.idle, .5) <= targetCalm)
	row("applied to bound, idle, p99", millis(quantile(f.idle, .99)), "", true)
	row(fmt.Sprintf("bindings a second, sustained over %d", bound), fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", targetRate), rate >= targetRate)
	row("the same, to what the API server alone takes of such sessions", fmt.Sprintf("x%.2f of %.0f/s", rate/f.alone, f.alone), "", true)
	row(fmt.Sprintf("applied to bound, at most %d unbound, p50", f.options.unbound), millis(quantile(f.loaded, .5)), "", true)
	row(fmt.Sprintf("applied to bound, at most %d unbound, p99", f.options.unbound), millis(quantile(f.loaded, .99)), millis(targetLoaded), quantile(f.loaded, .99) <= targetLoaded)
	each := func(n int64) float64 { return float64(n) / float64(bound) }
	total := each(f.writes.manager + f.writes.agents + f.writes.events)
	row("API writes of a session until it is established", fmt.Sprintf("%.2f", total), fmt.Sprintf("%.0f", targetWrites), total <= targetWrites+.05)
	row("  by the manager", fmt.Sprintf("%.2f", each(f.writes.manager)), "", true)
	row("  by the agent", fmt.Sprintf("%.2f", each(f.writes.agents)), "", true)
	row("  events", fmt.Sprintf("%.2f", each(f.writes.events)), "", true)
	row("API writes of media pods and bots meanwhile, for each session", fmt.Sprintf("%.2f", each(f.writes.others)), "", true)
	row("API writes of a session's whole life", fmt.Sprintf("%.2f", f.wholeLife), "", true)
	row("manager: resident, at most", fmt.Sprintf("%d MB", f.managerRSS>>20), fmt.Sprintf("%d MB", targetMemory>>20), f.managerRSS <= targetMemory)
	for _, name := range sortedKeys(f.cpu) {
		row(fmt.Sprintf("CPU of %s for each binding", name), fmt.Sprintf("%.2f ms", f.cpu[name].Seconds()*1000/float64(bound)), "", true)
	}
	row("leader killed to the next binding", seconds(f.gap), "", true)
	row("leader killed to none that waits", seconds(f.caughtUp), "", true)
	row("last call of pods that drain to their end", seconds(f.scaledIn), "", true)
	return out.Flush()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
