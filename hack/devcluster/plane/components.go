// SPDX-License-Identifier: Apache-2.0

package plane

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
)

type component struct {
	name, path       string
	args             []string
	healthURL        string
	logPath, pidPath string
}

func (p *Plane) component(name string) (component, error) {
	c := component{
		name:    name,
		path:    p.cfg.Binaries[name],
		logPath: filepath.Join(p.cfg.Dir, "log", name+".log"),
		pidPath: filepath.Join(p.cfg.Dir, "run", name+".pid"),
	}
	ports := p.cfg.Ports
	switch name {
	case assets.Etcd:
		c.args, c.healthURL = p.etcdArgs(), "http://"+hostPort(ports.EtcdClient)+"/health"
	case assets.APIServer:
		c.args, c.healthURL = p.apiServerArgs(), p.URL()+"/readyz"
	case assets.ControllerManager:
		c.args, c.healthURL = p.controllerManagerArgs(), "https://"+hostPort(ports.ControllerManager)+"/healthz"
	case assets.Scheduler:
		c.args, c.healthURL = p.schedulerArgs(), "https://"+hostPort(ports.Scheduler)+"/readyz"
	default:
		return component{}, fmt.Errorf("there is no component %q; there are: %v", name, Components())
	}
	return c, nil
}

func (p *Plane) etcdArgs() []string {
	client, peer := "http://"+hostPort(p.cfg.Ports.EtcdClient), "http://"+hostPort(p.cfg.Ports.EtcdPeer)
	return []string{
		"--name=default",
		"--data-dir=" + filepath.Join(p.cfg.Dir, "etcd"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--log-level=warn",
		// The data need not survive a power failure, so no write waits for the disk.
		"--unsafe-no-fsync=true",
	}
}

func (p *Plane) apiServerArgs() []string {
	pki := p.creds.path
	// Endpoints on a loopback address are invalid, so the API server cannot
	// publish its own there.
	reconciler := "none"
	if p.cfg.Address.IsValid() {
		reconciler = "lease"
	}
	return []string{
		"--etcd-servers=http://" + hostPort(p.cfg.Ports.EtcdClient),
		"--bind-address=" + p.cfg.apiHost(),
		"--advertise-address=" + p.cfg.apiHost(),
		"--secure-port=" + strconv.Itoa(p.cfg.Ports.APIServer),
		"--tls-cert-file=" + pki("serving.crt"),
		"--tls-private-key-file=" + pki("serving.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
		"--kubelet-client-key=" + pki("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki("sa.pub"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--service-cluster-ip-range=" + p.cfg.ServiceCIDR.String(),
		"--allow-privileged=true",
		"--endpoint-reconciler-type=" + reconciler,
	}
}

func (p *Plane) controllerManagerArgs() []string {
	pki := p.creds.path
	// Pods have loopback addresses, which Endpoints and EndpointSlices may not
	// hold. The node agent finds the pods of a Service itself.
	controllers := "*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"
	if p.cfg.Address.IsValid() {
		controllers = "*"
	}
	return []string{
		"--kubeconfig=" + pki(controllerManagerUser+".kubeconfig"),
		"--bind-address=" + Host,
		"--secure-port=" + strconv.Itoa(p.cfg.Ports.ControllerManager),
		"--tls-cert-file=" + pki("serving.crt"),
		"--tls-private-key-file=" + pki("serving.key"),
		"--leader-elect=false",
		// Every controller with its own account and its own rate limit.
		"--use-service-account-credentials=true",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--service-account-private-key-file=" + pki("sa.key"),
		"--root-ca-file=" + pki("ca.crt"),
		"--cluster-signing-cert-file=" + pki("ca.crt"),
		"--cluster-signing-key-file=" + pki("ca.key"),
		"--controllers=" + controllers,
	}
}

func (p *Plane) schedulerArgs() []string {
	pki := p.creds.path
	return []string{
		"--kubeconfig=" + pki(schedulerUser+".kubeconfig"),
		"--bind-address=" + Host,
		"--secure-port=" + strconv.Itoa(p.cfg.Ports.Scheduler),
		"--tls-cert-file=" + pki("serving.crt"),
		"--tls-private-key-file=" + pki("serving.key"),
		"--leader-elect=false",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

// probe asks a component once whether it is ready.
func (p *Plane) probe(ctx context.Context, c component) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.healthURL, nil)
	if err != nil {
		return err
	}
	resp, err := p.creds.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", c.healthURL, resp.Status, body)
	}
	return nil
}

func hostPort(port int) string {
	return net.JoinHostPort(Host, strconv.Itoa(port))
}
