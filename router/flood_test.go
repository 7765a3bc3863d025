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

	calm := realCalls(t, judge, addr, 0, period/4)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	ctx, stop := context.WithCancel(t.Context())
	var sent, mostHeap, goroutines atomic.Uint64
	var group sync.WaitGroup
	for i := range 200 {
		junk := junkRequest(t, judge, i)
		group.Go(func() { flood(ctx, addr, junk, &sent) })
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
	stormy := realCalls(t, judge, addr, 1_000_000, period)
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

// realCalls sends one every 20 ms for the period; every tenth has a token of its own. It returns how long the answers took, sorted.
func realCalls(t *testing.T, judge *keyPod, addr string, base int, period time.Duration) []time.Duration {
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
			req, _ := http.NewRequest(http.MethodPost, "http://"+addr+newCalls, strings.NewReader(`{"value":[]}`))
			req.Header.Set("Authorization", "Bearer "+token)
			start := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("call %d: answer %d after %s", i, resp.StatusCode, time.Since(start))
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
func flood(ctx context.Context, addr string, junk []byte, sent *atomic.Uint64) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
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
