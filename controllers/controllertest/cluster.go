// SPDX-License-Identifier: Apache-2.0

// Package controllertest is what controller tests stand on: a real API server with Callfleet's CRDs and PriorityClass, started at most
// once per test binary, fluent builders for the kinds, and polling with deadlines.
//
//	func TestMain(m *testing.M) { controllertest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		cluster := controllertest.Start(t)
//		ns := cluster.Namespace(t)
//		mgr := cluster.StartManager(t, ns, (&fleet.Reconciler{…}).SetupWithManager)
//		controllertest.Create(t, cluster.Client, controllertest.Bot(ns, "reception").Object())
//		controllertest.Await(t, cluster.Client, bot, "be ready", func(b *v1alpha1.CallingBot) error {…})
//	}
//
// Only etcd and the API server run: no garbage collector, scheduler or namespace controller. Tests that need owner
// garbage collection play it themselves.
package controllertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Cluster is a control plane without controllers.
type Cluster struct {
	// Config is an administrator's access. Copy it before changing it.
	Config *rest.Config
	// Client reads and writes the API server directly; nothing is cached.
	Client client.WithWatch

	environment *envtest.Environment
}

var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Main runs a package's tests and stops the cluster if one of them started it.
func Main(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the test control plane:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Start gives the package's cluster, starting it the first time.
func Start(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = start() })
	if shared.err != nil {
		t.Fatalf("starting the test control plane: %v", shared.err)
	}
	return shared.cluster
}

func start() (*Cluster, error) {
	quietLogs()
	assets, err := assetsDirectory()
	if err != nil {
		return nil, err
	}
	root, err := RepositoryRoot()
	if err != nil {
		return nil, err
	}
	environment := &envtest.Environment{
		Scheme:                Scheme(),
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		// Two cores shared with a compiler can make a start slow; it is a failure only when it never comes.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
		CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: time.Minute, PollInterval: 50 * time.Millisecond},
	}
	config, err := environment.Start()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = -1, -1 // no client-side throttling: tests are to see the server's pace
	direct, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	if err := create(direct, filepath.Join(root, "config", "priority", "priorityclass.yaml"), &schedulingv1.PriorityClass{}); err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	return &Cluster{Config: config, Client: direct, environment: environment}, nil
}

// create makes the object in a file.
func create(c client.Client, path string, object client.Object) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(raw, object); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.Create(context.Background(), object)
}

// Scheme knows the built-in kinds and ours.
func Scheme() *apiruntime.Scheme {
	scheme := apiruntime.NewScheme()
	for _, add := range []func(*apiruntime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, certmanagerv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds claim one name: a programming error
		}
	}
	return scheme
}

// Namespace makes a namespace for one test. It stays: there is no namespace controller to empty it.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Client.Create(context.Background(), ns); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	return ns.Name
}

// UserConfig is access as somebody else, for tests of roles and field managers.
func (c *Cluster) UserConfig(t testing.TB, name string, groups ...string) *rest.Config {
	t.Helper()
	user, err := c.environment.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		t.Fatalf("adding user %s: %v", name, err)
	}
	config := user.Config()
	config.QPS, config.Burst = -1, -1
	return config
}

// UserKubeconfig writes the access of UserConfig to a file and gives its path.
func (c *Cluster) UserKubeconfig(t testing.TB, name string, groups ...string) string {
	t.Helper()
	user, err := c.environment.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		t.Fatalf("adding user %s: %v", name, err)
	}
	raw, err := user.KubeConfig()
	if err != nil {
		t.Fatalf("making a kubeconfig for %s: %v", name, err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Kubectl runs kubectl as the administrator and gives its standard output.
func (c *Cluster) Kubectl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	stdout, stderr, err := c.environment.ControlPlane.KubeCtl().Run(args...)
	out, complaint := readAll(stdout), readAll(stderr)
	if err != nil {
		return out, fmt.Errorf("kubectl %v: %w: %s", args, err, complaint)
	}
	return out, nil
}

// RepositoryRoot is the folder that holds go.mod.
func RepositoryRoot() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the test binary does not know where its source is")
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return "", fmt.Errorf("%s is not the repository: %w", root, err)
	}
	return root, nil
}

// assetsDirectory is KUBEBUILDER_ASSETS, or else the newest control plane the dev cluster has built on this machine.
func assetsDirectory() (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	pattern := filepath.Join(cache, "callfleet", "kube-v*-"+runtime.GOOS+"-"+runtime.GOARCH)
	built, err := filepath.Glob(filepath.Join(pattern, "kube-apiserver"))
	if err != nil {
		return "", err
	}
	if len(built) == 0 {
		return "", fmt.Errorf("KUBEBUILDER_ASSETS is not set and %s holds no kube-apiserver; run `make test`, which builds one", pattern)
	}
	sort.Strings(built)
	return filepath.Dir(built[len(built)-1]), nil
}
