// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/hack/devcluster/pki"
)

// server is the node's own API, which the API server calls for kubectl logs.
type server struct {
	http     *http.Server
	listener net.Listener
}

func (a *Agent) newServer() (*server, error) {
	pair, err := a.cfg.CA.Issue(pki.Request{CommonName: "system:node:" + a.cfg.Name, Hosts: []string{a.cfg.IP.String(), a.cfg.Name}})
	if err != nil {
		return nil, fmt.Errorf("making the node's serving certificate: %w", err)
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("making the node's serving certificate: %w", err)
	}
	address := net.JoinHostPort(a.cfg.IP.String(), strconv.Itoa(a.cfg.KubeletPort))
	listener, err := tls.Listen("tcp", address, &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientCAs:    a.cfg.CA.Pool(),
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS12,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the node's port: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.serveLogs)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "the local node agent serves logs only: its containers are processes of this host, so look at them with the tools of the host", http.StatusNotImplemented)
	})
	return &server{
		http:     &http.Server{Handler: mastersOnly(mux), ReadHeaderTimeout: 10 * time.Second},
		listener: listener,
	}, nil
}

// mastersOnly lets in who may do everything: the API server's client
// certificate for nodes is in that group.
func mastersOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !slices.Contains(r.TLS.PeerCertificates[0].Subject.Organization, "system:masters") {
			http.Error(w, "only the API server and admins may ask a node", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the node's port: %w", err)
	}
	return nil
}

func (a *Agent) serveLogs(w http.ResponseWriter, r *http.Request) {
	pod := a.findPod(r.PathValue("namespace"), r.PathValue("pod"))
	if pod == nil {
		http.Error(w, fmt.Sprintf("pod %q does not exist on this node", r.PathValue("pod")), http.StatusNotFound)
		return
	}
	request, err := parseLogRequest(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	container := r.PathValue("container")
	file, running, err := a.logFile(pod, container, request.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := request.copy(r.Context(), w, file, running); err != nil {
		a.cfg.Log.V(1).Info("sending a log ended", "pod", pod.Namespace+"/"+pod.Name, "container", container, "error", err.Error())
	}
}

func (a *Agent) findPod(namespace, name string) *corev1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, pod := range a.pods {
		if pod.Namespace == namespace && pod.Name == name {
			return pod
		}
	}
	return nil
}
