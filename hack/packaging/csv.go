// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// targetNamespaces is the annotation by which the lifecycle manager tells a pod which namespaces it serves; empty: all.
const targetNamespaces = "olm.targetNamespaces"

// clusterServiceVersion completes the one of config/manifests.
func clusterServiceVersion(root string, c *config, roles map[string]held) (map[string]any, error) {
	raw, err := os.ReadFile(filepath.Join(root, "config", "manifests", "csv.yaml"))
	if err != nil {
		return nil, err
	}
	var csv map[string]any
	if err := yaml.Unmarshal(raw, &csv); err != nil {
		return nil, err
	}
	icon, err := os.ReadFile(filepath.Join(root, "config", "manifests", "icon.svg"))
	if err != nil {
		return nil, err
	}
	spec := fields(csv, "spec")
	spec["icon"] = []any{map[string]any{"base64data": base64.StdEncoding.EncodeToString(icon), "mediatype": "image/svg+xml"}}

	deployment, err := one(c.operator, "Deployment", "callfleet-manager")
	if err != nil {
		return nil, err
	}
	manager, err := container(deployment)
	if err != nil {
		return nil, err
	}
	annotations := fields(csv, "metadata", "annotations")
	annotations["containerImage"] = manager["image"]
	if annotations["alm-examples"], err = examples(c); err != nil {
		return nil, err
	}
	if spec["customresourcedefinitions"], err = owned(c); err != nil {
		return nil, err
	}
	if spec["install"], err = installation(c, deployment, roles["callfleet-manager"]); err != nil {
		return nil, err
	}
	spec["relatedImages"] = relatedImages(manager)
	return csv, nil
}

// examples are the samples, as a catalog has them.
func examples(c *config) (string, error) {
	var list []any
	for _, sample := range c.samples {
		list = append(list, sample.Object)
	}
	text, err := json.MarshalIndent(list, "", "  ")
	return string(text), err
}

// owned tells of the kinds, and what a console shows of them.
func owned(c *config) (map[string]any, error) {
	var list []any
	for _, crd := range ofKind(c.operator, "CustomResourceDefinition") {
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		entry := map[string]any{"name": crd.GetName(), "kind": kind, "displayName": title(kind), "resources": made(kind)}
		for _, part := range []string{"spec", "status"} {
			d, err := descriptors(crd, part)
			if err != nil {
				return nil, err
			}
			entry[part+"Descriptors"] = d
		}
		version := versions[0].(map[string]any)
		entry["version"] = version["name"]
		text, _, _ := unstructured.NestedString(version, "schema", "openAPIV3Schema", "description")
		entry["description"] = strings.Join(strings.Fields(text), " ")
		list = append(list, entry)
	}
	return map[string]any{"owned": list}, nil
}

// made are the objects that come of one of a kind.
func made(kind string) []any {
	list := map[string][]string{
		"CallingBot": {"callfleet.dev/v1alpha1 MediaPod", "v1 ServiceAccount", "rbac.authorization.k8s.io/v1 RoleBinding", "policy/v1 PodDisruptionBudget"},
		"MediaPod":   {"v1 Pod", "v1 Service", "v1 Secret", "cert-manager.io/v1 Certificate"},
	}[kind]
	if len(list) == 0 {
		list = []string{"callfleet.dev/v1alpha1 MediaPod"} // what it is bound to
	}
	var out []any
	for _, item := range list {
		version, kind, _ := strings.Cut(item, " ")
		out = append(out, map[string]any{"kind": kind, "version": version[strings.LastIndexByte(version, '/')+1:], "name": ""})
	}
	return out
}

// installation is the Deployment with its permissions. Those about things of a namespace are roles in the namespaces that are served; where these are all,
// the lifecycle manager makes one for the cluster of it.
func installation(c *config, deployment object, h held) (map[string]any, error) {
	spec, _, err := unstructured.NestedMap(deployment.Object, "spec")
	if err != nil {
		return nil, err
	}
	own := spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	own["args"] = append(own["args"].([]any), "--namespaces=$(TARGET_NAMESPACES)")
	own["env"] = append(own["env"].([]any), map[string]any{
		"name": "TARGET_NAMESPACES", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.annotations['" + targetNamespaces + "']"}},
	})
	lease, err := leaderElection(c)
	if err != nil {
		return nil, err
	}
	namespaced, err := rules(h.namespaced)
	if err != nil {
		return nil, err
	}
	cluster, err := rules(h.cluster)
	if err != nil {
		return nil, err
	}
	account := "callfleet-manager"
	return map[string]any{
		"strategy": "deployment",
		"spec": map[string]any{
			"deployments":        []any{map[string]any{"name": deployment.GetName(), "label": labels(deployment), "spec": spec}},
			"permissions":        []any{map[string]any{"serviceAccountName": account, "rules": append(namespaced, lease...)}},
			"clusterPermissions": []any{map[string]any{"serviceAccountName": account, "rules": cluster}},
		},
	}, nil
}

func labels(o object) map[string]any {
	out := map[string]any{}
	for key, value := range o.GetLabels() {
		out[key] = value
	}
	return out
}

func rules(typed []rbacv1.PolicyRule) ([]any, error) {
	role := map[string]any{}
	if err := setRules(role, typed); err != nil {
		return nil, err
	}
	list, _ := role["rules"].([]any)
	return list, nil
}

// relatedImages are those that a mirror has to hold besides.
func relatedImages(manager map[string]any) []any {
	list := []any{map[string]any{"name": "manager", "image": manager["image"]}}
	for _, arg := range manager["args"].([]any) {
		if image, ok := strings.CutPrefix(fmt.Sprint(arg), "--mediapod-image="); ok {
			list = append(list, map[string]any{"name": "mediapod", "image": image})
		}
	}
	return slices.Clip(list)
}
