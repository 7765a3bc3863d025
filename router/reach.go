// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/callfleet/callfleet/api/selftest"
)

const (
	// reachTimeout bounds a whole probe; a SYN that was lost is sent again after one second and three.
	reachTimeout = 5 * time.Second
	// maxReaches at once: anybody may ask. A pod asks twice a minute, and the answer is no more than everybody finds out who
	// connects there.
	maxReaches = 32
	// maxShown certificates are passed on; a chain has three.
	maxShown = 8
)

// reach connects to a media pod as a far side does, and tells what it found. See package selftest.
func (r *Router) reach(w http.ResponseWriter, req *http.Request, rt route) {
	nonce := req.URL.Query().Get(selftest.Parameter)
	if !selftest.ValidNonce(nonce) {
		refuse(w, http.StatusBadRequest, "a nonce of 16 to 64 letters and digits is needed")
		return
	}
	if !r.Ready() {
		unavailable(w, "the router has not seen the fleet yet")
		return
	}
	host, known := r.table.media(rt.bot, rt.mediaPod)
	if !known {
		refuse(w, http.StatusNotFound, "no such media pod")
		return
	}
	select {
	case r.reaches <- struct{}{}:
		defer func() { <-r.reaches }()
	default:
		unavailable(w, "too many requests are under way")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), reachTimeout)
	defer cancel()
	answer := selftest.Reach{Nonce: nonce, Hop: selftest.HopAddress, Detail: "the address of the media pod is not known yet"}
	if host != "" {
		answer = probe(ctx, host, nonce)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer)
}

// probe connects hop by hop, so that the first that fails is known.
func probe(ctx context.Context, at, nonce string) selftest.Reach {
	answer := selftest.Reach{Nonce: nonce}
	failed := func(hop selftest.Hop, detail string) selftest.Reach {
		answer.Hop, answer.Detail = hop, detail
		return answer
	}
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return failed(selftest.HopAddress, "the address cannot be read")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return failed(selftest.HopName, "the name does not resolve")
	case err != nil:
		return failed(selftest.HopConnect, inShort(err))
	}
	defer conn.Close()
	if remote, _, err := net.SplitHostPort(conn.RemoteAddr().String()); err == nil {
		answer.At = remote
	}
	// Whether the certificate will do is for the pod to say, which knows its own and whom its far sides trust.
	secure := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(ctx); err != nil {
		return failed(selftest.HopTLS, inShort(err))
	}
	for _, c := range secure.ConnectionState().PeerCertificates[:min(maxShown, len(secure.ConnectionState().PeerCertificates))] {
		answer.Shown = append(answer.Shown, c.Raw)
	}
	proof, why := greet(ctx, secure, at, nonce)
	if why != "" {
		return failed(selftest.HopExchange, why)
	}
	answer.Proof = proof
	return answer
}

// greet asks what is at the other end who it is. why is what is wrong with the answer.
func greet(ctx context.Context, conn net.Conn, at, nonce string) (proof, why string) {
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true}
	where := url.URL{Scheme: "https", Host: at, Path: selftest.MediaPath, RawQuery: url.Values{selftest.Parameter: {nonce}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return "", "the name makes no address"
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", "it does not speak HTTP"
	}
	defer resp.Body.Close()
	var said selftest.Answer
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", "it says " + resp.Status
	case json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&said) != nil, said.Nonce != nonce, len(said.Proofs) != 1:
		return "", "it does not give the nonce back"
	}
	return said.Proofs[0], ""
}

// inShort leaves out what the other end said.
func inShort(err error) string {
	var timeout net.Error
	var operation *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + reachTimeout.String()
	case errors.As(err, &operation) && operation.Op == "dial":
		return operation.Err.Error()
	}
	return "the connection broke"
}
