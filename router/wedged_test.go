// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// pipedFleet is a fleet of a fake clock: its connections are pipes. A pod without an answer takes connections, as the kernel does
// for a process that hangs, and never says a word.
type pipedFleet struct {
	router *Router
	answer map[string]http.HandlerFunc // by the pod's address
}

func newPipedFleet(pods ...aPod) *pipedFleet {
	f := &pipedFleet{router: New(NewTable(), logr.Discard(), prometheus.NewRegistry()), answer: map[string]http.HandlerFunc{}}
	for i, p := range pods {
		ip := fmt.Sprintf("10.0.0.%d", i+1)
		f.router.table.Set(mediaPod(p.name, ip, p.free, p.change...))
		f.answer[ip+":9441"] = p.answer
	}
	f.router.transport.(*http.Transport).DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
		near, far := net.Pipe()
		if handler := f.answer[addr]; handler != nil {
			l := &oneConn{conn: make(chan net.Conn, 1), done: make(chan struct{})}
			l.conn <- far
			s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					close(l.done)
				}
			}}
			go func() { _ = s.Serve(l) }()
		}
		return near, nil
	}
	f.router.Synced()
	return f
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, io.EOF
	}
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

func (f *pipedFleet) post(path string) (code int, took time.Duration) {
	start := time.Now()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader("x"))
	req.Header.Set("Authorization", "Bearer "+goodToken)
	w := httptest.NewRecorder()
	f.router.ServeHTTP(w, req)
	f.router.transport.(*http.Transport).CloseIdleConnections()
	return w.Code, time.Since(start)
}

// after answers only after a while, as a pod does that has to fetch a signing key first.
func after(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

func TestPodsThatHang(t *testing.T) {
	takes := http.HandlerFunc(judging(http.StatusAccepted))
	tests := map[string]struct {
		pods []aPod
		path string
		code int
		took time.Duration
	}{
		"a new call loses a second to one": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8, answer: takes}}, path: newCalls, code: 202, took: time.Second,
		},
		"and three to three": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8}, {name: "r-2", free: 7}, {name: "r-3", free: 6, answer: takes}},
			path: newCalls, code: 202, took: 3 * time.Second,
		},
		"the caller hears that the bot is busy from the one that does not": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8}, {name: "r-2", free: 7, answer: lastOnly}},
			path: newCalls, code: 202, took: 2 * time.Second,
		},
		"if all hang, the service is told before the shortest of its deadlines": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8}, {name: "r-2", free: 7}, {name: "r-3", free: 6}, {name: "r-4", free: 5}, {name: "r-5"}},
			path: newCalls, code: 503, took: verdictBudget,
		},
		"who is left alone may take longer: to fetch a key": {
			pods: []aPod{{name: "r-0", free: 9}, {name: "r-1", free: 8, answer: after(2*time.Second, takes)}}, path: newCalls, code: 202, took: 3 * time.Second,
		},
		"but not for ever": {pods: []aPod{{name: "r-0", free: 9}}, path: newCalls, code: 503, took: verdictBudget},
		"a callback waits for the pod that holds the call": {
			pods: []aPod{{name: "r-0", answer: after(3*time.Second, takes)}, {name: "r-1", free: 9, answer: takes}},
			path: callbackTo("r-0"), code: 202, took: 3 * time.Second,
		},
		"but not for ever either": {
			pods: []aPod{{name: "r-0"}, {name: "r-1", free: 9, answer: takes}}, path: callbackTo("r-0"), code: 503, took: verdictBudget,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				code, took := newPipedFleet(tc.pods...).post(tc.path)
				if code != tc.code || took != tc.took {
					t.Errorf("answer %d after %s, want %d after %s", code, took, tc.code, tc.took)
				}
			})
		})
	}
}

// A pod that hangs keeps its free seats in the table, so that it would be asked first by each call.
func TestAPodThatHangsCostsAlmostNoCallItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPipedFleet(aPod{name: "r-0", free: 1000}, aPod{name: "r-1", free: 500, answer: judging(http.StatusAccepted)})
		late := 0
		for range 600 { // ten minutes
			code, took := f.post(newCalls)
			if code != http.StatusAccepted {
				t.Fatalf("answer %d", code)
			}
			if took > 0 {
				late++
			}
			time.Sleep(time.Second - took)
		}
		if late == 0 || late > 10 {
			t.Errorf("%d of 600 calls lost time to a pod that hangs, want a few: the pod may recover", late)
		}
	})
}
