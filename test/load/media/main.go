// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command media measures what calls cost the media engine, on this machine: a load on one core, and on another the
// engine and, in the same run, what it is compared with. Machines are noisy: it judges nothing, people do, and they
// compare only what is in one table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
)

// settings are the command line.
type settings struct {
	calls, transcoded, most, menus int
	length                         time.Duration
	only, profiles                 string
}

func main() {
	var s settings
	flag.IntVar(&s.calls, "calls", 200, "how many calls to hold at once")
	flag.IntVar(&s.transcoded, "opus-calls", 40, "how many of those whose Opus is decoded, mixed and encoded, which cost many times as much; three times as many for their memory")
	flag.IntVar(&s.most, "most", 500, "how many calls to hold at once for the test of what a core can bear; 0 leaves it out")
	flag.IntVar(&s.menus, "menus", 100, "how many callers walk through the menus of a flow at once; 0 leaves it out")
	flag.DurationVar(&s.length, "for", 5*time.Second, "how long each measurement takes, besides setting up")
	flag.StringVar(&s.only, "only", "", "measure of the engine only what has this in its name")
	flag.StringVar(&s.profiles, "cpuprofile", "", "a folder to write a CPU profile of each measurement to, and beside it one of the heap")
	role := flag.String("role", "", "for its own use: what this process is to be")
	what := flag.String("what", doEcho, "for its own use: what the server's calls do")
	profile := flag.String("profile", "", "for its own use: the file for the server's profile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch *role {
	case "":
		err = run(ctx, s)
	case "engine":
		err = serve(ctx, *what, s.calls, *profile)
	case "raw":
		err = echoRaw()
	default:
		err = fmt.Errorf("there is no role %q", *role)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "media:", err)
		os.Exit(1)
	}
}

// run measures one after the other, each in a process of its own.
func run(ctx context.Context, s settings) error {
	server, generator, err := cores()
	if err != nil {
		return err
	}
	// The load's own collections would disturb what it measures; it makes little garbage.
	debug.SetGCPercent(1000)
	b := &bench{settings: s, server: server, generator: generator}
	if b.identity, err = selfSigned(); err != nil {
		return err
	}
	if s.profiles != "" {
		if err := os.MkdirAll(s.profiles, 0o755); err != nil {
			return err
		}
	}
	t := newTable(os.Stdout, s, server, generator)
	raw, err := b.raw(ctx)
	if err != nil {
		return fmt.Errorf("the raw echo: %w", err)
	}
	t.baseline("raw", raw)
	opus := len(codec.All()) > len(codec.Supported())
	if !opus {
		t.note("libopus is not installed, so Opus is not measured. On Debian: apt-get install libopus0.")
	}
	if err := b.others(ctx, t, opus); err != nil {
		return err
	}
	for _, sc := range s.scenarios(opus) {
		if !strings.Contains(sc.name, s.only) {
			continue
		}
		r, err := b.engine(ctx, sc)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		t.row(sc.name, r, sc.target)
		if w := r.walked; w != nil {
			t.note("%s: %d keys; from the first packet of a key to the first of the prompt that it leads to %.0f ms (p50), %.0f ms (p99), %.0f ms at most; %d took more than %v, %d never came.",
				sc.name, w.steps, w.reaction.quantile(.5), w.reaction.quantile(.99), ms(w.most), w.late, lateAfter, w.lost)
		}
	}
	return t.flush()
}

// others measures Janus, if it is there.
func (b *bench) others(ctx context.Context, t *table, opus bool) error {
	echo, err := b.janusEcho(ctx)
	if err == nil {
		t.baseline("Janus", echo)
		if !opus {
			return nil
		}
		for _, thrifty := range []bool{true, false} {
			var bridge *result
			if bridge, err = b.janusBridge(ctx, thrifty); err != nil {
				break
			} else if thrifty {
				t.row("Janus AudioBridge, Opus, least effort", bridge, "")
			} else {
				t.baseline("AudioBridge", bridge)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		t.note("Janus %v, so there is no full comparison with it. On Debian: apt-get install janus.", err)
	}
	return ctx.Err()
}

// scenarios are what is measured of the engine.
func (s settings) scenarios(opus bool) []scenario {
	const (
		echoTarget = "<= 1.5x raw, <= 0.75x Janus, <= 200 KB and 12 goroutines"
		manyTarget = "p99 <= 5 ms, no loss"
	)
	all := []scenario{{name: "passthrough, PCMU", do: doEcho, codec: codec.PCMU, calls: s.calls, target: echoTarget}}
	if opus {
		all = append(all, scenario{name: "passthrough, Opus", do: doEcho, codec: codec.Opus, calls: s.calls, target: echoTarget})
	}
	all = append(all, scenario{name: "decode, mix, encode, PCMU", do: doMix, codec: codec.PCMU, calls: s.calls, target: "<= 1.0x Janus, <= 200 KB"})
	if opus {
		all = append(all,
			scenario{name: "decode, mix, encode, Opus", do: doMix, codec: codec.Opus, calls: s.transcoded, target: "<= 0.5x AudioBridge"},
			scenario{name: "the same, more of them", do: doMix, codec: codec.Opus, calls: 3 * s.transcoded, target: "<= 200 KB and 12 goroutines"})
	}
	if s.menus > 0 {
		all = append(all, scenario{name: "menus of a flow, PCMU", do: doFlow, codec: codec.PCMU, calls: s.menus, target: "no key later than 200 ms"})
	}
	if s.most > 0 {
		all = append(all, scenario{name: "passthrough, PCMU, many", do: doEcho, codec: codec.PCMU, calls: s.most, target: manyTarget})
		if opus {
			all = append(all, scenario{name: "passthrough, Opus, many", do: doEcho, codec: codec.Opus, calls: s.most, target: manyTarget})
		}
	}
	return all
}

// profileOf is the file for a scenario's profile, if one is wanted.
func (s settings) profileOf(sc scenario) string {
	if s.profiles == "" {
		return ""
	}
	return filepath.Join(s.profiles, fmt.Sprintf("%s-%s-%d.pprof", sc.do, sc.codec.Name, sc.calls))
}
