// SPDX-License-Identifier: Apache-2.0

// Package rig sets the whole of Callfleet up on one machine: binaries, dev cluster, operator, router and the local
// Teams. The demo, the end-to-end tests and the measurements all stand on it, so that what is shown is what is tested.
package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/hack/devcluster/cluster"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// The bot of the samples, which the local Teams knows.
const (
	Namespace = "voice"
	BotName   = "reception"
	AppID     = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	TenantID  = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	Secret    = "local-teams-only"
)

// Roles are the Graph application permissions the bot has in the local Teams: all that the calls API knows of.
var Roles = []string{
	"Calls.Initiate.All", "Calls.InitiateGroupCall.All", "Calls.JoinGroupCall.All", "Calls.JoinGroupCallAsGuest.All",
	"Calls.AccessMedia.All", "OnlineMeetings.ReadWrite.All",
}

// Options say how a rig is set up.
type Options struct {
	// Dir holds everything; it should be empty or not exist.
	Dir string
	// Keep lets everything survive this process.
	Keep bool
	// Progress gets a line for each step; nil: silence.
	Progress io.Writer
	// Images says which binary runs for an image (manager, router, mediapod) instead of the one of this repository.
	Images map[string]string
	// BackOff is how long a container waits that crashes for the second time; 0: as kubelet has it. With it, the node agent
	// runs in this process.
	BackOff time.Duration
	// MediaTimeout is how long a bot's media may be gone before the local Teams ends its call; 0: as it has it.
	MediaTimeout time.Duration
	// Kubelets is how many real nodes there are instead of the one whose pods are processes. They need root.
	Kubelets int
}

// Rig is Callfleet on one machine.
type Rig struct {
	Root    string // of the repository
	Dir     string
	Cluster *cluster.Cluster
	Client  client.WithWatch
	Teams   *admin.Client
	Info    admin.Info // of the local Teams
	// WebhookHost is where the local Teams reaches the router.
	WebhookHost string
	// Took is how long the steps took, by name.
	Took map[string]time.Duration

	teamsim  *proc.Process
	progress io.Writer
}

// Start sets everything up and returns when the operator and the router are ready. No bot exists yet.
func Start(ctx context.Context, o Options) (_ *Rig, err error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	if o.Kubelets == 0 {
		if err := portsFree(podPorts); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	r := &Rig{Root: root, Dir: dir, Took: map[string]time.Duration{}, progress: o.Progress}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	steps := []struct {
		name string
		do   func(context.Context, Options) error
	}{
		{"build Callfleet", r.build},
		{"control plane and node", r.startCluster},
		{"local Teams", r.startTeams},
		{"operator and router", r.install},
	}
	for _, s := range steps {
		start := time.Now()
		fmt.Fprintf(r.progress, "==> %s\n", s.name)
		if err := s.do(ctx, o); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		r.Took[s.name] = time.Since(start)
		fmt.Fprintf(r.progress, "    ready after %.1f s\n", r.Took[s.name].Seconds())
	}
	return r, nil
}

// Close takes everything down.
func (r *Rig) Close() error {
	var errs []error
	if r.Cluster != nil {
		errs = append(errs, r.Cluster.Close())
	}
	if r.teamsim != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, r.teamsim.Stop(ctx, 5*time.Second))
	}
	return errors.Join(errs...)
}

func (r *Rig) startCluster(ctx context.Context, o Options) error {
	images := map[string]string{}
	for _, name := range []string{"manager", "router", "mediapod"} {
		images["callfleet/"+name+":dev"] = cmp.Or(o.Images[name], r.bin(name))
	}
	options := cluster.Options{
		Dir: r.Dir, Images: images, Progress: r.progress, Log: logr.Discard(), Detach: o.Keep, BackOff: o.BackOff, Kubelets: o.Kubelets,
	}
	if o.BackOff == 0 {
		options.NodeCommand = []string{r.bin("devcluster"), "node-agent"}
	}
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return err
	}
	r.Cluster = c
	// The client library warns about a logger that was never set; nobody here needs its log.
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), callfleetv1.AddToScheme(scheme)); err != nil {
		return err
	}
	cfg := c.RestConfig()
	cfg.QPS = -1
	r.Client, err = client.NewWithWatch(cfg, client.Options{Scheme: scheme})
	return err
}

// bin is the path of one of our binaries.
func (r *Rig) bin(name string) string { return filepath.Join(r.Root, "bin", name) }

// findRoot is the folder of the repository: the one with go.mod, here or above.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside a clone of the repository: no folder with a PROJECT file here or above")
		}
		dir = up
	}
}

// portStep lies between the ports of two rigs that run at the same time.
const portStep = 10

// freePort prefers the given port, so that what is printed can be typed from memory. Another rig prefers another one:
// the router's port is free for a while when its pod is away, and must not be anybody else's then.
func (r *Rig) freePort(preferred int) (int, error) {
	for _, port := range []int{preferred + portStep*r.Cluster.Slot(), 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// Running reports whether a rig with its folder in dir still runs.
func Running(ctx context.Context, dir string) bool {
	if p, ok := proc.Find(filepath.Join(dir, "teamsim", "pid")); ok && p.Alive() {
		return true
	}
	c, err := cluster.Open(dir)
	if err != nil {
		return false
	}
	for _, s := range c.Status(ctx) {
		if s.PID != 0 {
			return true
		}
	}
	return false
}

// Stop takes a kept rig down.
func Stop(ctx context.Context, dir string) error {
	var errs []error
	if p, ok := proc.Find(filepath.Join(dir, "teamsim", "pid")); ok {
		errs = append(errs, p.Stop(ctx, 5*time.Second))
	}
	c, err := cluster.Open(dir)
	switch {
	case err == nil:
		errs = append(errs, c.Close())
	case !errors.Is(err, cluster.ErrNotFound): // it may have failed before there was one
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
