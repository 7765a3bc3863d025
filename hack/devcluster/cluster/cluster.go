// SPDX-License-Identifier: Apache-2.0

// Package cluster starts whole development clusters: a control plane and one
// node whose pods are host processes, or real nodes with kubelets. Several may
// run side by side.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/kubelet"
	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/hack/devcluster/plane"
)

// Options say how a cluster is started.
type Options struct {
	// Dir holds everything of the cluster: keys, data, logs, the files of pods.
	// A cluster whose folder still exists is started again with its data.
	Dir string
	// Images says which host binary runs for an image, in addition to what
	// the cluster knows from before.
	Images map[string]string
	// Detach lets the cluster survive this process. Then NodeCommand is needed.
	Detach bool
	// NodeCommand runs the node agent as a process of its own; the cluster's
	// folder is appended to it. Without it the agent runs in this process.
	NodeCommand []string
	// Progress is where the building of missing binaries is shown; nil: os.Stderr.
	Progress io.Writer
	// Log is for a node agent in this process.
	Log logr.Logger
	// BackOff is how long a node agent in this process waits before it starts a
	// container that crashes for the second time; 0: 10 s, as kubelet.
	BackOff time.Duration
	// Kubelets is how many real nodes the cluster has instead of the one whose
	// pods are processes. They need root, and packages: see kubelet.Check. The
	// images become real ones. NodeCommand then runs what gives Services of type
	// LoadBalancer an address, and is not needed for a cluster that does not survive.
	Kubelets int
}

// Cluster is a development cluster.
type Cluster struct {
	Dir        string
	Kubeconfig string     // of the admin
	NodeIP     netip.Addr // where host ports are
	Binaries   assets.Set // etcd, kube-apiserver, kubectl and so on

	opts  Options
	plane *plane.Plane
	rest  *rest.Config
	nodes *kubelet.Nodes // nil: pods are processes

	mu    sync.Mutex // guards what follows
	state state
	agent *agent // the node agent, when it runs in this process
}

// Start starts a cluster and returns when it is ready to run pods. A cluster
// that runs already is completed: what is missing is started.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Kubelets < 0 || o.Kubelets > kubelet.MaxNodes {
		return nil, fmt.Errorf("a cluster has 1 to %d real nodes, got %d", kubelet.MaxNodes, o.Kubelets)
	}
	names := assets.All()
	if o.Kubelets > 0 {
		// Before anything is built, which takes minutes.
		if err := kubelet.Check(); err != nil {
			return nil, err
		}
		names = append(names, assets.Nodes()...)
	}
	if o.Detach && len(o.NodeCommand) == 0 {
		return nil, errors.New("a cluster that survives this process needs a node agent that does too; set NodeCommand")
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	binaries, err := assets.Ensure(ctx, o.Progress, names...)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, fmt.Errorf("the cluster needs a folder, got %q: %w", o.Dir, err)
	}
	o.Dir = dir
	s, err := claimState(dir, o.Images, o.Kubelets)
	if err != nil {
		return nil, err
	}
	c, err := assemble(o, s, binaries)
	if err != nil {
		return nil, err
	}
	ran := running(dir)
	if err := c.start(ctx); err != nil {
		// What an earlier run left running on purpose is not ours to end.
		if !o.Detach || !ran {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	return c, nil
}

// Open returns a cluster that was started before, by another process. Its
// components may run or not.
func Open(dir string, nodeCommand ...string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	s, found, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%w in %s; run \"devcluster up\"", ErrNotFound, dir)
	}
	binaries, err := assets.Find()
	if err != nil {
		return nil, err
	}
	return assemble(Options{Dir: dir, Detach: true, NodeCommand: nodeCommand}, s, binaries)
}

// ErrNotFound says that there is no cluster in a folder.
var ErrNotFound = errors.New("there is no cluster")

// claimState finds or makes the state of the cluster in dir.
func claimState(dir string, images map[string]string, kubelets int) (state, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return state{}, fmt.Errorf("making the cluster's folder: %w", err)
	}
	reg, err := userRegistry()
	if err != nil {
		return state{}, err
	}
	s, found, err := readState(dir)
	if err != nil {
		return state{}, err
	}
	if found && s.Kubelets != kubelets {
		return state{}, fmt.Errorf("the cluster in %s has other nodes (real ones: %d, asked for: %d); run \"devcluster down\" first", dir, s.Kubelets, kubelets)
	}
	wanted := -1
	if found {
		wanted = s.Slot
	}
	slot, err := reg.claim(dir, wanted)
	if err != nil {
		return state{}, err
	}
	if !found {
		s = newState(slot, kubelets)
	}
	maps.Copy(s.Images, images)
	return s, s.write(dir)
}

func assemble(o Options, s state, binaries assets.Set) (*Cluster, error) {
	p, err := plane.New(plane.Config{Dir: o.Dir, Binaries: binaries, Ports: s.Ports, ServiceCIDR: s.ServiceCIDR, Address: s.apiAddress(), Detach: o.Detach})
	if err != nil {
		return nil, err
	}
	config, err := p.AdminConfig()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Dir: o.Dir, Kubeconfig: p.AdminKubeconfig(), NodeIP: s.NodeIP, Binaries: binaries,
		opts: o, plane: p, rest: config, state: s,
	}
	if s.Kubelets > 0 {
		c.nodes, err = realNodes(o, s, p, binaries)
	}
	return c, err
}

func (c *Cluster) start(ctx context.Context) error {
	if c.nodes != nil {
		if err := c.nodes.Prepare(ctx); err != nil {
			return err
		}
	}
	if err := c.plane.Start(ctx); err != nil {
		return err
	}
	if err := c.startNode(ctx); err != nil {
		return err
	}
	return c.waitUsable(ctx)
}

// waitUsable waits until a pod may be created: the default account exists.
func (c *Cluster) waitUsable(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.rest)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) && ctx.Err() == nil {
			return fmt.Errorf("waiting for the default service account: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the controller manager does not make the default service account: %w; see %s", ctx.Err(), filepath.Join(c.Dir, "log"))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// RestConfig returns the admin's client configuration, which the caller owns.
func (c *Cluster) RestConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Slot tells the clusters of one machine apart: no two that run have the same.
func (c *Cluster) Slot() int { return c.state.Slot }

// CA is the cluster's authority. Servers beside the cluster may use it too.
func (c *Cluster) CA() *pki.CA { return c.plane.CA() }

// Node is the name of the component that runs pods, besides those of the plane.
const Node = "node"

// Components returns the names Stop and Start take.
func Components() []string { return append(plane.Components(), Node) }

// Stop stops one component and leaves the others alone. Pods end with the
// node agent; with any other component they go on, and also without the
// kubelets of real nodes, which are their component Node.
func (c *Cluster) Stop(ctx context.Context, component string) error {
	switch {
	case component == Node:
		return c.stopNode(ctx)
	case slices.Contains(Components(), component):
		return c.plane.StopComponent(ctx, component)
	}
	return fmt.Errorf("there is no component %q; there are: %v", component, Components())
}

// Start starts one component that was stopped and waits until it is ready.
func (c *Cluster) Start(ctx context.Context, component string) error {
	switch {
	case component == Node:
		return c.startNode(ctx)
	case component == assets.APIServer:
		return c.plane.ResumeAPIServer(ctx)
	case slices.Contains(Components(), component):
		return c.plane.StartComponent(ctx, component)
	}
	return fmt.Errorf("there is no component %q; there are: %v", component, Components())
}

// Close ends all processes of the cluster and frees its addresses. The folder
// is left to the caller.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	errs := []error{c.stopNode(ctx), c.plane.Stop(ctx)}
	if c.nodes != nil {
		errs = append(errs, c.nodes.Remove())
	}
	reg, err := userRegistry()
	if err == nil {
		err = reg.release(c.state.Slot, c.Dir)
	}
	return errors.Join(append(errs, err)...)
}
