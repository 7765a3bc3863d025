// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

const (
	systemNamespace = "callfleet-system"
	// account of the manager. With a client certificate for it, a process beside the cluster has its rights, and no others.
	account = "system:serviceaccount:" + systemNamespace + ":callfleet-manager"
)

// manager is a process of the operator, as config/manager runs it.
type manager struct {
	identity string
	pprof    string // its address
	process  *proc.Process
}

func startManager(g *ground, i int) (*manager, error) {
	kubeconfig := filepath.Join(g.dir, "manager.kubeconfig")
	if err := writeKubeconfig(g, kubeconfig); err != nil {
		return nil, err
	}
	pprof, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := "manager-" + strconv.Itoa(i)
	m := &manager{identity: name + "_" + name, pprof: pprof}
	m.process, err = proc.Start(proc.Spec{
		Path: filepath.Join(g.dir, "manager"), Dir: g.dir,
		LogPath: filepath.Join(g.dir, "log", name+".log"), PIDPath: filepath.Join(g.dir, "run", name+".pid"),
		Env: append(os.Environ(), "KUBECONFIG="+kubeconfig, "POD_NAME="+name, "POD_UID="+name, "POD_NAMESPACE="+systemNamespace),
		Args: []string{
			"--mediapod-image=callfleet/mediapod:dev", "--leader-elect", "--metrics-bind-address=0", "--health-probe-bind-address=0",
			"--pprof-bind-address=" + pprof,
		},
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func writeKubeconfig(g *ground, path string) error {
	pair, err := g.cluster.CA().Issue(pki.Request{
		CommonName: account, Organizations: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace}, Client: true,
	})
	if err != nil {
		return err
	}
	const name = "fleet"
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: g.cluster.RestConfig().Host, CertificateAuthorityData: g.cluster.CA().CertPEM()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {ClientCertificateData: pair.CertPEM, ClientKeyData: pair.KeyPEM}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, path)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// leader is the manager that holds the lease.
func (g *ground) leader(ctx context.Context) (*manager, error) {
	for {
		var lease coordinationv1.Lease
		err := g.client.Get(ctx, ctrlclient.ObjectKey{Namespace: systemNamespace, Name: "callfleet-manager"}, &lease)
		if err == nil && lease.Spec.HolderIdentity != nil {
			if m := g.managers[*lease.Spec.HolderIdentity]; m != nil && m.process.Alive() {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no manager leads: %w; see %s", ctx.Err(), g.cluster.LogDir())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// profileFor writes a CPU profile of the manager into a file.
func (m *manager) profileFor(ctx context.Context, d time.Duration, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", m.pprof, int(d.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profiling the manager: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("profiling the manager: %w", err)
	}
	return os.WriteFile(path, data, 0o644)
}

// peak is the most that the process had resident, in bytes.
func peak(pid int) (uint64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmHWM", pid)
}

// cpuOf is the time that the process has used so far: fields 14 and 15 of proc(5) stat, in hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw)[strings.LastIndexByte(string(raw), ')')+1:])
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("process %d: %q is no stat", pid, raw)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}
