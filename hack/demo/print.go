// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

// printApplied prints an object as its author would have written it.
func printApplied(o client.Object) error {
	raw, err := yaml.Marshal(o)
	if err != nil {
		return err
	}
	skip := false
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, " ") {
			skip = strings.HasPrefix(line, "status:")
		}
		if !skip && !strings.Contains(line, "creationTimestamp") {
			fmt.Print("  ", line)
		}
	}
	return nil
}

// printStory tells a finished session's timeline and figures.
func printStory(s *callfleetv1.MeetingSession) {
	st := s.Status
	var start time.Time
	for i, e := range st.Timeline {
		if i == 0 {
			start = e.Time.Time
		}
		fmt.Printf("  %8.3f s  %-18s %s\n", e.Time.Sub(start).Seconds(), e.Event, e.Detail)
	}
	fmt.Printf("\n  phase %s, endReason %s\n", st.Phase, st.EndReason)
	if p := st.Participants; p != nil {
		fmt.Printf("  participants %d\n", p.Count)
	}
	if st.Media != nil && st.Media.Audio != nil {
		a := st.Media.Audio
		fmt.Printf("  %s: %d packets received, %d sent, %s %% lost, jitter %d ms, round trip %d ms, MOS %s\n",
			a.Codec, a.PacketsReceived, a.PacketsSent, a.LossPercent, a.JitterMs, a.RoundTripMs, a.MOS)
	}
}

var shown = regexp.MustCompile(`^(callfleet_\w+(\{[^}]*\})?|process_resident_memory_bytes|go_goroutines) `)

// printMetrics prints the lines of a pod's metrics page that are our own.
func printMetrics(ctx context.Context, r *rig.Rig, s *callfleetv1.MeetingSession) error {
	mp := &callfleetv1.MediaPod{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Status.MediaPod}, mp); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(mp.Status.PodIP, "8080")+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		if shown.MatchString(line) && !strings.Contains(line, "_bucket") && !strings.HasSuffix(line, " 0\n") {
			fmt.Print("  ", line)
		}
	}
	return nil
}

// screen shows a text that changes: in place on a terminal, each new state once elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	last     string
	lines    int
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	return &screen{out: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

var age = regexp.MustCompile(`\s+\d+[smh][0-9smh]*\s*(\n|$)`)

func (s *screen) show(text string) {
	if key := age.ReplaceAllString(text, "\n"); key == s.last {
		return
	} else {
		s.last = key
	}
	if s.terminal && s.lines > 0 {
		fmt.Fprintf(s.out, "\033[%dA\033[J", s.lines)
	}
	s.lines = 0
	for line := range strings.Lines(text) {
		fmt.Fprint(s.out, "  ", line)
		s.lines++
	}
	if !s.terminal {
		fmt.Fprintln(s.out)
	}
}
