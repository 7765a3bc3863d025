// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ways are how the operator gets into a cluster and out of it again. Each gives the manifests as they came to the server.
var ways = map[string]struct {
	install, again, uninstall func(t *testing.T, s *server) []object
	// left is what stays, besides the namespace.
	left []string
}{
	"kustomize": {
		install:   func(t *testing.T, s *server) []object { return s.applied(t, kustomized(t, "default", "router")) },
		again:     func(t *testing.T, s *server) []object { return s.applied(t, kustomized(t, "default", "router")) },
		uninstall: func(t *testing.T, s *server) []object { return s.removed(t, kustomized(t, "default", "router")) },
	},
	"Helm": {
		install: func(t *testing.T, s *server) []object { return s.release(t, "install", "") },
		again:   func(t *testing.T, s *server) []object { return s.release(t, "upgrade", "") },
		uninstall: func(t *testing.T, s *server) []object {
			list := s.release(t, "uninstall", "")
			s.awaitGone(t, without(list, "CustomResourceDefinition"))
			return list
		},
		left: []string{"CustomResourceDefinition"},
	},
	"Helm without keep": {
		install: func(t *testing.T, s *server) []object { return s.release(t, "install", "crds: {keep: false}") },
		again:   func(t *testing.T, s *server) []object { return s.release(t, "upgrade", "crds: {keep: false}") },
		uninstall: func(t *testing.T, s *server) []object {
			l := s.release(t, "uninstall", "crds: {keep: false}")
			s.awaitGone(t, l)
			return l
		},
	},
	"the lifecycle manager": {
		install:   func(t *testing.T, s *server) []object { return s.applied(t, olmInstalls(t, systemNamespace)) },
		again:     func(t *testing.T, s *server) []object { return s.applied(t, olmInstalls(t, systemNamespace)) },
		uninstall: func(t *testing.T, s *server) []object { return s.removed(t, olmInstalls(t, systemNamespace)) },
	},
}

func (s *server) applied(t *testing.T, objects []object) []object {
	s.apply(t, objects)
	return objects
}
func (s *server) removed(t *testing.T, objects []object) []object {
	s.remove(t, objects)
	return objects
}

// release is what helm does; it gives the chart's objects.
func (s *server) release(t *testing.T, verb, text string) []object {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(true)
	namespace := systemNamespace
	flags.KubeConfig, flags.Namespace = &s.kubeconfig, &namespace
	config := action.NewConfiguration()
	if err := config.Init(flags, namespace, "secrets"); err != nil {
		t.Fatal(err)
	}
	var err error
	switch verb {
	case "install":
		i := action.NewInstall(config)
		i.ReleaseName, i.Namespace, i.WaitStrategy, i.Timeout = "callfleet", namespace, kube.HookOnlyStrategy, time.Minute
		_, err = i.RunWithContext(context.Background(), load(t), values(t, text))
	case "upgrade":
		u := action.NewUpgrade(config)
		u.Namespace, u.WaitStrategy, u.Timeout = namespace, kube.HookOnlyStrategy, time.Minute
		_, err = u.RunWithContext(context.Background(), "callfleet", load(t), values(t, text))
	case "uninstall":
		u := action.NewUninstall(config)
		u.WaitStrategy, u.Timeout = kube.HookOnlyStrategy, time.Minute
		_, err = u.Run("callfleet")
	}
	if err != nil {
		t.Fatalf("helm %s: %v", verb, err)
	}
	return mustRender(t, text)
}

// versions are the resource versions of objects that are there.
func (s *server) versions(t *testing.T, objects []object) map[string]string {
	t.Helper()
	there := map[string]string{}
	for _, o := range objects {
		live := o.DeepCopy()
		switch err := s.Get(context.Background(), client.ObjectKeyFromObject(o), live); {
		case err == nil:
			there[o.String()] = live.GetResourceVersion()
		case !apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "no matches for kind"):
			t.Fatal(err)
		}
	}
	return there
}

// However it is installed: the same rights, nothing changes when it is installed again, and what is uninstalled is gone.
func TestEveryWayOfInstalling(t *testing.T) {
	s := start(t)
	s.namespace(t, systemNamespace)
	rights := map[string]map[grant]bool{}
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		way := ways[name]
		t.Run(name, func(t *testing.T) {
			objects := way.install(t, s)
			first := s.versions(t, objects)
			if len(first) != len(objects) {
				t.Errorf("%d of %d objects are there", len(first), len(objects))
			}
			s.awaitEstablished(t)
			rights[name] = s.grants(t, "callfleet-manager")
			// Kinds get their status meanwhile.
			first = s.versions(t, objects)
			way.again(t, s)
			if diff := cmp.Diff(first, s.versions(t, objects)); diff != "" {
				t.Errorf("a second time changes (-first +second):\n%s", diff)
			}
			for _, o := range way.uninstall(t, s) {
				there := len(s.versions(t, []object{o})) > 0
				if want := o.GetKind() == "Namespace" || slices.Contains(way.left, o.GetKind()); there != want {
					t.Errorf("%s: it is there: %v, want %v", o, there, want)
				}
			}
			if left := s.leftovers(t); len(left) > 0 {
				t.Errorf("uninstalling leaves %v", left)
			}
		})
		// The next way is another administrator's.
		s.removeKinds(t)
	}

	want := rights["kustomize"]
	if len(want) < 50 {
		t.Fatalf("only %d rights of the manager were found", len(want))
	}
	for name, got := range rights {
		if name == "the lifecycle manager" {
			// It makes no role for the operator's own namespace when that serves all: what is in it is for all.
			want = maps.Clone(want)
			for g := range want {
				if g.where == systemNamespace {
					delete(want, g)
					g.where = ""
					want[g] = true
				}
			}
		} else {
			want = rights["kustomize"]
		}
		for g := range got {
			if !want[g] {
				t.Errorf("%s lets the manager %s, which kustomize does not", name, g)
			}
		}
		for g := range want {
			if !got[g] {
				t.Errorf("%s does not let the manager %s, which kustomize does", name, g)
			}
		}
	}
}

func (s *server) kinds(t *testing.T) *unstructured.UnstructuredList {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("apiextensions.k8s.io/v1")
	list.SetKind("CustomResourceDefinitionList")
	if err := s.List(context.Background(), list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (s *server) awaitEstablished(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		established := 0
		list := s.kinds(t)
		for _, crd := range list.Items {
			conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
			for _, c := range conditions {
				if at(c, "type") == "Established" && at(c, "status") == "True" {
					established++
				}
			}
		}
		if len(list.Items) > 0 && established == len(list.Items) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d kinds are established", established, len(list.Items))
		}
	}
}

func (s *server) removeKinds(t *testing.T) {
	t.Helper()
	var list []object
	for _, crd := range s.kinds(t).Items {
		list = append(list, object{&crd})
	}
	s.remove(t, list)
}

// leftovers are objects with our name that no uninstallation should leave: in the cluster, and in the operator's namespace.
func (s *server) leftovers(t *testing.T) []string {
	t.Helper()
	var left []string
	for _, kind := range []string{
		"rbac.authorization.k8s.io/v1 ClusterRole", "rbac.authorization.k8s.io/v1 ClusterRoleBinding", "scheduling.k8s.io/v1 PriorityClass",
		"flowcontrol.apiserver.k8s.io/v1 FlowSchema", "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy",
		"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration",
		"v1 ServiceAccount", "v1 Service", "v1 Secret", "v1 ConfigMap", "apps/v1 Deployment", "policy/v1 PodDisruptionBudget", "networking.k8s.io/v1 NetworkPolicy",
		"rbac.authorization.k8s.io/v1 Role", "rbac.authorization.k8s.io/v1 RoleBinding", "autoscaling/v2 HorizontalPodAutoscaler",
	} {
		version, name, _ := strings.Cut(kind, " ")
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(version)
		list.SetKind(name + "List")
		if err := s.List(context.Background(), list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			ours := strings.Contains(item.GetName(), "callfleet")
			if ours || item.GetNamespace() == systemNamespace && item.GetName() != "kube-root-ca.crt" {
				left = append(left, object{&item}.String())
			}
		}
	}
	return left
}

// What people choose in values is taken by the API server, field by field, and the pods are such as the restricted level admits.
func TestTheAPIServerTakesWhateverIsChosen(t *testing.T) {
	s := start(t)
	s.namespace(t, systemNamespace)
	for _, ns := range []string{"voice", "42"} {
		s.namespace(t, ns)
	}
	lists := map[string][]object{"config": kustomized(t, "default", "router", "admission"), "the bundle": olmInstalls(t, systemNamespace, "voice")}
	for name, text := range valueSets {
		lists["the chart, "+name] = mustRender(t, text)
	}
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			// Kinds of others, which are not there.
			list = without(list, "Certificate", "ServiceMonitor", "PodMonitor")
			s.strict(t, list)
			for _, o := range list {
				if o.GetKind() != "Deployment" {
					continue
				}
				template, _, err := unstructured.NestedMap(o.Object, "spec", "template")
				if err != nil {
					t.Fatal(err)
				}
				pod := &corev1.Pod{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, pod); err != nil {
					t.Fatal(err)
				}
				pod.ObjectMeta = metav1.ObjectMeta{Namespace: systemNamespace, Name: o.GetName(), Labels: pod.Labels, Annotations: pod.Annotations}
				if err := s.Create(context.Background(), pod, client.DryRunAll); err != nil {
					t.Errorf("a pod of %s: %v", o, err)
				}
			}
		})
	}
}

// With namespaces, the cluster-wide role is about what has no namespace, and nothing but that.
func TestRightsInTheClusterAreAboutWhatHasNoNamespace(t *testing.T) {
	s := start(t)
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(s.config).ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	namespaced := map[string]bool{}
	for _, list := range lists {
		group, _, found := strings.Cut(list.GroupVersion, "/")
		if !found {
			group = ""
		}
		for _, r := range list.APIResources {
			namespaced[group+"/"+r.Name] = r.Namespaced
		}
	}
	for _, o := range mustRender(t, "namespaces: [voice]") {
		if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" || !strings.HasPrefix(o.GetName(), "callfleet-manager") && o.GetName() != "callfleet-router" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				// Whether a role may be bound is asked in the namespace of the binding.
				is, known := namespaced[rule.APIGroups[0]+"/"+resource]
				if !known || slices.Contains(rule.Verbs, "bind") {
					continue
				}
				if is != (o.GetKind() == "Role") {
					t.Errorf("%s has %s/%s, which has a namespace: %v", o, rule.APIGroups[0], resource, is)
				}
			}
			if o.GetKind() == "ClusterRole" && slices.ContainsFunc(rule.Verbs, func(verb string) bool {
				return verb != "create" && verb != "get" && verb != "list" && verb != "watch" && len(rule.ResourceNames) == 0
			}) {
				t.Errorf("%s changes things of the cluster: %v", o, rule)
			}
		}
	}
}
