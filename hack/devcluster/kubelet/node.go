// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// Programs of a node besides kubelet and kube-proxy.
const (
	containerd = "containerd"
	namespaces = "namespaces" // a process that does nothing but keep them
)

// node is one node.
type node struct {
	cfg Config
	net Network
	i   int // from 1

	dir, podLogs                      string
	caPath, certPath, keyPath, cniDir string
	proxyKubeconfig                   string
	group                             cgroup
}

func newNode(cfg Config, i int) *node {
	n := &node{cfg: cfg, net: cfg.Network, i: i, caPath: cfg.CAPath, cniDir: cniDir(), proxyKubeconfig: cfg.ProxyKubeconfig}
	n.dir = filepath.Join(cfg.Dir, "nodes", n.name())
	n.podLogs = filepath.Join(cfg.Dir, "log", "pods", n.name())
	n.certPath, n.keyPath = filepath.Join(n.dir, "serving.crt"), filepath.Join(n.dir, "serving.key")
	n.group = cgroup{mount: cgroupMount, name: fmt.Sprintf("callfleet-%d-%d", cfg.Network.Slot, i)}
	return n
}

func (n *node) name() string { return n.net.Name(n.i) }

func (n *node) pidPath(program string) string {
	return filepath.Join(n.cfg.Dir, "run", n.name()+"-"+program+".pid")
}

func (n *node) logPath(program string) string {
	return filepath.Join(n.cfg.Dir, "log", n.name()+"-"+program+".log")
}

func (n *node) start(ctx context.Context, images []string) error {
	if err := n.write(); err != nil {
		return err
	}
	pair, err := n.cfg.CA.Issue(pki.Request{CommonName: n.name(), Hosts: []string{n.name(), n.net.Node(n.i).String()}})
	if err != nil {
		return err
	}
	if err := pair.Write(n.certPath, n.keyPath); err != nil {
		return err
	}
	kubeconfig, err := n.cfg.NodeKubeconfig(n.name())
	if err != nil {
		return err
	}
	if err := n.group.create(); err != nil {
		return err
	}
	if err := n.makeNamespaces(ctx); err != nil {
		return err
	}
	if err := n.launch(containerd, containerd, "--config", filepath.Join(n.dir, "containerd.toml")); err != nil {
		return err
	}
	err = until(ctx, 30*time.Second, func() error { return n.run(ctx, "", "ctr", "--address", runtimeSocket, "version") })
	if err != nil {
		return fmt.Errorf("containerd does not answer: %w; see %s", err, n.logPath(containerd))
	}
	for _, image := range images {
		if err := n.importImage(ctx, image); err != nil {
			return err
		}
	}
	err = n.launch(assets.Kubelet, n.cfg.Binaries[assets.Kubelet], "--config="+filepath.Join(n.dir, "kubelet.yaml"), "--kubeconfig="+kubeconfig,
		"--hostname-override="+n.name(), "--node-ip="+n.net.Node(n.i).String(), "--root-dir="+kubeletRoot, "--cert-dir="+filepath.Join(n.dir, "pki"))
	if err != nil {
		return err
	}
	return n.launch(assets.KubeProxy, n.cfg.Binaries[assets.KubeProxy], "--config="+filepath.Join(n.dir, "kube-proxy.yaml"))
}

// makeNamespaces starts the process that keeps the namespaces, and connects
// them with the host.
func (n *node) makeNamespaces(ctx context.Context) error {
	if _, runs := proc.Find(n.pidPath(namespaces)); runs {
		return nil
	}
	ready := filepath.Join(n.dir, "ready")
	if err := os.Remove(ready); err != nil && !os.IsNotExist(err) {
		return err
	}
	p, err := n.spawn(namespaces, "unshare", "--net", "--mount", "--propagation", "private", "--", "sh", filepath.Join(n.dir, "init.sh"))
	if err != nil {
		return err
	}
	err = until(ctx, 10*time.Second, func() error {
		_, err := os.Stat(ready)
		return err
	})
	if err != nil {
		return fmt.Errorf("its namespaces were not made: %w; see %s", err, n.logPath(namespaces))
	}
	if err := run(ctx, n.net.plugIn(n.i, p.PID), "ip", "-batch", "-"); err != nil {
		return err
	}
	return n.run(ctx, n.net.nodeSetup(n.i), "ip", "-batch", "-")
}

// inside is how a program is run in the namespaces of the node.
func (n *node) inside(args ...string) ([]string, error) {
	p, ok := proc.Find(n.pidPath(namespaces))
	if !ok {
		return nil, errors.New("its namespaces are gone")
	}
	pid := strconv.Itoa(p.PID)
	return append([]string{"nsenter", "--net=/proc/" + pid + "/ns/net", "--mount=/proc/" + pid + "/ns/mnt", "--"}, args...), nil
}

// run runs a program in the node and waits for it.
func (n *node) run(ctx context.Context, input string, args ...string) error {
	all, err := n.inside(args...)
	if err != nil {
		return err
	}
	return run(ctx, input, all[0], all[1:]...)
}

// launch starts a program of the node in its namespaces, unless it runs.
func (n *node) launch(program, path string, args ...string) error {
	if path == "" {
		return fmt.Errorf("%s is not built; \"devcluster assets %s\" builds it", program, program)
	}
	if _, runs := proc.Find(n.pidPath(program)); runs {
		return nil
	}
	all, err := n.inside(append([]string{path}, args...)...)
	if err != nil {
		return err
	}
	_, err = n.spawn(program, all...)
	return err
}

// spawn starts a process in the control group of the node.
func (n *node) spawn(program string, args ...string) (*proc.Process, error) {
	procs, err := n.group.procsFile()
	if err != nil {
		return nil, err
	}
	return proc.Start(proc.Spec{
		Path: "/bin/sh", Args: append([]string{"-c", `echo $$ >"$0" && exec "$@"`, procs}, args...),
		Dir: n.dir, LogPath: n.logPath(program), PIDPath: n.pidPath(program), Detach: n.cfg.Detach,
	})
}

func (n *node) importImage(ctx context.Context, tar string) error {
	if err := n.run(ctx, "", "ctr", "--address", runtimeSocket, "--namespace", "k8s.io", "images", "import", tar); err != nil {
		return fmt.Errorf("importing %s: %w", filepath.Base(tar), err)
	}
	return nil
}
