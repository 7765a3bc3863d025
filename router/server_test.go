// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

var timeZero time.Time

// startServer serves plain HTTP with at most max connections.
func startServer(t *testing.T, max int, handler http.HandlerFunc) string {
	t.Helper()
	s := NewServer(handler, nil, logr.Discard())
	s.max = max
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(s.Listener(l))
	}()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func ask(t *testing.T, conn net.Conn) (code int, err error) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}

func TestIdleConnectionsMakeRoom(t *testing.T) {
	addr := startServer(t, 3, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	var conns []net.Conn
	for i := range 6 {
		conn := dial(t, addr)
		conns = append(conns, conn)
		if code, err := ask(t, conn); code != http.StatusNoContent {
			t.Fatalf("connection %d: %d, %v", i, code, err)
		}
	}
	if _, err := ask(t, conns[0]); err == nil {
		t.Error("six connections are open where three may be")
	}
	if code, err := ask(t, conns[5]); code != http.StatusNoContent {
		t.Errorf("the newest was closed: %d, %v", code, err)
	}
}

func TestBusyConnectionsAreWaitedFor(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 10)
	addr := startServer(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		started <- struct{}{}
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	answers := make(chan string, 3)
	for range 3 {
		conn := dial(t, addr)
		go func() {
			code, err := ask(t, conn)
			answers <- fmt.Sprint(code, err)
		}()
	}
	<-started
	<-started
	select {
	case <-started:
		t.Error("three requests run where two connections may be")
	case <-time.After(50 * time.Millisecond): // nothing tells that nothing happens
	}
	close(release)
	for range 3 {
		if got := <-answers; got != "204 <nil>" {
			t.Errorf("answer %s", got)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	addr := startServer(t, 10, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for size, want := range map[int]int{maxToken: 204, 64 << 10: 431} {
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: "+strings.Repeat("a", size)+"\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%d bytes of header: %v, %v, want %d", size, resp, err, want)
		}
	}
}
