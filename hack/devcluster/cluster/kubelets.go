// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/kubelet"
	"github.com/callfleet/callfleet/hack/devcluster/plane"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// realNodes are the nodes of a cluster that has kubelets.
func realNodes(o Options, s state, p *plane.Plane, binaries assets.Set) (*kubelet.Nodes, error) {
	reg, err := userRegistry()
	if err != nil {
		return nil, err
	}
	proxy, err := p.ProxyKubeconfig()
	if err != nil {
		return nil, err
	}
	return kubelet.New(kubelet.Config{
		Dir: o.Dir, Network: s.network(), Detach: o.Detach, Host: string(reg),
		Binaries: binaries, CA: p.CA(), CAPath: p.CAPath(), NodeKubeconfig: p.NodeKubeconfig, ProxyKubeconfig: proxy,
	}), nil
}

// NodeIPs are the addresses of the nodes, where host ports are.
func (c *Cluster) NodeIPs() []netip.Addr {
	if c.nodes != nil {
		return c.nodes.Addresses()
	}
	return []netip.Addr{c.NodeIP}
}

// HostIP is where pods reach what listens on this machine beside the cluster.
func (c *Cluster) HostIP() netip.Addr {
	if c.nodes != nil {
		return c.state.network().Host()
	}
	return netip.MustParseAddr(plane.Host)
}

// startKubelets starts what does not run of the real nodes, and waits until
// all of them are ready.
func (c *Cluster) startKubelets(ctx context.Context) error {
	c.mu.Lock()
	images := c.state.Images
	c.mu.Unlock()
	if err := c.nodes.Start(ctx, images); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.rest)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := c.startBalancer(client); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, name := range c.nodes.Names() {
		for {
			ready, err := nodeReady(ctx, client, name)
			if ready {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s is not ready: %w; see %s", name, errors.Join(ctx.Err(), err), filepath.Join(c.LogDir(), name+"-kubelet.log"))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// startBalancer starts what gives Services their balancers: as a process, if
// there is a command for the node agent, which has this work too.
func (c *Cluster) startBalancer(client kubernetes.Interface) error {
	if len(c.opts.NodeCommand) > 0 {
		_, err := c.agentProcess()
		return err
	}
	if c.opts.Detach {
		return errors.New("this program cannot start the balancer of a cluster that was started by another one")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agent != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &agent{cancel: cancel, done: make(chan struct{})}
	c.agent = a
	go func() {
		defer close(a.done)
		kubelet.Balancer{Network: c.state.network(), Client: client, Log: c.opts.Log}.Run(ctx)
	}()
	return nil
}

// runBalancer does that in a process of its own.
func runBalancer(ctx context.Context, p *plane.Plane, s state, log logr.Logger) error {
	config, err := p.AdminConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	kubelet.Balancer{Network: s.network(), Client: client, Log: log}.Run(ctx)
	return nil
}

// realProcess is the first process of a container on a real node.
func (c *Cluster) realProcess(pod *corev1.Pod, container string) (*proc.Process, error) {
	for _, s := range pod.Status.ContainerStatuses {
		id, ok := strings.CutPrefix(s.ContainerID, "containerd://")
		if s.Name != container || !ok {
			continue
		}
		pid, err := c.nodes.ContainerPID(id)
		if err != nil {
			return nil, fmt.Errorf("container %s of pod %s/%s has no process now: %w", container, pod.Namespace, pod.Name, err)
		}
		if process, ok := proc.Of(pid); ok {
			return process, nil
		}
	}
	return nil, fmt.Errorf("container %s of pod %s/%s has no process now", container, pod.Namespace, pod.Name)
}

// nodesStatus tells how the programs of real nodes are. They are as ready as
// their node.
func (c *Cluster) nodesStatus(ctx context.Context) []plane.Status {
	ready := map[string]bool{}
	if client, err := kubernetes.NewForConfig(c.rest); err == nil {
		for _, name := range c.nodes.Names() {
			ready[name], _ = nodeReady(ctx, client, name)
		}
	}
	balancer := plane.Status{Name: "balancer", Log: nodeLogPath(c.Dir)}
	if process, ok := proc.Find(nodePIDPath(c.Dir)); ok {
		balancer.PID, balancer.Ready = process.PID, true
	}
	all := []plane.Status{balancer}
	for _, s := range c.nodes.Status() {
		name, _, _ := strings.Cut(s.Name, "/")
		all = append(all, plane.Status{Name: s.Name, PID: s.PID, Log: s.Log, Ready: s.PID != 0 && ready[name]})
	}
	return all
}
