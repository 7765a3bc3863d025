// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// server is a real API server, without controllers. Installations follow one another on it.
type server struct {
	client.Client
	config      *rest.Config
	kubeconfig  string
	environment *envtest.Environment
}

var shared struct {
	once   sync.Once
	server *server
	err    error
}

// start gives the server, starting it the first time.
func start(t *testing.T) *server {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set; make test-packaging sets it")
	}
	shared.once.Do(func() { shared.server, shared.err = newServer(assets) })
	if shared.err != nil {
		t.Fatalf("starting the test control plane: %v", shared.err)
	}
	return shared.server
}

func newServer(assets string) (*server, error) {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		// Two cores shared with a compiler can make a start slow; it is a failure only when it never comes.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	config, err := environment.Start()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = -1, -1
	s := &server{config: config, environment: environment}
	if s.Client, err = client.New(config, client.Options{}); err != nil {
		return nil, err
	}
	user, err := environment.AddUser(envtest.User{Name: "administrator", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, err
	}
	raw, err := user.KubeConfig()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "packaging")
	if err != nil {
		return nil, err
	}
	s.kubeconfig = filepath.Join(dir, "kubeconfig")
	return s, os.WriteFile(s.kubeconfig, raw, 0o600)
}

func stopServer() error {
	if shared.server == nil {
		return nil
	}
	_ = os.RemoveAll(filepath.Dir(shared.server.kubeconfig))
	return shared.server.environment.Stop()
}

// namespace makes a namespace in which only restricted pods may run.
func (s *server) namespace(t *testing.T, name string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := s.Create(context.Background(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// order is that of kubectl and Helm, as far as it counts here.
var order = []string{"Namespace", "CustomResourceDefinition", "PriorityClass", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}

func sorted(objects []object) []object {
	rank := func(o object) int {
		if i := slices.Index(order, o.GetKind()); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedStableFunc(slices.Values(objects), func(a, b object) int { return rank(a) - rank(b) })
}

// apply is kubectl apply --server-side: a field that the kind does not have is a mistake. It gives the resource versions.
func (s *server) apply(t *testing.T, objects []object) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, o := range sorted(objects) {
		sent := o.DeepCopy()
		err := s.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(sent), client.FieldOwner("kubectl"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("applying %s: %v", o, err)
		}
		versions[o.String()] = sent.GetResourceVersion()
	}
	return versions
}

// strict asks the API server whether it would take these as they stand.
func (s *server) strict(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range sorted(objects) {
		err := s.Patch(context.Background(), o.DeepCopy(), client.Apply, client.FieldOwner("strict"), client.ForceOwnership, client.DryRunAll, //nolint:staticcheck // Apply has no field validation.
			client.FieldValidation(metav1.FieldValidationStrict))
		if err != nil {
			t.Errorf("%s: %v", o, err)
		}
	}
}

// remove deletes what was applied, but for the namespace, which no controller would empty here.
func (s *server) remove(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range slices.Backward(sorted(objects)) {
		if o.GetKind() == "Namespace" {
			continue
		}
		if err := s.Delete(context.Background(), o.DeepCopy()); err != nil && !apierrors.IsNotFound(err) {
			t.Fatalf("deleting %s: %v", o, err)
		}
	}
	s.awaitGone(t, objects)
}

// awaitGone waits for kinds, which go only when their objects have.
func (s *server) awaitGone(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == "Namespace" {
			continue
		}
		// The API server goes on with what it could not empty at growing intervals.
		for end := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			err := s.Get(context.Background(), client.ObjectKeyFromObject(o), o.DeepCopy())
			if apierrors.IsNotFound(err) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is still there: %v", o, err)
			}
		}
	}
}

// grant is one thing that an account may do.
type grant struct {
	// where is a namespace, or "" for the cluster.
	where, group, resource, name, verb string
}

func (g grant) String() string {
	return fmt.Sprintf("%s %s/%s %s in %q", g.verb, g.group, g.resource, g.name, g.where)
}

// grants are what bindings of the API server give to an account of the operator's namespace.
func (s *server) grants(t *testing.T, account string) map[grant]bool {
	t.Helper()
	all, ctx := map[grant]bool{}, context.Background()
	add := func(where string, rules []rbacv1.PolicyRule) {
		for _, r := range rules {
			names := r.ResourceNames
			if len(names) == 0 {
				names = []string{""}
			}
			for _, verb := range r.Verbs {
				for _, url := range r.NonResourceURLs {
					all[grant{where, "", url, "", verb}] = true
				}
				for _, group := range r.APIGroups {
					for _, resource := range r.Resources {
						for _, name := range names {
							all[grant{where, group, resource, name, verb}] = true
						}
					}
				}
			}
		}
	}
	subject := rbacv1.Subject{Kind: "ServiceAccount", Name: account, Namespace: systemNamespace}
	rulesOf := func(ref rbacv1.RoleRef, namespace string) []rbacv1.PolicyRule {
		if ref.Kind == "Role" {
			role := &rbacv1.Role{}
			if err := s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, role); err != nil {
				t.Fatal(err)
			}
			return role.Rules
		}
		role := &rbacv1.ClusterRole{}
		if err := s.Get(ctx, client.ObjectKey{Name: ref.Name}, role); err != nil {
			t.Fatal(err)
		}
		return role.Rules
	}
	var cluster rbacv1.ClusterRoleBindingList
	var local rbacv1.RoleBindingList
	for _, list := range []client.ObjectList{&cluster, &local} {
		if err := s.List(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range cluster.Items {
		if slices.Contains(b.Subjects, subject) {
			add("", rulesOf(b.RoleRef, ""))
		}
	}
	for _, b := range local.Items {
		if slices.Contains(b.Subjects, subject) {
			add(b.Namespace, rulesOf(b.RoleRef, b.Namespace))
		}
	}
	return all
}
