// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// accountMount is where rest.InClusterConfig and everybody else looks for a
// pod's token. A host process cannot have it there, so it gets a kubeconfig.
const accountMount = "/var/run/secrets/kubernetes.io/serviceaccount"

// writeKubeconfig writes a kubeconfig that uses the bound token mounted into a
// container; client-go reads the token's file anew as it is refreshed. There
// is none for a container without a token.
func (w *worker) writeKubeconfig(c *corev1.Container, root string) (string, error) {
	mounted := false
	for _, m := range c.VolumeMounts {
		mounted = mounted || m.MountPath == accountMount
	}
	if !mounted {
		return "", nil
	}
	const name = "devcluster"
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: w.agent.cfg.Client.Host, CertificateAuthority: w.agent.cfg.CAPath}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {TokenFile: filepath.Join(root, accountMount, "token")}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: w.pod.Namespace}},
		CurrentContext: name,
	}
	path := filepath.Join(w.containerDir(c.Name), "kubeconfig")
	if err := clientcmd.WriteToFile(config, path); err != nil {
		return "", fmt.Errorf("writing the container's kubeconfig: %w", err)
	}
	return path, nil
}
