// SPDX-License-Identifier: Apache-2.0

// Package plane runs a Kubernetes control plane on one machine, on loopback:
// etcd, kube-apiserver, kube-controller-manager and kube-scheduler as ordinary
// processes of the user.
package plane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// Host is the address everything listens on, but for an API server that has
// one of its own.
const Host = "127.0.0.1"

// Ports are the TCP ports of the components on Host.
type Ports struct {
	EtcdClient        int `json:"etcdClient"`
	EtcdPeer          int `json:"etcdPeer"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

// Config describes a control plane.
type Config struct {
	Dir         string // keys, data, logs and pid files
	Binaries    assets.Set
	Ports       Ports
	ServiceCIDR netip.Prefix
	// Address, if set, is where the API server listens, instead of on Host: pods
	// that are not on loopback have to reach it. Then their Services get
	// Endpoints as everywhere.
	Address netip.Addr
	// Detach lets the components survive this process.
	Detach bool
}

// Plane is a control plane whose keys exist. Its components may run or not.
type Plane struct {
	cfg   Config
	creds *credentials
}

// New prepares a control plane: the folder, its authority and the
// certificates and kubeconfigs of all who talk to the API server. What is
// there already is kept.
func New(cfg Config) (*Plane, error) {
	for _, sub := range []string{"", "log", "run", "pki"} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("preparing the control plane: %w", err)
		}
	}
	creds, err := ensureCredentials(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing the control plane: %w", err)
	}
	return &Plane{cfg: cfg, creds: creds}, nil
}

// Components returns the names of the components in the order they start.
func Components() []string {
	return []string{assets.Etcd, assets.APIServer, assets.ControllerManager, assets.Scheduler}
}

// Start starts what does not run yet and returns when all of it is ready.
func (p *Plane) Start(ctx context.Context) error {
	// etcd and the API server start together: the API server waits for etcd
	// by itself. The other two give up early, so they wait for it here.
	first, firstCtx := errgroup.WithContext(ctx)
	for _, name := range []string{assets.Etcd, assets.APIServer} {
		first.Go(func() error { return p.StartComponent(firstCtx, name) })
	}
	if err := first.Wait(); err != nil {
		return err
	}
	second, secondCtx := errgroup.WithContext(ctx)
	for _, name := range []string{assets.ControllerManager, assets.Scheduler} {
		second.Go(func() error { return p.StartComponent(secondCtx, name) })
	}
	return second.Wait()
}

// StartComponent starts one component, unless it runs, and waits until it is
// ready.
func (p *Plane) StartComponent(ctx context.Context, name string) error {
	c, err := p.component(name)
	if err != nil {
		return err
	}
	process, running := proc.Find(c.pidPath)
	if !running && c.path == "" {
		return fmt.Errorf("%s is not built; \"devcluster assets\" builds it", name)
	}
	if !running {
		process, err = proc.Start(proc.Spec{
			Path: c.path, Args: c.args, Dir: p.cfg.Dir,
			LogPath: c.logPath, PIDPath: c.pidPath, Detach: p.cfg.Detach,
		})
		if err != nil {
			return err
		}
	}
	return p.waitReady(ctx, c, process)
}

// ResumeAPIServer starts the API server after it was away, and makes those that
// depend on it notice. Their clients wait up to a minute between attempts by
// then (client-go's reflector backs off to 30 s, with jitter). In a cluster
// with leader election they would have given up after 10 s without the API
// server and been started anew, so that is what happens here.
func (p *Plane) ResumeAPIServer(ctx context.Context) error {
	server, err := p.component(assets.APIServer)
	if err != nil {
		return err
	}
	if _, running := proc.Find(server.pidPath); running {
		return p.StartComponent(ctx, assets.APIServer) // it was not away
	}
	if err := p.StartComponent(ctx, assets.APIServer); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range []string{assets.ControllerManager, assets.Scheduler} {
		c, err := p.component(name)
		if err != nil {
			return err
		}
		if _, running := proc.Find(c.pidPath); !running {
			continue // stopped on purpose
		}
		group.Go(func() error {
			if err := p.StopComponent(ctx, name); err != nil {
				return err
			}
			return p.StartComponent(ctx, name)
		})
	}
	return group.Wait()
}

func (p *Plane) waitReady(ctx context.Context, c component, process *proc.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	var last error
	for {
		if last = p.probe(ctx, c); last == nil {
			return nil
		}
		if !process.Alive() {
			return fmt.Errorf("%s ended while starting; the end of %s:\n%s", c.name, c.logPath, logTail(c.logPath))
		}
		select {
		case <-ctx.Done():
			// Another component may have failed: then that is the story.
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%s is not ready: %w (%w); the end of %s:\n%s", c.name, ctx.Err(), last, c.logPath, logTail(c.logPath))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// StopComponent ends one component at once, if it runs, as if it had crashed.
// (Asked politely, the API server first waits for its watches to end.)
func (p *Plane) StopComponent(ctx context.Context, name string) error {
	c, err := p.component(name)
	if err != nil {
		return err
	}
	if process, ok := proc.Find(c.pidPath); ok {
		if err := process.Stop(ctx, 0); err != nil {
			return fmt.Errorf("stopping %s: %w", name, err)
		}
	}
	return nil
}

// Stop ends all components at once and without grace: nothing in a
// development cluster outlives it.
func (p *Plane) Stop(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Backward(Components()) {
		c, _ := p.component(name)
		if process, ok := proc.Find(c.pidPath); ok {
			errs = append(errs, process.Stop(ctx, 0))
		}
	}
	return errors.Join(errs...)
}

// Status is one line of what is going on.
type Status struct {
	Name  string
	PID   int // 0: does not run
	Ready bool
	Log   string
}

// Status asks every component how it is.
func (p *Plane) Status(ctx context.Context) []Status {
	var all []Status
	for _, name := range Components() {
		c, _ := p.component(name)
		s := Status{Name: name, Log: c.logPath}
		if process, ok := proc.Find(c.pidPath); ok {
			s.PID = process.PID
			s.Ready = p.probe(ctx, c) == nil
		}
		all = append(all, s)
	}
	return all
}

// URL is where the API server is reached.
func (p *Plane) URL() string {
	return p.cfg.url()
}

func (c Config) url() string {
	return "https://" + net.JoinHostPort(c.apiHost(), strconv.Itoa(c.Ports.APIServer))
}

func (c Config) apiHost() string {
	if c.Address.IsValid() {
		return c.Address.String()
	}
	return Host
}

func logTail(path string) string {
	const limit = 4096
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(data) > limit {
		data = data[len(data)-limit:]
	}
	return string(data)
}
