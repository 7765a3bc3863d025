// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what is printed: a row as soon as it is there for those who wait, and all of it in columns at the end.
type table struct {
	out   io.Writer
	rows  []string
	notes []string

	raw, janus, bridge *result
}

func newTable(out io.Writer, s settings, server, generator int) *table {
	t := &table{out: out}
	fmt.Fprintln(out, machine())
	fmt.Fprintf(out, "Servers on core %d with GOMAXPROCS=1, load on core %d; loopback; 50 packets a second each way and call, spread evenly; %v each.\n",
		server, generator, s.length)
	if server == generator {
		t.note("There is one core only: servers and load disturb each other, and pacing says little.")
	}
	fmt.Fprintln(out, "The machine may be shared with others: compare only what is in one table.")
	fmt.Fprintln(out)
	return t
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// baseline is a row that others are compared with.
func (t *table) baseline(name string, r *result) {
	switch name {
	case "raw":
		t.raw, name = r, "raw UDP echo, one packet a system call"
	case "Janus":
		t.janus, name = r, "Janus echotest, PCMU"
	case "AudioBridge":
		t.bridge, name = r, "Janus AudioBridge, Opus"
	}
	t.row(name, r, "")
}

func (t *table) row(name string, r *result, target string) {
	known := func(format string, v float64) string {
		if v < 0 {
			return "-"
		}
		return fmt.Sprintf(format, v)
	}
	memory := func(n int64) string {
		if n < 0 {
			return "-"
		}
		return fmt.Sprintf("%d KB", n>>10)
	}
	h := &r.heard
	t.rows = append(t.rows, strings.Join([]string{
		name, fmt.Sprint(r.calls), fmt.Sprintf("%.2f ms", ms(r.cpu)), ratio(r, t.raw), ratio(r, t.janus), ratio(r, t.bridge),
		memory(r.resident), memory(r.heap), memory(r.stacks), known("%.1f", r.goroutines), known("%.2f", r.allocs),
		pacing(&h.pacing),
		fmt.Sprintf("%.2f %%", 100*h.loss()), fmt.Sprintf("%.2f ms", h.lateness.quantile(.99)), target,
	}, "\t"))
	fmt.Fprintf(os.Stderr, "%s: done\n", name)
}

// pacing of callers in menus says nothing, as there are pauses between prompts.
func pacing(h *histogram) string {
	if h.total == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f / %.2f ms", h.quantile(.5), h.quantile(.99))
}

// ratio is how many times what the other costs.
func ratio(r, other *result) string {
	if other == nil || other.cpu == 0 {
		return "-"
	}
	return fmt.Sprintf("x%.2f", float64(r.cpu)/float64(other.cpu))
}

func (t *table) flush() error {
	w := tabwriter.NewWriter(t.out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join([]string{
		"MEASURED", "CALLS", "CPU/CALL-S", "TO RAW", "TO JANUS", "TO BRIDGE", "RSS/CALL", "HEAP", "STACKS", "GOROUTINES", "ALLOCS/PACKET",
		"PACING P50/P99", "LOSS", "LOAD'S P99", "TARGET",
	}, "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(w, r)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t.out, `
CPU/CALL-S   CPU time of the server's process for a second of a call
TO JANUS     how many times what Janus's echotest takes, and its AudioBridge, which decodes, mixes and encodes Opus
RSS/CALL     resident memory that the calls added, all of it: Go's heap and what is free of it, stacks, what C has
HEAP, STACKS live objects on Go's heap, without what libopus has on Linux, and stacks that the calls added, per call
PACING       how far the time between two packets of a call is from 20 ms, as the kernel saw them arrive
LOAD'S P99   how late the load itself sent: pacing cannot be better than that where packets are echoed`)
	for _, n := range t.notes {
		fmt.Fprintln(t.out, n)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// machine is what the figures depend on.
func machine() string {
	model := "unknown processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	first := func(path string, words int) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "unknown"
		}
		fields := strings.Fields(string(raw))
		return strings.Join(fields[:min(words, len(fields))], " ")
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, load average %s",
		model, runtime.NumCPU(), first("/proc/sys/kernel/osrelease", 1), runtime.Version(), first("/proc/loadavg", 3))
}
