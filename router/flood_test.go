// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// answerDeadline is the shorter of the service's two: policy-based recording.
const answerDeadline = 5 * time.Second

// callDeadline is that of all other calls. The service sends a notification answered with 503 again, so that there is time for that.
const callDeadline = 15 * time.Second

// keyPod judges tokens as media pods do, with a signature check for each it has not seen.
type keyPod struct {
	key  *rsa.PrivateKey
	good sync.Map
}

func newKeyPod(t testing.TB) *keyPod {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &keyPod{key: key}
}

func (k *keyPod) token(t testing.TB, n int, forged bool) string {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	text := enc([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + enc(fmt.Appendf(nil, `{"aud":"0efc74f7-41c3-47a4-8775-7259bfef4241","jti":"%d","pad":"%s"}`, n, strings.Repeat("p", 400)))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if forged {
		signature[7] ^= 1
	}
	return text + "." + enc(signature)
}

func (k *keyPod) verify(token string) bool {
	if _, known := k.good.Load(token); known {
		return true
	}
	at := strings.LastIndexByte(token, '.')
	digest := sha256.Sum256([]byte(token[:at]))
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || rsa.VerifyPKCS1v15(&k.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return false
	}
	k.good.Store(token, true)
	return true
}

func (k *keyPod) serve(w http.ResponseWriter, r *http.Request) {
	if !k.verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusAccepted)
}

// A flood of forged notifications from many connections, as fast as this machine sends them beside the router and the pods,
// while real calls go on coming in: some with a token that is known, some with one that was never seen.
func TestFlood(t *testing.T) {
	period := 4 * time.Second
	if testing.Short() {
		period = time.Second
	}
	judge := newKeyPod(t)
	f := newFleet(t, aPod{name: "r-0", free: 1000, answer: judge.serve}, aPod{name: "r-1", free: 1000, answer: judge.serve})
	s := NewServer(f.router, nil, logr.Discard())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(s.Listener(l)) }()
	defer func() { _ = s.Close(); <-served }()
	addr := l.Addr().String()

	calm := realCalls(t, judge, addr, 0, period/4, 0)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	ctx, stop := context.WithCancel(t.Context())
	var sent, mostHeap, goroutines atomic.Uint64
	var group sync.WaitGroup
	for i := range 200 {
		junk := junkRequest(t, judge, i)
		group.Go(func() { flood(ctx, addr, junk, &sent, nil) })
	}
	group.Go(func() {
		for ctx.Err() == nil {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			mostHeap.Store(max(mostHeap.Load(), now.HeapInuse+now.StackInuse))
			goroutines.Store(max(goroutines.Load(), uint64(runtime.NumGoroutine())))
			time.Sleep(20 * time.Millisecond) // how often the heap is looked at
		}
	})
	start := time.Now()
	stormy := realCalls(t, judge, addr, 1_000_000, period, 0)
	took := time.Since(start)
	stop()
	group.Wait()

	grown := (int64(mostHeap.Load()) - int64(before.HeapInuse+before.StackInuse)) >> 20
	t.Logf("junk: %.0f requests/s from 200 connections; real calls: %d, without junk p50 %s p99 %s, with junk p50 %s p99 %s (x%.1f), slowest %s; memory grew by %d MiB at most, senders and pods included, goroutines %d",
		float64(sent.Load())/took.Seconds(), len(stormy), quantile(calm, .5), quantile(calm, .99), quantile(stormy, .5), quantile(stormy, .99),
		float64(quantile(stormy, .99))/float64(quantile(calm, .99)), stormy[len(stormy)-1], grown, goroutines.Load())
	if slowest := stormy[len(stormy)-1]; slowest > answerDeadline {
		t.Errorf("a real call was answered after %s, the deadline is %s", slowest, answerDeadline)
	}
	if grown > 256 { // what the deployment gives the router alone
		t.Errorf("memory grew by %d MiB", grown)
	}
	if n := f.router.lanes.count(laneUnproven); n > laneLimits[laneUnproven].everywhere {
		t.Errorf("%d requests without a known token at a time", n)
	}
}

var limits = flag.Bool("limits", false, "flood the router from more connections than it holds")

// The same from so many connections and addresses that every limit is reached: the connections of the server, the lane of
// tokens nobody has judged, and what one address may hold of it. Some of the senders never send the body they announce.
func TestFloodAtTheLimits(t *testing.T) {
	if !*limits {
		t.Skip("needs a machine that does nothing else: make bench runs it, or go test ./router -run TestFloodAtTheLimits -limits -v")
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux sends from all of 127.0.0.0/8")
	}
	const senders, addresses, period = maxConnections + 600, 3, 4 * time.Second
	judge := newKeyPod(t)
	f := newFleet(t, aPod{name: "r-0", free: 1000, answer: judge.serve}, aPod{name: "r-1", free: 1000, answer: judge.serve})
	s := NewServer(f.router, nil, logr.Discard())
	addr := listenAndServe(t, s, func(l net.Listener) error { return s.Serve(l) })
	junk := make([][]byte, 16)
	for i := range junk {
		junk[i] = junkRequest(t, judge, []int{0, 2, 3}[i%3]+4*i)
	}
	junk[0] = junkRequest(t, judge, 1)
	junk[1] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bots.contoso.com\r\nContent-Length: 16000\r\n\r\n", newCalls)

	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent atomic.Uint64
	var group sync.WaitGroup
	for i := range senders {
		from := net.IPv4(127, 0, 1, byte(i%addresses/2))
		group.Go(func() { flood(ctx, addr, junk[i%len(junk)], &sent, from) })
	}
	connections := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.open
	}
	for end := time.Now().Add(time.Minute); connections() < maxConnections; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d connections after a minute", connections())
		}
	}
	var mostConnections, mostWaiting, mostMemory int64
	group.Go(func() {
		for ctx.Err() == nil {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			mostMemory = max(mostMemory, int64(now.HeapInuse+now.StackInuse))
			mostConnections = max(mostConnections, int64(connections()))
			mostWaiting = max(mostWaiting, int64(f.router.lanes.count(laneUnproven)))
			time.Sleep(20 * time.Millisecond) // how often it is looked at
		}
	})
	sentBefore, start := sent.Load(), time.Now()
	took := realCalls(t, judge, addr, 2_000_000, period, callDeadline)
	rate := float64(sent.Load()-sentBefore) / time.Since(start).Seconds()
	stop()
	group.Wait()

	grown := (mostMemory - int64(before.HeapInuse+before.StackInuse)) >> 20
	t.Logf("junk: %.0f requests/s (target 20000/s) from %d connections of %d addresses; at most %d connections and %d requests in the lane; real calls: %d, p50 %s, p99 %s, slowest %s; memory grew by %d MiB at most, senders and pods included",
		rate, senders, addresses, mostConnections, mostWaiting, len(took), quantile(took, .5), quantile(took, .99), took[len(took)-1], grown)
	if slowest := took[len(took)-1]; slowest > callDeadline {
		t.Errorf("a real call was answered after %s, the deadline is %s", slowest, callDeadline)
	}
	if mostConnections > maxConnections {
		t.Errorf("%d connections, want %d at most", mostConnections, maxConnections)
	}
	if limit := laneLimits[laneUnproven]; mostWaiting < int64(limit.perSource) || mostWaiting > int64(limit.everywhere) {
		t.Errorf("%d requests in the lane at most: the flood did not reach %d, what one address may hold, or the bound of %d does not hold",
			mostWaiting, limit.perSource, limit.everywhere)
	}
	if grown > 400 {
		t.Errorf("memory grew by %d MiB", grown)
	}
}

// realCalls sends one every 20 ms for the period; every tenth has a token of its own. It returns how long the answers took, sorted.
// What is answered with 503 is sent again for so long as resend says.
func realCalls(t *testing.T, judge *keyPod, addr string, base int, period, resend time.Duration) []time.Duration {
	t.Helper()
	known := judge.token(t, base, false)
	client := &http.Client{Timeout: 2 * answerDeadline}
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i, end := 0, time.Now().Add(period); time.Now().Before(end); i++ {
		<-tick.C
		token := known
		if i%10 == 0 {
			token = judge.token(t, base+i+1, false)
		}
		group.Go(func() {
			start := time.Now()
			post := func() (*http.Response, error) {
				req, _ := http.NewRequest(http.MethodPost, "http://"+addr+newCalls, strings.NewReader(`{"value":[]}`))
				req.Header.Set("Authorization", "Bearer "+token)
				return client.Do(req)
			}
			resp, err := post()
			for err == nil && resp.StatusCode == http.StatusServiceUnavailable && time.Since(start) < resend {
				_ = resp.Body.Close()
				resp, err = post()
			}
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			why, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("call %d: answer %d after %s: %s", i, resp.StatusCode, time.Since(start), why)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(start))
		})
	}
	group.Wait()
	slices.Sort(took)
	return took
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

// junkRequest is one of the kinds of junk: forged tokens, no tokens, bodies of 10 MB.
func junkRequest(t testing.TB, judge *keyPod, i int) []byte {
	token, path, length, body := judge.token(t, i, true), newCalls, 1000, 1000
	switch i % 4 {
	case 1:
		token = "rubbish"
	case 2:
		path, length, body = callbackTo("r-0"), 10<<20, 64<<10
	case 3:
		path, length, body = callbackTo("r-1"), 1<<20, 64<<10
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bots.contoso.com\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		path, token, length, strings.Repeat("j", body))
}

// flood sends the same request again and again, over a new connection whenever the last one was closed.
func flood(ctx context.Context, addr string, junk []byte, sent *atomic.Uint64, from net.IP) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		answers := bufio.NewReader(conn)
		for {
			if _, err := conn.Write(junk); err != nil {
				break
			}
			sent.Add(1)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.Close {
				break
			}
		}
		stop()
		_ = conn.Close()
	}
}
