// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/callfleet/callfleet/hack/devcluster/plane"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// SetImage says which host binary runs for an image from now on. Containers
// that run already are left alone.
func (c *Cluster) SetImage(name, path string) error {
	if c.nodes != nil {
		if err := c.nodes.Import(context.Background(), name, path); err != nil {
			return err
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("image %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Images[name] = path
	return c.state.write(c.Dir)
}

// ContainerPID returns the process of a container, which must be running.
func (c *Cluster) ContainerPID(ctx context.Context, namespace, pod, container string) (int, error) {
	process, err := c.containerProcess(ctx, namespace, pod, container)
	if err != nil {
		return 0, err
	}
	return process.PID, nil
}

// KillContainer kills the process of a container with SIGKILL, as the kernel
// does when memory runs out. The node agent restarts it by the pod's policy.
func (c *Cluster) KillContainer(ctx context.Context, namespace, pod, container string) error {
	process, err := c.containerProcess(ctx, namespace, pod, container)
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing container %s of pod %s/%s: %w", container, namespace, pod, err)
	}
	return nil
}

func (c *Cluster) containerProcess(ctx context.Context, namespace, pod, container string) (*proc.Process, error) {
	client, err := kubernetes.NewForConfig(c.rest)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	p, err := client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("finding the process of container %s of pod %s/%s: %w", container, namespace, pod, err)
	}
	if c.nodes != nil {
		return c.realProcess(p, container)
	}
	process, ok := proc.Find(filepath.Join(podsDir(c.Dir), string(p.UID), "containers", container, "pid"))
	if !ok {
		return nil, fmt.Errorf("container %s of pod %s/%s has no process now", container, namespace, pod)
	}
	return process, nil
}

// LogDir is where logs are: one file per component, and those of containers
// in pods/<namespace>_<pod>_<uid>/<container>/<run>.log, also of deleted pods.
// Real nodes have a folder each in pods, and remove logs with their pods.
func (c *Cluster) LogDir() string { return filepath.Join(c.Dir, "log") }

// Status tells how the components are.
func (c *Cluster) Status(ctx context.Context) []plane.Status {
	all := c.plane.Status(ctx)
	if c.nodes != nil {
		return append(all, c.nodesStatus(ctx)...)
	}
	s := plane.Status{Name: Node, Log: nodeLogPath(c.Dir)}
	if process, ok := proc.Find(nodePIDPath(c.Dir)); ok {
		s.PID = process.PID
		if client, err := kubernetes.NewForConfig(c.rest); err == nil {
			s.Ready, _ = nodeReady(ctx, client, NodeName)
		}
	}
	return append(all, s)
}
