// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// pauseImage is what holds the namespaces of a pod. Its name is nobody's.
const pauseImage = "devcluster.invalid/pause:1"

// Paths inside the mount namespace of a node. The folders of the node are
// mounted there, so they are the same for all, and short: the name of a socket
// has room for 107 bytes.
const (
	runtimeState  = "/run/containerd"
	runtimeSocket = runtimeState + "/containerd.sock"
	kubeletRoot   = "/var/lib/kubelet"
)

// overMounted are folders of the host that programs of a node write to, and no
// option keeps them from it, with the folder of the node that is mounted there
// instead.
var overMounted = []struct{ host, node string }{
	{runtimeState, "run"},
	{kubeletRoot, "kubelet"},
	{"/var/lib/cni", "cni-cache"},
	{"/var/log/containers", "log-links"},
}

// files are the configuration of one node, by name in its folder.
func (n *node) files() (map[string]string, error) {
	network, err := n.networkConfig()
	if err != nil {
		return nil, err
	}
	kubelet, err := yaml.Marshal(n.kubeletConfig())
	if err != nil {
		return nil, err
	}
	proxy, err := yaml.Marshal(n.proxyConfig())
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"init.sh":                    initScript(n.dir),
		"containerd.toml":            n.runtimeConfig(),
		"cni/10-devcluster.conflist": network,
		"kubelet.yaml":               string(kubelet),
		"kube-proxy.yaml":            string(proxy),
		// Nobody answers, and that fast: names are not found, as they are not on the node of processes.
		"resolv.conf": "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n",
	}, nil
}

// initScript makes the mount namespace of a node what it is to be. What is
// mounted in it from then on is seen by the containers that are to see it, and
// by nobody outside.
func initScript(dir string) string {
	var b strings.Builder
	b.WriteString("set -e\nmount --make-rshared /\n")
	for _, m := range overMounted {
		fmt.Fprintf(&b, "mount --bind '%s' '%s'\n", filepath.Join(dir, m.node), m.host)
	}
	fmt.Fprintf(&b, "echo 1 >/proc/sys/net/ipv4/ip_forward\n: >'%s'\nexec sleep infinity\n", filepath.Join(dir, "ready"))
	return b.String()
}

// runtimeConfig is for containerd 1.6 (Debian 12) and later, which all read
// version 2.
func (n *node) runtimeConfig() string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  disable_apparmor = true
  # Lowering it takes a right (CAP_SYS_RESOURCE) that root in a virtual machine or container need not have.
  restrict_oom_score_adj = true
  # Not in the folder that ip-netns(8) has, which is the host's.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`, filepath.Join(n.dir, "containerd"), runtimeState, runtimeSocket, pauseImage, n.cniDir, filepath.Join(n.dir, "cni"))
}

func (n *node) networkConfig() (string, error) {
	data, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0", "name": "devcluster",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": filepath.Join(n.dir, "ipam"),
					"ranges": []any{[]any{map[string]any{"subnet": n.net.PodsOf(n.i).String()}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "snat": true, "capabilities": map[string]any{"portMappings": true}},
		},
	}, "", "  ")
	return string(data), err
}

func (n *node) kubeletConfig() map[string]any {
	return map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"failCgroupV1": false,
		"cgroupDriver": "cgroupfs",
		"cgroupRoot":   "/" + n.group.name,
		"address":      n.net.Node(n.i).String(),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": n.caPath},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"tlsCertFile":              n.certPath,
		"tlsPrivateKeyFile":        n.keyPath,
		"containerRuntimeEndpoint": "unix://" + runtimeSocket,
		"healthzBindAddress":       "127.0.0.1",
		"resolvConf":               filepath.Join(n.dir, "resolv.conf"),
		"podLogsDir":               n.podLogs,
		"volumePluginDir":          filepath.Join(kubeletRoot, "volume-plugins"),
		"oomScoreAdj":              0,
		"containerLogMaxSize":      "1Gi",
		"enforceNodeAllocatable":   []string{"pods"},
		// The disk is the developer's own: full, but not so full.
		"evictionHard":                map[string]any{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
		// One image under two names is no attempt to get around a secret.
		"imagePullCredentialsVerificationPolicy": "NeverVerify",
		"nodeStatusUpdateFrequency":              "4s",
		// Secrets that have changed are in the pods of one or two such rounds later.
		"syncFrequency":       "10s",
		"registerNode":        true,
		"serializeImagePulls": false,
	}
}

func (n *node) proxyConfig() map[string]any {
	address := n.net.Node(n.i).String()
	return map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode":              "nftables",
		"clientConnection":  map[string]any{"kubeconfig": n.proxyKubeconfig},
		"clusterCIDR":       n.net.Pods().String(),
		"hostnameOverride":  n.name(),
		"bindAddress":       address,
		"nodePortAddresses": []string{address + "/32"},
		// The table of connections is the machine's, and its size no namespace's to change.
		"conntrack":          map[string]any{"maxPerCore": 0, "min": 0},
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
	}
}

func (n *node) write() error {
	files, err := n.files()
	if err != nil {
		return fmt.Errorf("encoding the configuration of %s: %w", n.name(), err)
	}
	for _, m := range overMounted {
		for _, dir := range []string{m.host, filepath.Join(n.dir, m.node)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("preparing %s: %w", n.name(), err)
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(n.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("preparing %s: %w", n.name(), err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("preparing %s: %w", n.name(), err)
		}
	}
	return nil
}
