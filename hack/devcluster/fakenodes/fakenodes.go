// SPDX-License-Identifier: Apache-2.0

// Package fakenodes gives a cluster nodes that run nothing: Windows nodes by their labels, whose pods are scheduled as
// on any other and then only said to run. kwok says it. For load tests: what runs in the pods has to be played by
// whoever makes them.
package fakenodes

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

//go:embed stages.yaml
var stages []byte

const (
	// annotation marks the nodes that kwok plays.
	annotation, fake = "kwok.x-k8s.io/node", "fake"
	// patience with kwok's start and with all nodes' readiness.
	patience = 2 * time.Minute
	// writers make nodes side by side.
	writers = 16
)

// Options say what to start.
type Options struct {
	// Dir holds kwok's configuration, log and pid file: that of the cluster.
	Dir string
	// Kubeconfig of an administrator, and Client for the same.
	Kubeconfig string
	Client     *rest.Config
	// Count of the nodes, at most 50,000. Each has an external address, from 20.0.0.1 on.
	Count int
	// Progress is where the building of kwok is shown.
	Progress io.Writer
}

// Start makes the nodes and returns when all of them are Ready, with the process that plays them; it ends with this one.
func Start(ctx context.Context, o Options) (*proc.Process, error) {
	binaries, err := assets.Ensure(ctx, o.Progress, assets.Kwok)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(o.Dir, "kwok.yaml")
	if err := os.WriteFile(config, stages, 0o644); err != nil {
		return nil, fmt.Errorf("writing kwok's configuration: %w", err)
	}
	process, err := proc.Start(proc.Spec{
		Path: binaries[assets.Kwok], Dir: o.Dir, LogPath: LogPath(o.Dir), PIDPath: filepath.Join(o.Dir, "run", assets.Kwok+".pid"),
		Args: []string{
			"--kubeconfig=" + o.Kubeconfig, "--config=" + config, "--manage-nodes-with-annotation-selector=" + annotation + "=" + fake,
			"--node-lease-duration-seconds=40", "--cidr=10.64.0.1/16",
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := makeNodes(ctx, o); err != nil {
		process.Kill()
		return nil, fmt.Errorf("making %d fake nodes: %w; kwok's log is in %s", o.Count, err, LogPath(o.Dir))
	}
	return process, nil
}

// LogPath is kwok's log of the cluster in dir.
func LogPath(dir string) string { return filepath.Join(dir, "log", assets.Kwok+".log") }

func makeNodes(ctx context.Context, o Options) error {
	client, err := kubernetes.NewForConfig(o.Client)
	if err != nil {
		return err
	}
	group, making := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range o.Count {
		group.Go(func() error {
			_, err := client.CoreV1().Nodes().Create(making, node(i), metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: annotation + "=" + fake})
		if err != nil {
			return err
		}
		ready := 0
		for i := range list.Items {
			if isReady(&list.Items[i]) {
				ready++
			}
		}
		if ready >= o.Count {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d are Ready: %w", ready, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// isReady: kwok plays the node, and it takes pods.
func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0
		}
	}
	return false
}

// node number i, from 0.
func node(i int) *corev1.Node {
	name := fmt.Sprintf("windows-%03d", i)
	address := func(first byte) string { // 250 to each third number
		return netip.AddrFrom4([4]byte{first, 0, byte(i / 250), byte(i%250 + 1)}).String()
	}
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{annotation: fake},
			Labels: map[string]string{
				annotation: fake, corev1.LabelHostname: name, corev1.LabelArchStable: "amd64",
				corev1.LabelOSStable: "windows", corev1.LabelWindowsBuild: "10.0.20348",
			},
		},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeExternalIP, Address: address(20)}, {Type: corev1.NodeInternalIP, Address: address(10)},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				OperatingSystem: "windows", Architecture: "amd64", OSImage: "Windows Server 2022 Datacenter",
				KubeletVersion: assets.KubernetesVersion, ContainerRuntimeVersion: "kwok://" + assets.KwokVersion,
			},
		},
	}
}
