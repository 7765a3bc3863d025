// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	chartFolder = "charts/callfleet"
	// generatedPrefix is that of the templates that are made here. The others of the chart are written by hand.
	generatedPrefix = "generated-"

	notice = "{{- /* Made from config/ by hack/packaging. Change that and run make generate. */ -}}\n"
)

// chart makes a template of every object of config/. Names stay: the manager knows those of cluster-wide objects, and there is one operator
// in a cluster.
func chart(_ string, c *config) (map[string][]byte, error) {
	texts := map[string]*strings.Builder{}
	roles, err := heldRoles(c)
	if err != nil {
		return nil, err
	}
	put := func(file, text string) {
		if texts[file] == nil {
			texts[file] = &strings.Builder{}
			texts[file].WriteString(notice)
		}
		texts[file].WriteString(text)
	}
	for _, part := range []struct {
		objects []object
		name    string
		when    string
	}{
		{c.operator, "manager", ""},
		{c.router, "router", "$.Values.router.enabled"},
		{c.admission, "admission", "$.Values.admissionPolicies.enabled"},
	} {
		for _, o := range part.objects {
			if o.GetKind() == "Namespace" {
				continue // the release's, which helm install --create-namespace makes
			}
			conditions := []string{}
			for _, condition := range []string{part.when, choice(o, roles)} {
				if condition != "" {
					conditions = append(conditions, condition)
				}
			}
			text, err := template(o, part.name, roles)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", o, err)
			}
			put(chartFolder+"/templates/"+generatedPrefix+fileOf(o, part.name)+".yaml", when(conditions, text))
		}
	}
	files := map[string][]byte{}
	for file, text := range texts {
		files[file] = []byte(text.String())
	}
	return files, nil
}

// fileOf is the file that holds an object's template.
func fileOf(o object, part string) string {
	switch {
	case o.GetKind() == "CustomResourceDefinition":
		return "crd-" + dashed(strings.TrimSuffix(o.GetName(), ".callfleet.dev"))
	case o.GroupVersionKind().Group == "rbac.authorization.k8s.io":
		return part + "-rbac"
	}
	return part
}

// choice is the value that says whether an object is installed; "" for those that always are.
func choice(o object, roles map[string]held) string {
	switch o.GetKind() {
	case "CustomResourceDefinition":
		return "$.Values.crds.install"
	case "PriorityClass":
		return "$.Values.priorityClass.create"
	case "FlowSchema":
		return "$.Values.flowSchema.create"
	case "NetworkPolicy":
		return "$.Values.networkPolicies.enabled"
	case "ClusterRole":
		// Those of the operator's own accounts, and what the manager gives to media pods, are no choice. The rest is for people.
		if roles[o.GetName()].component == "" && o.GetName() != "callfleet-mediapod" {
			return "$.Values.userRoles.create"
		}
	}
	return ""
}

func when(conditions []string, text string) string {
	switch len(conditions) {
	case 0:
		return text
	case 1:
		return "{{- if " + conditions[0] + " }}\n" + text + "{{- end }}\n"
	}
	return "{{- if and " + strings.Join(conditions, " ") + " }}\n" + text + "{{- end }}\n"
}

// template is an object with values in it. component is the part of the values that is about it.
func template(o object, component string, roles map[string]held) (string, error) {
	role := o.GetName()
	switch o.GetKind() {
	case "ClusterRoleBinding":
		role, _, _ = unstructured.NestedString(o.Object, "roleRef", "name")
		return serviceBinding(o, roles[role])
	case "ClusterRole":
		if h, ok := roles[role]; ok {
			return serviceRole(o, h)
		}
	}
	return document(o, func(s *sheet, object map[string]any) error {
		switch o.GetKind() {
		case "CustomResourceDefinition":
			s.add(fields(object, "metadata", "annotations"), "{{- if $.Values.crds.keep }}\nhelm.sh/resource-policy: keep\n{{- end }}")
		case "Deployment":
			return deployment(s, o, object, "$.Values."+component, component)
		case "Service":
			if component == "router" {
				routerService(s, object)
			}
		}
		return nil
	})
}

func unchanged(*sheet, map[string]any) error { return nil }

// document renders an object with the labels of the release and its namespace, and with what change does to it.
func document(o object, change func(*sheet, map[string]any) error) (string, error) {
	s, object := &sheet{}, o.DeepCopy().Object
	if err := change(s, object); err != nil {
		return "", err
	}
	s.add(fields(object, "metadata", "labels"), `{{- include "callfleet.labels" $ | nindent +0 }}`)
	inNamespace(s, object)
	text, err := s.render(object)
	return "---\n" + text, err
}

// inNamespace puts the release's namespace wherever config/ has its own: in metadata, subjects, references to services and flags.
func inNamespace(s *sheet, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = inNamespace(s, item)
		}
	case []any:
		for i, item := range v {
			v[i] = inNamespace(s, item)
		}
	case string:
		if strings.Contains(v, systemNamespace) {
			return strings.ReplaceAll(v, systemNamespace, s.scalar("$.Release.Namespace"))
		}
	}
	return value
}

// optional is a field that is there only when a value holds something.
func optional(value, field string) string {
	return "{{- with $.Values." + value + " }}\n" + field + ":\n{{- toYaml . | nindent +2 }}\n{{- end }}"
}

// fields is a map below an object, which is made if it is not there.
func fields(object map[string]any, path ...string) map[string]any {
	for _, name := range path {
		next, ok := object[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[name] = next
		}
		object = next
	}
	return object
}

func routerService(s *sheet, object map[string]any) {
	s.add(fields(object, "metadata"), optional("router.service.annotations", "annotations"))
	s.add(fields(object, "spec"), `{{- with $.Values.router.service }}
{{- if ne .type "ClusterIP" }}
type: {{ .type }}
{{- end }}
{{- with .loadBalancerClass }}
loadBalancerClass: {{ . }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges:
{{- toYaml . | nindent +2 }}
{{- end }}
{{- end }}`)
	if ports, _, _ := unstructured.NestedSlice(object, "spec", "ports"); len(ports) == 1 {
		ports[0].(map[string]any)["port"] = s.scalar("$.Values.router.service.port")
		object["spec"].(map[string]any)["ports"] = ports
	}
}
