// SPDX-License-Identifier: Apache-2.0

// Command router is the public HTTPS door of the fleets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/router"
)

type options struct {
	listen, healthListen string
	certDir, namespaces  string
	drain                time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", ":8443", "address of the public HTTPS listener")
	flag.StringVar(&o.healthListen, "health-listen", ":8080", "address of the HTTP listener for /healthz, /readyz and /metrics")
	flag.StringVar(&o.certDir, "tls-dir", "/var/run/callfleet/tls", "directory with tls.crt and tls.key; a renewed pair is picked up")
	flag.StringVar(&o.namespaces, "namespaces", "", "comma-separated namespaces whose bots to serve; empty: all of them")
	flag.DurationVar(&o.drain, "drain", 5*time.Second, "how long requests are still taken after the process was told to stop")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(ctx, o, log); err != nil {
		fmt.Fprintln(os.Stderr, "router:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, log logr.Logger) error {
	kube, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	// Where pods run as processes of their host, mounts are found below this directory.
	dir := filepath.Join(os.Getenv("CONTAINER_SANDBOX_MOUNT_POINT"), o.certDir)
	ctrllog.SetLogger(log.WithName("certificates")) // the watcher logs through controller-runtime
	cert, err := certwatcher.New(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return fmt.Errorf("loading the certificate: %w", err)
	}
	door, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("opening the public port: %w", err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	table := router.NewTable()
	r := router.New(table, log, reg)
	if err := router.RegisterCertificate(reg, cert.GetCertificate); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}

	// life outlasts ctx by the drain time, so that balancers have taken this router out before it stops.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, life := errgroup.WithContext(life)
	group.Go(func() error { return cert.Start(life) })
	group.Go(func() error { return router.Watch(life, kube, namespaces(o.namespaces), table, r.Synced) })
	public := router.NewServer(r, cert.GetCertificate, log.WithName("http"))
	group.Go(func() error {
		return serve(life, &public.Server, func() error { return public.ServeTLS(public.Listener(door), "", "") })
	})
	health := &http.Server{Addr: o.healthListen, Handler: healthHandler(ctx, r, reg), ReadHeaderTimeout: 5 * time.Second}
	group.Go(func() error { return serve(life, health, health.ListenAndServe) })
	group.Go(func() error {
		defer end()
		select {
		case <-life.Done():
			return nil
		case <-ctx.Done():
		}
		log.Info("told to stop", "drain", o.drain.String())
		select {
		case <-life.Done():
		case <-time.After(o.drain):
		}
		return nil
	})
	log.Info("serving", "listen", o.listen)
	return group.Wait()
}

// namespaces are the items of a comma-separated list, without duplicates.
func namespaces(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

func serve(ctx context.Context, s *http.Server, listen func() error) error {
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(stop)
	}()
	if err := listen(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.Addr, err)
	}
	return nil
}

func healthHandler(stopping context.Context, r *router.Router, reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case stopping.Err() != nil:
			http.Error(w, "stopping", http.StatusServiceUnavailable)
		case !r.Ready():
			http.Error(w, "the fleet has not been seen yet", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}
