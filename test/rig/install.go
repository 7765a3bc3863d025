// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/hack/devcluster/pki"
)

const (
	systemNamespace = "callfleet-system"
	routerPort      = 8443
)

// install does what an administrator does: a certificate for the public name, then kubectl apply -k.
func (r *Rig) install(ctx context.Context, o Options) error {
	port, err := r.freePort(routerPort)
	if err != nil {
		return err
	}
	r.WebhookHost = "localhost:" + strconv.Itoa(port)
	overlay, err := r.writeOverlay(port)
	if err != nil {
		return err
	}
	if _, err := r.Kubectl(ctx, "apply", "--server-side", "-k", overlay); err != nil {
		return err
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if o.Kubelets > 0 {
		// Whichever node the router is on: the host has a route to cluster IPs.
		address, err := r.routerAddress(ctx)
		if err != nil {
			return err
		}
		r.WebhookHost, hosts = address+":443", []string{address}
	}
	pair, err := r.Cluster.CA().Issue(pki.Request{CommonName: "callfleet router", Hosts: hosts})
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "callfleet-router-tls"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.CertPEM, corev1.TLSPrivateKeyKey: pair.KeyPEM},
	}
	if err := r.Client.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return r.awaitDeployments(ctx)
}

// routerAddress is the cluster IP of the router.
func (r *Rig) routerAddress(ctx context.Context) (string, error) {
	svc := &corev1.Service{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "callfleet-router"}, svc); err != nil {
		return "", fmt.Errorf("finding the router's address: %w", err)
	}
	return svc.Spec.ClusterIP, nil
}

// writeOverlay puts the router's public port into the dev cluster's kustomization.
func (r *Rig) writeOverlay(port int) (string, error) {
	dir := filepath.Join(r.Dir, "install")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base, err := filepath.Rel(dir, filepath.Join(r.Root, "config", "devcluster"))
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [%q]
patches:
  - target: {kind: Deployment, name: callfleet-router}
    patch: |
      - {op: replace, path: /spec/template/spec/containers/0/ports/0/hostPort, value: %d}
`, filepath.ToSlash(base), port)
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644)
}

func (r *Rig) awaitDeployments(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var list appsv1.DeploymentList
		if err := r.Client.List(ctx, &list, client.InNamespace(systemNamespace)); err != nil {
			return err
		}
		var waiting []string
		for _, d := range list.Items {
			if d.Spec.Replicas == nil || d.Status.ReadyReplicas < *d.Spec.Replicas || d.Status.ObservedGeneration < d.Generation {
				waiting = append(waiting, d.Name)
			}
		}
		if len(waiting) == 0 && len(list.Items) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %s; logs are in %s", strings.Join(waiting, ", "), r.Cluster.LogDir())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kubectl runs kubectl as the cluster's administrator and returns what it printed.
func (r *Rig) Kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, r.Cluster.Binaries["kubectl"], args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.Cluster.Kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
