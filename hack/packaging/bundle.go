// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const bundleFolder = "bundle"

// inCSV are kinds that the ClusterServiceVersion tells of, and the lifecycle manager makes.
var inCSV = map[string]bool{"Deployment": true, "ServiceAccount": true}

// notInstalled are kinds that the lifecycle manager does not install
// (https://github.com/operator-framework/operator-registry/blob/master/pkg/lib/bundle/supported_resources.go), and the Namespace, which is there before it.
// docs/install.md tells how to get what is missing.
var notInstalled = map[string]bool{
	"Namespace": true, "FlowSchema": true, "NetworkPolicy": true,
	// It makes webhooks of its own, with certificates that the manager does not read.
	"ValidatingWebhookConfiguration": true, "MutatingWebhookConfiguration": true,
}

// bundle is what the Operator Lifecycle Manager takes: config/default. The router is not in it: a ClusterServiceVersion fails whose Deployments do not
// become available, and the router does not without a certificate.
func bundle(root string, c *config) (map[string][]byte, error) {
	files := map[string][]byte{}
	put := func(name string, content map[string]any) error {
		text, err := yaml.Marshal(content)
		files[bundleFolder+"/"+name] = append([]byte("# Made from config/ by hack/packaging. Change that and run make generate.\n"), text...)
		return err
	}
	roles, err := heldRoles(c)
	if err != nil {
		return nil, err
	}
	for _, o := range c.operator {
		if inCSV[o.GetKind()] || notInstalled[o.GetKind()] || permission(o, roles) {
			continue
		}
		content := o.DeepCopy().Object
		// The lifecycle manager's choice.
		unstructured.RemoveNestedField(content, "metadata", "namespace")
		name := fmt.Sprintf("manifests/%s_%s.yaml", dashed(o.GetName()), strings.ToLower(o.GetKind()))
		if o.GetKind() == "CustomResourceDefinition" {
			name = "manifests/" + o.GetName() + ".yaml"
		}
		if err := put(name, content); err != nil {
			return nil, err
		}
	}
	csv, err := clusterServiceVersion(root, c, roles)
	if err != nil {
		return nil, err
	}
	if err := put("manifests/callfleet.clusterserviceversion.yaml", csv); err != nil {
		return nil, err
	}
	labels := bundleLabels()
	annotations := map[string]any{}
	for _, label := range labels {
		annotations[label[0]] = label[1]
	}
	if err := put("metadata/annotations.yaml", map[string]any{"annotations": annotations}); err != nil {
		return nil, err
	}
	scorecard, err := os.ReadFile(filepath.Join(root, "config", "scorecard", "config.yaml"))
	if err != nil {
		return nil, err
	}
	files[bundleFolder+"/tests/scorecard/config.yaml"] = scorecard
	files["bundle.Dockerfile"] = dockerfile(labels)
	return files, nil
}

// permission says whether the ClusterServiceVersion holds an object of RBAC: what the manager itself may do.
func permission(o object, roles map[string]held) bool {
	switch o.GetKind() {
	case "ClusterRole":
		_, ok := roles[o.GetName()]
		return ok
	case "ClusterRoleBinding", "RoleBinding", "Role":
		return true
	}
	return false
}

// bundleLabels are those of the bundle's image: https://olm.operatorframework.io/docs/tasks/creating-operator-bundle/
func bundleLabels() [][2]string {
	return [][2]string{
		{"operators.operatorframework.io.bundle.mediatype.v1", "registry+v1"},
		{"operators.operatorframework.io.bundle.manifests.v1", "manifests/"},
		{"operators.operatorframework.io.bundle.metadata.v1", "metadata/"},
		{"operators.operatorframework.io.bundle.package.v1", "callfleet"},
		{"operators.operatorframework.io.bundle.channels.v1", "candidate"},
		{"operators.operatorframework.io.bundle.channel.default.v1", "candidate"},
		{"operators.operatorframework.io.test.mediatype.v1", "scorecard+v1"},
		{"operators.operatorframework.io.test.config.v1", "tests/scorecard/"},
	}
}

func dockerfile(labels [][2]string) []byte {
	var out strings.Builder
	out.WriteString("# SPDX-License-Identifier: Apache-2.0\n# Made by hack/packaging.\nFROM scratch\n\n")
	for _, label := range labels {
		fmt.Fprintf(&out, "LABEL %s=%s\n", label[0], label[1])
	}
	out.WriteString("\nCOPY bundle/manifests /manifests/\nCOPY bundle/metadata /metadata/\nCOPY bundle/tests/scorecard /tests/scorecard/\n")
	return []byte(out.String())
}

// leaderElection are the rules of the Roles that the manager holds in its own namespace.
func leaderElection(c *config) ([]any, error) {
	var rules []any
	roles := ofKind(c.operator, "Role")
	slices.SortFunc(roles, func(a, b object) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, role := range roles {
		if role.GetNamespace() != systemNamespace {
			return nil, fmt.Errorf("%s is of namespace %s, not of the operator's", role, role.GetNamespace())
		}
		more, _, err := unstructured.NestedSlice(role.Object, "rules")
		if err != nil {
			return nil, err
		}
		rules = append(rules, more...)
	}
	return rules, nil
}
