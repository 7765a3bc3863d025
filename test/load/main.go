// SPDX-License-Identifier: Apache-2.0

// Command load measures the whole path on this machine and prints the figures beside their targets. Machines are noisy:
// people judge, and it fails only when a target is missed by far.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// floodConnections send junk side by side.
const floodConnections = 200

func main() {
	joins := flag.Int("joins", 10, "how many sessions to join, one after the other")
	rate := flag.Int("calls", 50, "how many calls a second come in, for ten seconds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *joins, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, joins, rate int) (err error) {
	dir, err := os.MkdirTemp("", "callfleet-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := rig.Start(ctx, rig.Options{Dir: dir, Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	bot, err := r.Bot()
	if err != nil {
		return err
	}
	starts, err := watchStarts(ctx, r, bot)
	if err != nil {
		return err
	}
	idle, err := residentMemory(ctx, r, bot.Name+"-0")
	if err != nil {
		return err
	}
	established, writes, err := joinTimes(ctx, r, joins)
	if err != nil {
		return err
	}

	callee, cold, err := startCallee(ctx, r)
	if err != nil {
		return err
	}
	calm, err := callee.answering(ctx, rate, 10*time.Second)
	if err != nil {
		return err
	}
	storm, err := flood(ctx, r, floodConnections)
	if err != nil {
		return err
	}
	stormy, err := callee.answering(ctx, rate, 10*time.Second)
	storm.end()
	if err != nil {
		return fmt.Errorf("in the flood: %w", err)
	}

	out := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	fmt.Fprintln(out, "MEASURED\tFIGURE\tTARGET")
	up := r.Took["control plane and node"] + r.Took["operator and router"]
	fmt.Fprintf(out, "control plane and operator up, binaries warm\t%.1f s\t25 s\n", up.Seconds())
	fmt.Fprintf(out, "media pod process: started to Ready\t%d ms\t1000 ms\n", starts.Milliseconds())
	fmt.Fprintf(out, "media pod process: resident when idle\t%d MB\t60 MB\n", idle>>20)
	fmt.Fprintf(out, "session created to Established, median of %d\t%d ms\t1500 ms\n", joins, median(established).Milliseconds())
	fmt.Fprintf(out, "session created to Established, slowest\t%d ms\t\n", slices.Max(established).Milliseconds())
	fmt.Fprintf(out, "API writes of a session until Established, median\t%d\t\n", median(writes))
	fmt.Fprintf(out, "call to a pod whose process has just started, to its answer\t%.1f ms\t5000 ms\n", ms(cold))
	calm.print(out, fmt.Sprintf("%d calls/s", rate), "50 ms")
	fmt.Fprintf(out, "junk sent at the same time, from %d connections, as fast as this machine does\t%.0f/s\t20000/s\n", floodConnections, storm.rate())
	stormy.print(out, fmt.Sprintf("%d calls/s in the flood", rate), "5000 ms")
	fmt.Fprintf(out, "the same, p99 in the flood to p99 without\tx%.1f\t\n", ms(quantile(stormy.took, .99))/ms(quantile(calm.took, .99)))
	fmt.Fprintf(out, "router: resident in the flood, at most\t%d MB\t256 MB\n", storm.memory>>20)
	fmt.Fprintf(out, "media pod: resident in the flood, at most\t%d MB\t\n", storm.podMemory>>20)
	if err := out.Flush(); err != nil {
		return err
	}
	return errors.Join(
		missed("answer of a pod just started (ms)", ms(cold), 5000),
		missed("session created to Established, median (ms)", ms(median(established)), 1500),
		missed("answer without a flood, p99 (ms)", ms(quantile(calm.took, .99)), 50+ms(quantile(calm.late, .99))),
		missed("answer in the flood, p99 (ms)", ms(quantile(stormy.took, .99)), 5000),
		missed("router's memory in the flood (MB)", float64(storm.memory>>20), 256.0/farOff), // the limit kills: no more than that
		missed("media pod's memory in the flood, to that when idle (MB)", float64(storm.podMemory>>20), float64(idle>>20)),
	)
}

// farOff is how far beyond its target a figure has to be to count as missed: machines are noisy, but not that noisy.
const farOff = 3

func missed(what string, figure, target float64) error {
	if figure <= farOff*target {
		return nil
	}
	return fmt.Errorf("%s is %.0f, more than %d times what it may be, %.0f", what, figure, farOff, target)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

var errWatchEnded = errors.New("the watch ended before what it waited for")

// watchStarts starts the bot and measures how long its first process takes from running to Ready.
func watchStarts(ctx context.Context, r *rig.Rig, bot *callfleetv1.CallingBot) (time.Duration, error) {
	w, err := r.Client.Watch(ctx, &corev1.PodList{}, client.InNamespace(rig.Namespace))
	if err != nil {
		return 0, err
	}
	defer w.Stop()
	started := make(chan error, 1)
	go func() { started <- r.StartBot(ctx, bot) }()
	var running time.Time
	for {
		select {
		case err := <-started:
			if err != nil {
				return 0, err
			}
			started = nil
		case e, open := <-w.ResultChan():
			if !open {
				return 0, errors.Join(errWatchEnded, ctx.Err())
			}
			pod, ok := e.Object.(*corev1.Pod)
			if !ok || len(pod.Status.ContainerStatuses) == 0 {
				continue
			}
			c := pod.Status.ContainerStatuses[0]
			if runs(pod) && running.IsZero() {
				running = time.Now()
			}
			if c.Ready {
				took := time.Since(running)
				if started != nil {
					if err := <-started; err != nil {
						return 0, err
					}
				}
				return took, nil
			}
		}
	}
}

// residentMemory is what a media pod's process takes (bytes) after it has settled.
func residentMemory(ctx context.Context, r *rig.Rig, pod string) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(5 * time.Second):
	}
	return memoryOf(ctx, r, rig.Namespace, pod, "mediapod")
}

// memoryOf reads VmRSS of a container's process.
func memoryOf(ctx context.Context, r *rig.Rig, namespace, pod, container string) (int64, error) {
	pid, err := r.Cluster.ContainerPID(ctx, namespace, pod, container)
	if err != nil {
		return 0, err
	}
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the process status")
}

// joinTimes joins sessions one after the other and measures creation to Established as a watcher sees it, and how many
// versions of the object there were until then.
func joinTimes(ctx context.Context, r *rig.Rig, n int) (took []time.Duration, writes []int, err error) {
	for i := range n {
		m, err := r.Teams.CreateMeeting(ctx, admin.NewMeeting{Subject: "load", TenantID: rig.TenantID, People: []string{"Ada"}})
		if err != nil {
			return nil, nil, err
		}
		s, err := r.Session(fmt.Sprintf("load-%d", i), m.JoinURL)
		if err != nil {
			return nil, nil, err
		}
		w, err := r.Client.Watch(ctx, &callfleetv1.MeetingSessionList{}, client.InNamespace(rig.Namespace))
		if err != nil {
			return nil, nil, err
		}
		start := time.Now()
		if err := r.Client.Create(ctx, s); err != nil {
			return nil, nil, err
		}
		versions, established := 0, false
		for e := range w.ResultChan() {
			got, ok := e.Object.(*callfleetv1.MeetingSession)
			if !ok || got.Name != s.Name {
				continue
			}
			versions++
			if got.Status.Phase.Finished() {
				return nil, nil, fmt.Errorf("session %s ended as %s", got.Name, got.Status.EndReason)
			}
			if established = got.Status.Phase == callfleetv1.PhaseEstablished; established {
				break
			}
		}
		took, writes = append(took, time.Since(start)), append(writes, versions-1)
		w.Stop()
		if !established {
			return nil, nil, errors.Join(errWatchEnded, ctx.Err())
		}
		if err := r.Client.Delete(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	return took, writes, nil
}

func median[T int | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
