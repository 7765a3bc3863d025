// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media"
)

// What the server's calls do.
const (
	doEcho = "echo" // packets go back as they came
	doFlow = "flow" // each call runs a flow of menus
	doMix  = "mix"  // what is heard is decoded, mixed with a clip that is played in a loop, and encoded
)

// opened is what the server says first.
type opened struct {
	Certificate []byte // of its TLS port, DER
	Endpoints   []endpoint
}

type endpoint struct{ URL, Token string }

// state is what it says of itself when asked.
type state struct {
	Goroutines  int
	Heap        uint64 // bytes in use after a collection
	Stacks      uint64 // bytes, of goroutines
	Mallocs     uint64 // so far
	Heard, Said uint64 // frames of samples
}

// mirror takes the samples of a call as a recorder would, and says what it heard in the frame before.
type mirror struct {
	frame       [audio.FrameSamples]int16
	any         bool
	heard, said *atomic.Uint64 // frames, of all calls
}

// Tap implements media.Tap.
func (m *mirror) Tap(f *media.Frame) {
	if m.any = f.Heard != nil; m.any {
		copy(m.frame[:], f.Heard)
		m.heard.Add(1)
	}
	if f.Said != nil {
		m.said.Add(1)
	}
}

// Fill implements media.Source.
func (m *mirror) Fill(frame []int16) bool {
	copy(frame, m.frame[:])
	return m.any
}

// serve is the role of the server: the engine with that many calls and one to begin with, until its input ends. Lines of input
// are questions: "warm" for a state with no far sides, when the last call is over, "begin" and "end" for one too, with a profile of what is between them in the file, if there is one.
func serve(ctx context.Context, what string, calls int, profile string) error {
	debug.SetGCPercent(media.GCPercent) // as media pods do
	certificate, err := selfSigned()
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	e, err := media.New(media.Config{
		BindAddr:       netip.AddrFrom4([4]byte{127, 0, 0, 1}),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil },
		Log:            logr.Discard(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx) }()
	defer func() { cancel(); <-served }()

	out := json.NewEncoder(os.Stdout)
	var heard, said atomic.Uint64
	now := func() state {
		s := stateOf()
		s.Heard, s.Said = heard.Load(), said.Load()
		return s
	}
	hello := opened{Certificate: certificate.Certificate[0]}
	clip := wav.Clip{SampleRate: audio.SampleRate, Samples: babble(5 * time.Second)}
	var flows *answering
	if what == doFlow {
		if flows, err = newAnswering(ctx); err != nil {
			return err
		}
		defer func() { cancel(); flows.running.Wait() }()
	}
	var first *media.Call // that is not measured
	for i := range calls + 1 {
		o := media.CallOptions{ID: "call-" + strconv.Itoa(i)}
		var made atomic.Pointer[media.Call]
		switch what {
		case doEcho:
			o.Behavior.Echo = true
		case doFlow:
			o.OnChange = flows.onChange(made.Load, o.ID)
		default:
			o.Behavior.Play = &media.Play{Clip: clip, Loop: true}
		}
		c, err := e.NewCall(o)
		if err != nil {
			return err
		}
		made.Store(c)
		if what == doMix {
			m := &mirror{heard: &heard, said: &said}
			c.AddTap(m)
			c.AddSource(m)
		}
		first = c
		url, token := c.Endpoint()
		hello.Endpoints = append(hello.Endpoints, endpoint{url, token})
	}
	if err := out.Encode(hello); err != nil {
		return err
	}
	return answer(out, now, first, profile)
}

// answer answers questions.
func answer(out *json.Encoder, now func() state, first *media.Call, profile string) error {
	var file *os.File
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var err error
		switch {
		case in.Text() == "warm":
			first.Close()
		case in.Text() == "begin" && profile != "":
			if file, err = os.Create(profile); err == nil {
				err = pprof.StartCPUProfile(file)
			}
		case in.Text() == "end" && file != nil:
			pprof.StopCPUProfile()
			err = errors.Join(file.Close(), heapProfile(profile+".heap"))
		}
		if err := errors.Join(err, out.Encode(now())); err != nil {
			return err
		}
	}
	return nil
}

// heapProfile writes what is held, and by whom it was made.
func heapProfile(path string) error {
	runtime.GC() // the profile is of the last collection
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(file, 0), file.Close())
}

func stateOf() state {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return state{
		Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, Stacks: m.StackInuse, Mallocs: m.Mallocs,
	}
}

// echoRaw is the role of the baseline: what comes goes back where it came from, one packet with one system call each way.
func echoRaw() error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return err
	}
	const room = 2 << 20 // as the engine asks for
	_, _ = conn.SetReadBuffer(room), conn.SetWriteBuffer(room)
	fmt.Printf("%q\n", conn.LocalAddr().String())
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
			}
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	return conn.Close()
}

// selfSigned is a certificate for this machine's loopback address.
func selfSigned() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
