// SPDX-License-Identifier: Apache-2.0

package router

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const nonce = "0123456789abcdef"

// at is a media pod whose media port is at a host and the port of a listener.
func at(t *testing.T, host string, addr net.Addr) func(*callfleetv1.MediaPod) {
	t.Helper()
	_, text, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return func(mp *callfleetv1.MediaPod) {
		mp.Status.Endpoint = &callfleetv1.Endpoint{Host: host, Address: "127.0.0.1", Port: int32(port)}
	}
}

// mediaPort is an HTTPS server with one answer.
func mediaPort(t *testing.T, code int, body any) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/healthz" || r.URL.Query().Get("nonce") != nonce {
			t.Errorf("the media port is asked for %s %s", r.Method, r.URL)
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(s.Close)
	return s
}

func listening(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l
}

func TestReachingTellsTheHopThatFails(t *testing.T) {
	good := mediaPort(t, 200, selftest.Answer{Nonce: nonce, Proofs: []string{"the proof"}})
	closed := listening(t, func(net.Conn) {})
	closed.Close()
	plain := listening(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example.com\r\n")); c.Close() })
	mute := listening(t, func(c net.Conn) {
		secure := tls.Server(c, &tls.Config{Certificates: good.TLS.Certificates})
		_ = secure.Handshake()
		_, _ = secure.Write([]byte("hello\r\n"))
		secure.Close()
	})
	shown := [][]byte{good.Certificate().Raw}
	tests := map[string]struct {
		pod  func(*callfleetv1.MediaPod)
		want selftest.Reach
	}{
		"all of it":           {at(t, "127.0.0.1", good.Listener.Addr()), selftest.Reach{At: "127.0.0.1", Shown: shown, Proof: "the proof"}},
		"no address yet":      {func(*callfleetv1.MediaPod) {}, selftest.Reach{Hop: "Address", Detail: "the address of the media pod is not known yet"}},
		"no such name":        {at(t, "0.reception.media.invalid", good.Listener.Addr()), selftest.Reach{Hop: "Name", Detail: "the name does not resolve"}},
		"nothing listens":     {at(t, "127.0.0.1", closed.Addr()), selftest.Reach{Hop: "Connect", Detail: "connect: connection refused"}},
		"not TLS":             {at(t, "127.0.0.1", plain.Addr()), selftest.Reach{Hop: "TLS", At: "127.0.0.1", Detail: "the connection broke"}},
		"not HTTP":            {at(t, "127.0.0.1", mute.Addr()), selftest.Reach{Hop: "Exchange", At: "127.0.0.1", Shown: shown, Detail: "it does not speak HTTP"}},
		"not a media pod":     {at(t, "127.0.0.1", mediaPort(t, 404, "").Listener.Addr()), selftest.Reach{Hop: "Exchange", At: "127.0.0.1", Shown: shown, Detail: "it says 404 Not Found"}},
		"another nonce":       {at(t, "127.0.0.1", mediaPort(t, 200, selftest.Answer{Nonce: "x", Proofs: []string{"p"}}).Listener.Addr()), selftest.Reach{Hop: "Exchange", At: "127.0.0.1", Shown: shown, Detail: "it does not give the nonce back"}},
		"an answer of no use": {at(t, "127.0.0.1", mediaPort(t, 200, 7).Listener.Addr()), selftest.Reach{Hop: "Exchange", At: "127.0.0.1", Shown: shown, Detail: "it does not give the nonce back"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, aPod{name: "r-0", change: []func(*callfleetv1.MediaPod){tc.pod}})
			resp := send(t, serve(t, f.router), http.MethodGet, selftest.ReachPath("voice", "reception", "r-0")+"?nonce="+nonce, "", nil)
			var got selftest.Reach
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v", resp.Status, err)
			}
			tc.want.Nonce = nonce
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReachingIsForPodsOfTheFleet(t *testing.T) {
	f := newFleet(t, aPod{name: "r-0"})
	srv := serve(t, f.router)
	for path, want := range map[string]int{
		selftest.ReachPath("voice", "reception", "r-0"):                       400,
		selftest.ReachPath("voice", "reception", "r-0") + "?nonce=short":      400,
		selftest.ReachPath("voice", "reception", "r-9") + "?nonce=" + nonce:   404,
		selftest.ReachPath("voice", "other", "r-0") + "?nonce=" + nonce:       404,
		selftest.ReachPath("voice", "reception", "r-0") + "/x?nonce=" + nonce: 404,
	} {
		if resp := send(t, srv, http.MethodGet, path, "", nil); resp.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, resp.StatusCode, want)
		}
	}
	for range maxReaches {
		f.router.reaches <- struct{}{}
	}
	if resp := send(t, srv, http.MethodGet, selftest.ReachPath("voice", "reception", "r-0")+"?nonce="+nonce, "", nil); resp.StatusCode != 503 {
		t.Errorf("one more than there may be at once is answered %d", resp.StatusCode)
	}
}
