// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/opus"
)

// bench is what all measurements share.
type bench struct {
	settings
	server, generator int // cores
	identity          *tls.Certificate
}

// scenario is one measurement of the engine.
type scenario struct {
	name   string
	do     string
	codec  codec.Codec
	calls  int
	target string
}

// result is what was measured.
type result struct {
	calls      int
	cpu        time.Duration // for each second of a call
	resident   int64         // bytes a call
	heap       int64         // bytes a call; negative where it is not known
	stacks     int64         // bytes a call, of goroutines; negative where it is not known
	goroutines float64       // a call
	allocs     float64       // a packet, either way
	heard      heard
	walked     *walked // of callers in menus
}

const (
	settle     = time.Second // until calls run as they will
	sideBySide = 8           // calls that are set up at a time
	walksFor   = 6           // times as long as others are measured; a caller takes a step every three seconds or so
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// raw measures the echo of packets as they are.
func (b *bench) raw(ctx context.Context) (*result, error) {
	p, err := b.self(ctx, "-role", "raw")
	if err != nil {
		return nil, err
	}
	defer p.end()
	var addr netip.AddrPort
	if err := p.ask("", &addr); err != nil {
		return nil, err
	}
	sides, err := b.connect(ctx, b.calls, loopback, func(_ context.Context, _ int, f *farSide) error {
		f.remote = addr
		return f.detach()
	})
	if err != nil {
		return nil, err
	}
	r, err := b.measure(ctx, p, sides, scenario{codec: codec.PCMU}, nil)
	if err == nil {
		r.resident = -1 // it holds none for a call
	}
	return r, err
}

// janusEcho measures another's echo.
func (b *bench) janusEcho(ctx context.Context) (*result, error) {
	return b.janus(ctx, echoTest, b.calls, codec.PCMU, func(int) map[string]any { return map[string]any{"audio": true} })
}

// janusBridge measures another's decoding, mixing and encoding of Opus: rooms of two, who hear each other. It does as it
// does by itself, or thrifty: with as many bits as the engine makes, and the least effort that it takes.
func (b *bench) janusBridge(ctx context.Context, thrifty bool) (*result, error) {
	return b.janus(ctx, audioBridge, b.transcoded, codec.Opus, func(call int) map[string]any {
		join := map[string]any{"request": "join", "room": call/2 + 1, "codec": "opus", "muted": false}
		if thrifty {
			join["quality"], join["bitrate"] = 1, opus.LowDelay().Bitrate
		}
		return join
	})
}

func (b *bench) janus(ctx context.Context, plugin string, calls int, c codec.Codec, ask func(call int) map[string]any) (*result, error) {
	j, err := b.startJanus(ctx, plugin)
	if err != nil {
		return nil, err
	}
	defer j.end()
	if plugin == audioBridge {
		if err := j.rooms(ctx, (calls+1)/2); err != nil {
			return nil, fmt.Errorf("opened no rooms: %w", err)
		}
	}
	before, err := j.resident()
	if err != nil {
		return nil, err
	}
	sides, err := b.connect(ctx, calls, j.ip, func(ctx context.Context, i int, f *farSide) error {
		return f.connect(ctx, b.identity, c, func(ctx context.Context, offer string) (string, error) {
			return j.exchange(ctx, offer, ask(i))
		})
	})
	if err != nil {
		return nil, fmt.Errorf("did not take the calls: %w", err)
	}
	r, err := b.measure(ctx, j.process, sides, scenario{codec: c}, nil)
	if err == nil {
		r.resident -= before / int64(calls)
	}
	return r, err
}

// engine measures a scenario.
func (b *bench) engine(ctx context.Context, s scenario) (*result, error) {
	p, err := b.self(ctx, "-role", "engine", "-what", s.do, "-calls", strconv.Itoa(s.calls), "-profile", b.profileOf(s))
	if err != nil {
		return nil, err
	}
	defer p.end()
	var idle, begin, end state
	var hello opened
	if err := p.ask("", &hello); err != nil {
		return nil, err
	}
	client, err := clientOf(hello.Certificate)
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, s, hello.Endpoints[s.calls], client); err != nil {
		return nil, fmt.Errorf("with one call: %w", err)
	}
	if err := p.ask("warm", &idle); err != nil {
		return nil, err
	}
	before, err := p.resident()
	if err != nil {
		return nil, err
	}
	sides, err := b.connect(ctx, s.calls, loopback, func(ctx context.Context, i int, f *farSide) error {
		f.keys = s.do == doFlow
		return f.connect(ctx, b.identity, s.codec, hello.Endpoints[i].whip(client))
	})
	if err != nil {
		return nil, err
	}
	client.CloseIdleConnections()
	r, err := b.measure(ctx, p, sides, s, func(question string) error {
		if question == "begin" {
			return p.ask(question, &begin)
		}
		return p.ask(question, &end)
	})
	if err != nil {
		return nil, err
	}
	if s.do == doMix && (end.Heard == begin.Heard || end.Said == begin.Said) {
		return nil, errors.New("no samples were heard, or none said: this is not the work that was to be measured")
	}
	n := float64(s.calls)
	r.resident -= before / int64(s.calls)
	r.heap = (int64(end.Heap) - int64(idle.Heap)) / int64(s.calls)
	r.stacks = (int64(end.Stacks) - int64(idle.Stacks)) / int64(s.calls)
	r.goroutines = float64(end.Goroutines-idle.Goroutines) / n
	r.allocs = float64(end.Mallocs-begin.Mallocs) / float64(r.heard.sent+r.heard.received)
	return r, nil
}

// warm holds a call for a while, so that what the first one takes of the code and the libraries is not counted as memory of
// those that are measured.
func (b *bench) warm(ctx context.Context, s scenario, at endpoint, client *http.Client) error {
	sides, err := b.connect(ctx, 1, loopback, func(ctx context.Context, _ int, f *farSide) error {
		return f.connect(ctx, b.identity, s.codec, at.whip(client))
	})
	if err != nil {
		return err
	}
	l := newLoad(sides, s.codec)
	defer l.close()
	return l.run(ctx, settle/2, false)
}

// connect makes far sides and sets them up, some side by side.
func (b *bench) connect(ctx context.Context, n int, ip netip.Addr, setUp func(context.Context, int, *farSide) error) ([]*farSide, error) {
	sides := make([]*farSide, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sideBySide)
	for i := range sides {
		g.Go(func() error {
			f, err := newFarSide(ip)
			if err != nil {
				return err
			}
			sides[i] = f
			if err := setUp(ctx, i, f); err != nil {
				return fmt.Errorf("setting call %d up: %w", i, err)
			}
			return nil
		})
	}
	return sides, g.Wait()
}

// measure puts the load on a server and looks at what that costs it. The server is asked for its state at both ends.
func (b *bench) measure(ctx context.Context, p *process, sides []*farSide, s scenario, ask func(question string) error) (*result, error) {
	if ask == nil {
		ask = func(string) error { return nil }
	}
	l, length := newLoad(sides, s.codec), b.length
	defer l.close()
	if s.do == doFlow {
		l.walk()
		length *= walksFor
	}
	if err := l.run(ctx, settle, false); err != nil {
		return nil, err
	}
	if err := ask("begin"); err != nil {
		return nil, err
	}
	// What the question held up is made up for before the count begins.
	if err := l.run(ctx, settle/4, false); err != nil {
		return nil, err
	}
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := l.run(ctx, length, true); err != nil {
		return nil, err
	}
	after, err := p.cpu()
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	resident, err := p.resident()
	if err != nil {
		return nil, err
	}
	if l.heard.forged > 0 {
		return nil, fmt.Errorf("%d packets came back that could not be decrypted", l.heard.forged)
	}
	n := float64(len(sides))
	return &result{
		calls: len(sides), cpu: time.Duration(float64(after-before) / n / took.Seconds()),
		resident: resident / int64(len(sides)), heap: -1, stacks: -1, goroutines: -1, allocs: -1, heard: l.heard, walked: l.walked,
	}, ask("end")
}

// clientOf trusts the server alone.
func clientOf(certificate []byte) (*http.Client, error) {
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	return &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: sideBySide},
	}, nil
}

// whip posts the offer to the call's WHIP resource (RFC 9725).
func (e endpoint) whip(client *http.Client) exchange {
	return func(ctx context.Context, offer string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, strings.NewReader(offer))
		if err != nil {
			return "", err
		}
		r.Header.Set("Authorization", "Bearer "+e.Token)
		r.Header.Set("Content-Type", "application/sdp")
		response, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return "", err
		}
		if response.StatusCode != http.StatusCreated {
			return "", fmt.Errorf("%s: %s", response.Status, body)
		}
		return string(body), nil
	}
}
