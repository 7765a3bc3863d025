// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/operator-framework/api/pkg/manifests"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var bundleFolder = filepath.Join(root, "bundle")

func readBundle(t *testing.T) *manifests.Bundle {
	t.Helper()
	b, err := manifests.GetBundleFromDir(bundleFolder)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// olmInstalls is what the lifecycle manager makes of the bundle for an operator in a namespace that serves some, or all
// (https://olm.operatorframework.io/docs/advanced-tasks/operator-scoping-with-operatorgroups/): accounts, Deployments that are told their
// namespaces, a role for the cluster of clusterPermissions, and of permissions one in each namespace that is served and in its own, or one for the cluster
// if these are all.
func olmInstalls(t *testing.T, namespace string, served ...string) []object {
	t.Helper()
	b := readBundle(t)
	var list []object
	put := func(group, version, kind string, typed runtime.Object) {
		raw, err := json.Marshal(typed)
		if err != nil {
			t.Fatal(err)
		}
		o := object{&unstructured.Unstructured{}}
		if err := json.Unmarshal(raw, &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
		unstructured.RemoveNestedField(o.Object, "status")
		list = append(list, o)
	}
	const rbac = "rbac.authorization.k8s.io"
	for _, o := range b.Objects {
		o = o.DeepCopy()
		switch o.GetKind() {
		case "ClusterServiceVersion":
			continue
		case "PodDisruptionBudget", "Service":
			o.SetNamespace(namespace)
		}
		list = append(list, object{o})
	}
	strategy := b.CSV.Spec.InstallStrategy.StrategySpec
	accounts := map[string]bool{}
	subject := func(account string) []rbacv1.Subject {
		if !accounts[account] {
			accounts[account] = true
			put("", "v1", "ServiceAccount", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account, Namespace: namespace}})
		}
		return []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: namespace}}
	}
	clusterRole := func(name, account string, rules []rbacv1.PolicyRule) {
		put(rbac, "v1", "ClusterRole", &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
		put(rbac, "v1", "ClusterRoleBinding", &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: subject(account), RoleRef: rbacv1.RoleRef{APIGroup: rbac, Kind: "ClusterRole", Name: name},
		})
	}
	for _, p := range strategy.ClusterPermissions {
		clusterRole("olm-"+p.ServiceAccountName, p.ServiceAccountName, p.Rules)
	}
	for _, p := range strategy.Permissions {
		name := "olm-" + p.ServiceAccountName + "-served"
		if len(served) == 0 {
			clusterRole(name, p.ServiceAccountName, p.Rules)
			continue
		}
		for _, ns := range append([]string{namespace}, served...) {
			meta := metav1.ObjectMeta{Name: name, Namespace: ns}
			put(rbac, "v1", "Role", &rbacv1.Role{ObjectMeta: meta, Rules: p.Rules})
			put(rbac, "v1", "RoleBinding", &rbacv1.RoleBinding{
				ObjectMeta: meta, Subjects: subject(p.ServiceAccountName), RoleRef: rbacv1.RoleRef{APIGroup: rbac, Kind: "Role", Name: name},
			})
		}
	}
	for _, d := range strategy.DeploymentSpecs {
		spec := *d.Spec.DeepCopy()
		if spec.Template.Annotations == nil {
			spec.Template.Annotations = map[string]string{}
		}
		spec.Template.Annotations["olm.targetNamespaces"] = strings.Join(served, ",")
		put("apps", "v1", "Deployment", &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: namespace, Labels: d.Label}, Spec: spec})
	}
	return list
}
