// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/node"
	"github.com/callfleet/callfleet/hack/devcluster/plane"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// agent is a node agent in this process.
type agent struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func podsDir(dir string) string     { return filepath.Join(dir, "pods") }
func podLogsDir(dir string) string  { return filepath.Join(dir, "log", "pods") }
func nodePIDPath(dir string) string { return filepath.Join(dir, "run", Node+".pid") }
func nodeLogPath(dir string) string { return filepath.Join(dir, "log", Node+".log") }

// startNode starts the node agent, unless it runs, and waits until the node is
// ready.
func (c *Cluster) startNode(ctx context.Context) error {
	if c.nodes != nil {
		return c.startKubelets(ctx)
	}
	if len(c.opts.NodeCommand) > 0 {
		return c.startNodeProcess(ctx)
	}
	if c.opts.Detach {
		return errors.New("this program cannot start the node agent of a cluster that was started by another one")
	}
	return c.startNodeHere(ctx)
}

func (c *Cluster) startNodeHere(ctx context.Context) error {
	c.mu.Lock()
	if c.agent != nil {
		c.mu.Unlock()
		return nil
	}
	config, err := nodeConfig(c.plane, c.Dir, c.state, c.opts.Log)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	config.BackOff = c.opts.BackOff
	n, err := node.New(config)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	runCtx, cancel := context.WithCancel(context.Background())
	a := &agent{cancel: cancel, done: make(chan struct{})}
	c.agent = a
	c.mu.Unlock()

	ready := make(chan struct{})
	go func() {
		defer close(a.done)
		a.err = n.Run(runCtx, func() { close(ready) })
	}()
	select {
	case <-ready:
		return nil
	case <-a.done:
		return fmt.Errorf("the node agent ended: %w", a.err)
	case <-ctx.Done():
		return fmt.Errorf("the node is not ready: %w", ctx.Err())
	}
}

// agentProcess finds the process of the node agent, or starts it.
func (c *Cluster) agentProcess() (*proc.Process, error) {
	if process, running := proc.Find(nodePIDPath(c.Dir)); running {
		return process, nil
	}
	return proc.Start(proc.Spec{
		Path: c.opts.NodeCommand[0], Args: append(c.opts.NodeCommand[1:len(c.opts.NodeCommand):len(c.opts.NodeCommand)], c.Dir),
		Dir: c.Dir, LogPath: nodeLogPath(c.Dir), PIDPath: nodePIDPath(c.Dir), Detach: c.opts.Detach,
	})
}

func (c *Cluster) startNodeProcess(ctx context.Context) error {
	process, err := c.agentProcess()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.rest)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if ready, err := nodeReady(ctx, client, NodeName); ready {
			return nil
		} else if !process.Alive() {
			return fmt.Errorf("the node agent ended while starting; see %s", nodeLogPath(c.Dir))
		} else if ctx.Err() != nil {
			return fmt.Errorf("the node is not ready: %w; see %s", errors.Join(ctx.Err(), err), nodeLogPath(c.Dir))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func nodeReady(ctx context.Context, client kubernetes.Interface, name string) (bool, error) {
	n, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return true, nil
		}
	}
	return false, nil
}

func (c *Cluster) stopNode(ctx context.Context) error {
	if c.nodes != nil {
		if err := c.nodes.StopKubelets(ctx); err != nil {
			return err
		}
	}
	if process, ok := proc.Find(nodePIDPath(c.Dir)); ok {
		if err := process.Stop(ctx, 5*time.Second); err != nil {
			return fmt.Errorf("stopping the node agent: %w", err)
		}
	}
	c.mu.Lock()
	a := c.agent
	c.agent = nil
	c.mu.Unlock()
	if a == nil {
		return nil
	}
	a.cancel()
	<-a.done
	return a.err
}

// RunNode runs the node agent of the cluster in dir until ctx is done. It is
// what a program does that was given as Options.NodeCommand.
func RunNode(ctx context.Context, dir string, log logr.Logger) error {
	s, found, err := readState(dir)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w in %s", ErrNotFound, dir)
	}
	p, err := plane.New(plane.Config{Dir: dir, Ports: s.Ports, ServiceCIDR: s.ServiceCIDR, Address: s.apiAddress()})
	if err != nil {
		return err
	}
	if s.Kubelets > 0 {
		return runBalancer(ctx, p, s, log)
	}
	config, err := nodeConfig(p, dir, s, log)
	if err != nil {
		return err
	}
	n, err := node.New(config)
	if err != nil {
		return err
	}
	return n.Run(ctx, func() { log.Info("the node is ready") })
}

func nodeConfig(p *plane.Plane, dir string, s state, log logr.Logger) (node.Config, error) {
	kubeconfig, err := p.NodeKubeconfig(NodeName)
	if err != nil {
		return node.Config{}, err
	}
	client, err := plane.ClientConfig(kubeconfig)
	if err != nil {
		return node.Config{}, err
	}
	cloud, err := p.AdminConfig()
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{
		Name: NodeName, IP: s.NodeIP, Dir: podsDir(dir), Logs: podLogsDir(dir),
		Client: client, Cloud: cloud, CA: p.CA(), CAPath: p.CAPath(), KubeletPort: s.KubeletPort, PodCIDR: s.PodCIDR,
		Version: assets.KubernetesVersion, Image: imagesOf(dir), Log: log,
	}, nil
}

// imagesOf looks images up in the cluster's state as it is at that time, so
// that an image can be added while the cluster runs.
func imagesOf(dir string) func(string) (string, bool) {
	return func(image string) (string, bool) {
		s, found, err := readState(dir)
		if err != nil || !found {
			return "", false
		}
		path, ok := s.Images[image]
		return path, ok
	}
}
