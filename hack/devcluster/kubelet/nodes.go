// SPDX-License-Identifier: Apache-2.0

// Package kubelet runs real nodes on one machine: for each a containerd, a
// kubelet and a kube-proxy, in a network and a mount namespace of their own.
// They need root and a few packages. The machine itself is left as it was:
// what is made outside the namespaces, a bridge, control groups and empty
// folders, has names that say whose it is, and Remove needs only those.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/oci"
	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// Config says what nodes there are.
type Config struct {
	Dir     string // of the cluster; what is the nodes' is in nodes, log and run below it
	Network Network
	// Detach lets the nodes survive this process.
	Detach bool
	// Host is a folder in which all clusters of this machine note what the machine was like before.
	Host string

	Binaries assets.Set
	CA       *pki.CA
	CAPath   string
	// Kubeconfigs of a node, by its name, and of all kube-proxies.
	NodeKubeconfig  func(name string) (string, error)
	ProxyKubeconfig string
}

// Nodes are the nodes of one cluster. They may run or not.
type Nodes struct {
	cfg Config
	all []*node
}

// New returns the nodes of a cluster. It changes nothing.
func New(cfg Config) *Nodes {
	n := &Nodes{cfg: cfg}
	for i := 1; i <= cfg.Network.Nodes; i++ {
		n.all = append(n.all, newNode(cfg, i))
	}
	return n
}

// Addresses are those of the nodes.
func (n *Nodes) Addresses() []netip.Addr {
	var all []netip.Addr
	for i := 1; i <= n.cfg.Network.Nodes; i++ {
		all = append(all, n.cfg.Network.Node(i))
	}
	return all
}

// Names are those of the nodes in Kubernetes.
func (n *Nodes) Names() []string {
	var all []string
	for _, node := range n.all {
		all = append(all, node.name())
	}
	return all
}

func (n *Nodes) settings() settings {
	return settings{path: filepath.Join(n.cfg.Host, "kernel-settings.json"), proc: "/proc/sys"}
}

// Prepare makes the bridge, so that the control plane can listen on the
// address that nodes reach it by. What a cluster left there that was not
// taken down goes first.
func (n *Nodes) Prepare(ctx context.Context) error {
	if n.Running() {
		return nil
	}
	if err := Check(); err != nil {
		return err
	}
	if err := n.Remove(); err != nil {
		return err
	}
	if err := n.settings().save(); err != nil {
		return err
	}
	return run(ctx, n.cfg.Network.hostSetup(), "ip", "-batch", "-")
}

// Running says whether any program of a node runs.
func (n *Nodes) Running() bool {
	for _, node := range n.all {
		if _, ok := proc.Find(node.pidPath(namespaces)); ok {
			return true
		}
	}
	return false
}

// Start starts what does not run. The control plane has to be there. Images
// are what nodes have from the start, besides the pause image: the binary
// that runs, by the name of the image.
func (n *Nodes) Start(ctx context.Context, images map[string]string) error {
	pause, err := buildPause(ctx, n.cfg.Dir)
	if err != nil {
		return err
	}
	tars := []string{filepath.Join(n.cfg.Dir, "nodes", "pause.tar")}
	if err := oci.WriteFile(tars[0], oci.Image{Name: pauseImage, Binary: pause}); err != nil {
		return err
	}
	for name, binary := range images {
		tar, err := n.pack(name, binary)
		if err != nil {
			return err
		}
		tars = append(tars, tar)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range n.all {
		group.Go(func() error {
			if err := node.start(ctx, tars); err != nil {
				return fmt.Errorf("starting %s: %w", node.name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Import gives all nodes an image.
func (n *Nodes) Import(ctx context.Context, name, binary string) error {
	tar, err := n.pack(name, binary)
	if err != nil {
		return err
	}
	for _, node := range n.all {
		if err := node.importImage(ctx, tar); err != nil {
			return err
		}
	}
	return nil
}

func (n *Nodes) pack(name, binary string) (string, error) {
	tar := filepath.Join(n.cfg.Dir, "nodes", strings.NewReplacer("/", "_", ":", "_").Replace(name)+".tar")
	return tar, oci.WriteFile(tar, oci.Image{Name: name, Binary: binary})
}

// StopKubelets ends the kubelets at once, as if they had crashed. Pods go on.
func (n *Nodes) StopKubelets(ctx context.Context) error {
	var errs []error
	for _, node := range n.all {
		if p, ok := proc.Find(node.pidPath(assets.Kubelet)); ok {
			errs = append(errs, p.Stop(ctx, 0))
		}
	}
	return errors.Join(errs...)
}

// Status is one program of a node.
type Status struct {
	Name string // node1/kubelet and so on
	PID  int    // 0: does not run
	Log  string
}

// Status tells what runs.
func (n *Nodes) Status() []Status {
	var all []Status
	for _, node := range n.all {
		for _, program := range []string{containerd, assets.Kubelet, assets.KubeProxy} {
			s := Status{Name: node.name() + "/" + program, Log: node.logPath(program)}
			if p, ok := proc.Find(node.pidPath(program)); ok {
				s.PID = p.PID
			}
			all = append(all, s)
		}
	}
	return all
}

// ContainerPID finds the first process of a container, which must run on one
// of the nodes. The id is what the status of a pod has, after containerd://.
func (n *Nodes) ContainerPID(id string) (int, error) {
	for _, node := range n.all {
		path := filepath.Join(node.dir, "run", "io.containerd.runtime.v2.task", "k8s.io", filepath.Base(id), "init.pid")
		if data, err := os.ReadFile(path); err == nil {
			return strconv.Atoi(strings.TrimSpace(string(data)))
		}
	}
	return 0, fmt.Errorf("no node runs container %s", id)
}

// Remove ends everything of the nodes and undoes what was done to the machine.
// It works also when those who did it have crashed.
func (n *Nodes) Remove() error {
	var errs []error
	// More than these may be there: a cluster that had the slot before may have been larger.
	for i := 1; i <= MaxNodes; i++ {
		errs = append(errs, newNode(n.cfg, i).group.remove())
	}
	bridge := n.cfg.Network.bridge()
	ours := []string{bridge}
	for i := 1; i <= MaxNodes; i++ {
		ours = append(ours, n.cfg.Network.port(i))
	}
	for _, name := range ours {
		if _, err := os.Stat(filepath.Join(interfaces, name)); err != nil {
			continue
		}
		// The kernel removes cables itself, when it comes to the namespaces at their other end.
		if err := run(context.Background(), "", "ip", "link", "del", name); err != nil && name == bridge {
			errs = append(errs, err)
		}
	}
	others, err := filepath.Glob(filepath.Join(interfaces, bridgePrefix+"*"))
	errs = append(errs, err)
	others = slices.DeleteFunc(others, func(path string) bool { return slices.Contains(ours, filepath.Base(path)) })
	if len(others) == 0 {
		errs = append(errs, n.settings().restore())
		for _, m := range overMounted {
			_ = os.Remove(m.host) // only if it is empty
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the nodes: %w", err)
	}
	return nil
}

// interfaces is where the kernel lists them.
const interfaces = "/sys/class/net"

// buildPause compiles the program that holds the namespaces of pods.
func buildPause(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "nodes", "pause")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/callfleet/callfleet/hack/devcluster/pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the pause program: %w; run this inside a clone of Callfleet\n%s", err, said)
	}
	return out, nil
}

// run runs a program that says why when it fails.
func run(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// until tries something until it works.
func until(ctx context.Context, patience time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
