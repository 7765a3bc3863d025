// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
	return listenAndServe(t, s, func(l net.Listener) error { return s.Serve(l) })
}

func listenAndServe(t *testing.T, s *Server, serve func(net.Listener) error) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(s.Listener(l))
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

// Whoever sends slowly holds a connection for as long as the server's time-outs let it, so enough of them would keep everybody
// else out. Two places are all there is here, and each sender takes seconds.
func TestSlowSendersMakeRoom(t *testing.T) {
	for name, slow := range map[string]string{
		"says nothing":                        "",
		"never ends its header":               "POST / HTTP/1.1\r\nHost: x\r\n",
		"keeps the body of a refused request": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			addr := startServer(t, 2, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "a token of the calling service is needed", http.StatusUnauthorized)
			})
			for range 20 {
				_, _ = io.WriteString(dial(t, addr), slow)
			}
			start := time.Now()
			if code, err := ask(t, dial(t, addr)); code != http.StatusUnauthorized {
				t.Fatalf("a request after those of twenty slow senders: %d, %v", code, err)
			}
			if took := time.Since(start); took > 4*time.Second { // the shortest of the time-outs is 5 s
				t.Errorf("it waited for %s", took)
			}
		})
	}
}

// Over TLS the server knows the connection under another name, and HTTP/2 has many requests on one.
func TestSlowSendersMakeRoomOverTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	release := make(chan struct{})
	s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
		w.WriteHeader(http.StatusNoContent)
	}), func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certified.TLS.Certificates[0], nil }, logr.Discard())
	s.max = 2
	addr := listenAndServe(t, s, func(l net.Listener) error { return s.ServeTLS(l, "", "") })

	config := certified.Client().Transport.(*http.Transport).TLSClientConfig
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	get := func(path string) string {
		resp, err := client.Get("https://" + addr + path)
		if err != nil {
			return err.Error()
		}
		_ = resp.Body.Close()
		return resp.Proto + " " + resp.Status
	}
	if got := get("/"); got != "HTTP/2.0 204 No Content" {
		t.Fatal(got)
	}
	waiting := make(chan string, 1)
	go func() { waiting <- get("/wait") }()
	if got := get("/"); got != "HTTP/2.0 204 No Content" { // on the same connection, which is busy on
		t.Error(got)
	}
	for range 10 { // closed one after the other, but not the one with a request
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, "\x16")
	}
	select {
	case got := <-waiting:
		close(release)
		t.Fatalf("a request in the handler ended: %s", got)
	case <-time.After(2 * quietFor): // nothing tells that nothing happens
	}
	close(release)
	if got := <-waiting; got != "HTTP/2.0 204 No Content" {
		t.Error(got)
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
