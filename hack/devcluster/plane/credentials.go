// SPDX-License-Identifier: Apache-2.0

package plane

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/callfleet/callfleet/hack/devcluster/pki"
)

// The users of the API server, by the names Kubernetes' bootstrap RBAC knows.
const (
	AdminUser             = "admin"
	controllerManagerUser = "system:kube-controller-manager"
	schedulerUser         = "system:kube-scheduler"
	proxyUser             = "system:kube-proxy"

	// KubeletClientUser is who the API server is when it calls a node.
	KubeletClientUser = "kube-apiserver-kubelet-client"

	mastersGroup = "system:masters"
	nodesGroup   = "system:nodes"
)

// credentials are the keys of a control plane, in its pki folder.
type credentials struct {
	dir  string
	url  string
	ca   *pki.CA
	http *http.Client // as admin, for health checks
}

func (c *credentials) path(name string) string { return filepath.Join(c.dir, name) }

// ensureCredentials makes what is missing. Kubeconfigs are written anew, as
// ports may have changed.
func ensureCredentials(cfg Config) (*credentials, error) {
	c := &credentials{dir: filepath.Join(cfg.Dir, "pki"), url: cfg.url()}
	ca, err := pki.LoadOrCreateCA(c.path("ca.crt"), c.path("ca.key"), "devcluster")
	if err != nil {
		return nil, err
	}
	c.ca = ca
	if err := c.ensureServiceAccountKey(); err != nil {
		return nil, err
	}
	hosts := []string{
		Host, cfg.apiHost(), "localhost", cfg.ServiceCIDR.Addr().Next().String(),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	for name, request := range map[string]pki.Request{
		"serving":        {CommonName: "kube-apiserver", Hosts: hosts},
		"kubelet-client": {CommonName: KubeletClientUser, Organizations: []string{mastersGroup}, Client: true},
	} {
		if _, err := c.ensurePair(name, request); err != nil {
			return nil, err
		}
	}
	for user, groups := range map[string][]string{
		AdminUser:             {mastersGroup},
		controllerManagerUser: nil,
		schedulerUser:         nil,
	} {
		if err := c.writeKubeconfig(user, groups, c.path(user+".kubeconfig")); err != nil {
			return nil, err
		}
	}
	return c, c.makeHTTPClient()
}

func (c *credentials) ensureServiceAccountKey() error {
	if exists(c.path("sa.key")) && exists(c.path("sa.pub")) {
		return nil
	}
	private, public, err := pki.NewSigningKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path("sa.key"), private, 0o600); err != nil {
		return fmt.Errorf("storing the service-account key: %w", err)
	}
	if err := os.WriteFile(c.path("sa.pub"), public, 0o644); err != nil {
		return fmt.Errorf("storing the service-account key: %w", err)
	}
	return nil
}

func (c *credentials) ensurePair(name string, request pki.Request) (pki.Pair, error) {
	certPath, keyPath := c.path(name+".crt"), c.path(name+".key")
	cert, certErr := os.ReadFile(certPath)
	key, keyErr := os.ReadFile(keyPath)
	if certErr == nil && keyErr == nil {
		return pki.Pair{CertPEM: cert, KeyPEM: key}, nil
	}
	if err := errors.Join(certErr, keyErr); !errors.Is(err, fs.ErrNotExist) {
		return pki.Pair{}, fmt.Errorf("reading the certificate of %s: %w", name, err)
	}
	pair, err := c.ca.Issue(request)
	if err != nil {
		return pki.Pair{}, err
	}
	return pair, pair.Write(certPath, keyPath)
}

// writeKubeconfig writes a kubeconfig that holds everything it needs, so that
// it can be copied.
func (c *credentials) writeKubeconfig(user string, groups []string, path string) error {
	pair, err := c.ensurePair(user, pki.Request{CommonName: user, Organizations: groups, Client: true})
	if err != nil {
		return err
	}
	const name = "devcluster"
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: c.url, CertificateAuthorityData: c.ca.CertPEM()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: pair.CertPEM, ClientKeyData: pair.KeyPEM}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: user}},
		CurrentContext: name,
	}
	data, err := clientcmd.Write(config)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig of %s: %w", user, err)
	}
	// Somebody may be reading it: never a file that is half written.
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	tmp, err := os.CreateTemp(c.dir, "kubeconfig-")
	if err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	defer os.Remove(tmp.Name())
	_, writeErr := tmp.Write(data)
	if err := errors.Join(writeErr, tmp.Close(), os.Rename(tmp.Name(), path)); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return nil
}

func (c *credentials) makeHTTPClient() error {
	cert, err := tls.LoadX509KeyPair(c.path(AdminUser+".crt"), c.path(AdminUser+".key"))
	if err != nil {
		return fmt.Errorf("reading the admin's certificate: %w", err)
	}
	c.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.ca.Pool(), Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		// A component that was stopped must not be asked over an old connection.
		DisableKeepAlives: true,
	}}
	return nil
}

// CA is the authority of the cluster.
func (p *Plane) CA() *pki.CA { return p.creds.ca }

// CAPath is the file that holds the certificate of the cluster's authority.
func (p *Plane) CAPath() string { return p.creds.path("ca.crt") }

// AdminKubeconfig is the file with which one may do everything.
func (p *Plane) AdminKubeconfig() string { return p.creds.path(AdminUser + ".kubeconfig") }

// NodeKubeconfig writes the kubeconfig of a node and returns its path.
func (p *Plane) NodeKubeconfig(node string) (string, error) {
	user := "system:node:" + node
	path := p.creds.path(user + ".kubeconfig")
	return path, p.creds.writeKubeconfig(user, []string{nodesGroup}, path)
}

// ProxyKubeconfig writes the kubeconfig of all kube-proxies and returns its path.
func (p *Plane) ProxyKubeconfig() (string, error) {
	path := p.creds.path(proxyUser + ".kubeconfig")
	return path, p.creds.writeKubeconfig(proxyUser, nil, path)
}

// AdminConfig is the admin's client configuration, without client-side limits.
func (p *Plane) AdminConfig() (*rest.Config, error) {
	return ClientConfig(p.AdminKubeconfig())
}

// ClientConfig reads a kubeconfig. The API server is on the same machine and
// has its own fairness, so the client does not limit itself.
func ClientConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = -1, -1
	return config, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
