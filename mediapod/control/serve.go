// SPDX-License-Identifier: Apache-2.0

package control

import (
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
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
)

const (
	// connections bounds what strangers in the cluster's network can hold open; more wait in the kernel's queue.
	connections = 2 * atOnce

	writeTimeout = 30 * time.Second
	// maxRecording is far more than the two minutes the service records.
	maxRecording = 64 << 20
)

// Serve serves TLS until ctx is done, with a certificate made now: the API server's proxy does not check it, and there is
// nobody else it could be for.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	certificate, err := selfSigned(s.cfg.MediaPod, time.Now())
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	srv := &http.Server{
		Handler:   s.Handler(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		// The largest thing that is read is small; what takes long is the answer, which sets its own deadline.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: writeTimeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: 2 * maxToken,
		ErrorLog:       log.New(io.Discard, "", 0), // handshakes of strangers
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(stop) != nil {
			_ = srv.Close()
		}
	}()
	if err := srv.ServeTLS(netutil.LimitListener(l, connections), "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving control: %w", err)
	}
	<-stopped
	return nil
}

// selfSigned makes a certificate for as long as a process may live.
func selfSigned(name string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// answer writes JSON.
func answer(w http.ResponseWriter, code int, what any) {
	raw, err := json.Marshal(what)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(raw, '\n'))
}

// stream hands a recording on as it comes. One that breaks off must not look whole.
func stream(w http.ResponseWriter, from io.Reader, logger logr.Logger) {
	out := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for sent := 0; ; {
		n, err := from.Read(buf)
		if n > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // for each piece, not for the whole
			if _, lost := w.Write(buf[:n]); lost != nil {
				return
			}
			sent += n
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil || sent > maxRecording:
			logger.Info("a recording broke off", "bytes", sent, "tooLarge", sent > maxRecording)
			panic(http.ErrAbortHandler)
		}
	}
}
