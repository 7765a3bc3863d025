// SPDX-License-Identifier: Apache-2.0

// Package assets provides the binaries of a Kubernetes control plane and of its
// nodes. They are built from their Go modules once per version and kept in the user's cache
// folder, so that every clone on the machine shares them.
package assets

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// The versions that are built. The modules in hack/devcluster/kube and
// hack/devcluster/kwok pin the same ones; a test compares them.
const (
	KubernetesVersion = "v1.37.1"
	EtcdVersion       = "v3.7.3"
	KwokVersion       = "v0.8.0"
)

// Names of the binaries.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	Kubectl           = "kubectl"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubelet           = "kubelet"
	KubeProxy         = "kube-proxy"
	Kwok              = "kwok"
)

// EnvVar names the folder that envtest and this package take binaries from
// before they look elsewhere.
const EnvVar = "KUBEBUILDER_ASSETS"

type binary struct {
	name, module, version, pkg string
}

// all is in the order of building: what envtest needs comes first.
var all = []binary{
	{Etcd, "go.etcd.io/etcd/server/v3", EtcdVersion, "go.etcd.io/etcd/server/v3"},
	{APIServer, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kube-apiserver"},
	{Kubectl, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kubectl"},
	{ControllerManager, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{Scheduler, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kube-scheduler"},
}

// nodes are what real nodes run besides, for those that have them.
var nodes = []binary{
	{Kubelet, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kubelet"},
	{KubeProxy, "k8s.io/kubernetes", KubernetesVersion, "k8s.io/kubernetes/cmd/kube-proxy"},
}

// onDemand are built for those that name them: a cluster runs without.
var onDemand = append(slices.Clone(nodes), binary{Kwok, "sigs.k8s.io/kwok", KwokVersion, "sigs.k8s.io/kwok/cmd/kwok"})

// All returns the names of the binaries that every cluster needs.
func All() []string { return namesOf(all) }

// Nodes returns the names of those that real nodes need besides.
func Nodes() []string { return namesOf(nodes) }

// Known returns the names of all binaries that can be asked for.
func Known() []string { return namesOf(slices.Concat(all, onDemand)) }

func namesOf(list []binary) []string {
	names := make([]string, 0, len(list))
	for _, b := range list {
		names = append(names, b.name)
	}
	return names
}

// Envtest returns the names of those that controller-runtime's envtest runs.
func Envtest() []string {
	return []string{Etcd, APIServer, Kubectl}
}

// Set says where each binary is.
type Set map[string]string

// CacheDir is the folder built binaries are kept in.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder for built binaries: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(cache, "callfleet", "kube-"+KubernetesVersion+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// Ensure finds the named binaries (those of a cluster, if none is named) and
// builds those that are missing. Progress goes to the writer.
func Ensure(ctx context.Context, progress io.Writer, names ...string) (Set, error) {
	wanted, err := lookUp(names)
	if err != nil {
		return nil, err
	}
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	found, missing := find(wanted, os.Getenv(EnvVar), dir)
	if len(missing) == 0 {
		return found, nil
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Another run may have built them while this one waited for the lock.
	found, missing = find(wanted, os.Getenv(EnvVar), dir)
	if err := build(ctx, progress, dir, missing, len(found), len(wanted)); err != nil {
		return nil, err
	}
	for _, b := range missing {
		found[b.name] = filepath.Join(dir, b.name)
	}
	return found, nil
}

// Find returns the binaries that are there already. It builds nothing.
func Find() (Set, error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	found, _ := find(slices.Concat(all, onDemand), os.Getenv(EnvVar), dir)
	return found, nil
}

// Dir is like Ensure for users that want one folder with all the named
// binaries in it, as KUBEBUILDER_ASSETS names one.
func Dir(ctx context.Context, progress io.Writer, names ...string) (string, error) {
	wanted, err := lookUp(names)
	if err != nil {
		return "", err
	}
	dir := os.Getenv(EnvVar)
	if _, missing := find(wanted, dir, ""); len(missing) == 0 {
		return dir, nil
	}
	if dir, err = CacheDir(); err != nil {
		return "", err
	}
	if _, missing := find(wanted, "", dir); len(missing) == 0 {
		return dir, nil
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	found, missing := find(wanted, "", dir)
	return dir, build(ctx, progress, dir, missing, len(found), len(wanted))
}

func lookUp(names []string) ([]binary, error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(Known(), name) {
			return nil, fmt.Errorf("there is no binary %q; there are: %s", name, strings.Join(Known(), ", "))
		}
	}
	var wanted []binary
	for _, b := range slices.Concat(all, onDemand) {
		if slices.Contains(names, b.name) {
			wanted = append(wanted, b)
		}
	}
	return wanted, nil
}

// find looks in the given folder, whose content the user answers for, then
// among the built ones.
func find(wanted []binary, given, cache string) (Set, []binary) {
	found := Set{}
	var missing []binary
	for _, b := range wanted {
		switch {
		case given != "" && isExecutable(filepath.Join(given, b.name)):
			found[b.name] = filepath.Join(given, b.name)
		case cache != "" && b.builtAt(filepath.Join(cache, b.name)):
			found[b.name] = filepath.Join(cache, b.name)
		default:
			missing = append(missing, b)
		}
	}
	return found, missing
}

// builtAt says whether path is this binary in this version, by what the Go
// linker noted in it.
func (b binary) builtAt(path string) bool {
	if !isExecutable(path) {
		return false
	}
	info, err := buildinfo.ReadFile(path)
	return err == nil && b.isBuiltAs(info)
}

func (b binary) isBuiltAs(info *debug.BuildInfo) bool {
	if info.Path != b.pkg {
		return false
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == b.module {
			return m.Version == b.version
		}
	}
	return false
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
