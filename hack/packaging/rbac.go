// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
)

// clusterScoped are the resources without a namespace that roles of ours name, by group and resource. A test holds it against an API server.
var clusterScoped = map[string]bool{
	"/namespaces": true,
	"/nodes":      true,

	"admissionregistration.k8s.io/validatingwebhookconfigurations": true,
	"apiextensions.k8s.io/customresourcedefinitions":               true,
	"authentication.k8s.io/tokenreviews":                           true,
	"authorization.k8s.io/subjectaccessreviews":                    true,
	"storage.k8s.io/storageclasses":                                true,
}

// held is a ClusterRole that an account of the operator holds in the whole cluster.
type held struct {
	component string
	// namespaced and cluster are its rules, by what they are about.
	namespaced, cluster []rbacv1.PolicyRule
}

// heldRoles finds them by their bindings.
func heldRoles(c *config) (map[string]held, error) {
	roles := map[string]held{}
	for component, objects := range map[string][]object{"manager": c.operator, "router": c.router} {
		for _, o := range ofKind(objects, "ClusterRoleBinding") {
			var b rbacv1.ClusterRoleBinding
			if err := convert(o, &b); err != nil {
				return nil, err
			}
			if len(b.Subjects) != 1 || b.Subjects[0].Name != "callfleet-"+component {
				return nil, fmt.Errorf("%s is not for the account callfleet-%s alone", o, component)
			}
			role, err := one(objects, "ClusterRole", b.RoleRef.Name)
			if err != nil {
				return nil, err
			}
			var typed rbacv1.ClusterRole
			if err := convert(role, &typed); err != nil {
				return nil, err
			}
			h := held{component: component}
			if h.namespaced, h.cluster, err = split(typed.Rules); err != nil {
				return nil, fmt.Errorf("%s: %w", role, err)
			}
			roles[typed.Name] = h
		}
	}
	return roles, nil
}

// split parts rules into those about things of a namespace, and those about things of the cluster.
func split(rules []rbacv1.PolicyRule) (namespaced, cluster []rbacv1.PolicyRule, err error) {
	for _, rule := range rules {
		if len(rule.NonResourceURLs) > 0 {
			cluster = append(cluster, rule)
			continue
		}
		if len(rule.APIGroups) != 1 {
			return nil, nil, fmt.Errorf("a rule is of the groups %q, not of one", rule.APIGroups)
		}
		in, out := rule.DeepCopy(), rule.DeepCopy()
		in.Resources, out.Resources = nil, nil
		for _, resource := range rule.Resources {
			if clusterScoped[rule.APIGroups[0]+"/"+resource] {
				out.Resources = append(out.Resources, resource)
			} else {
				// Also clusterroles: that they may be bound is asked in the namespace of the binding.
				in.Resources = append(in.Resources, resource)
			}
		}
		if len(in.Resources) > 0 {
			namespaced = append(namespaced, *in)
		}
		if len(out.Resources) > 0 {
			cluster = append(cluster, *out)
		}
	}
	return namespaced, cluster, nil
}

// serviceRole is the role of an account of the operator: for the whole cluster, or else for what has no namespace, and a role of the
// same name in each namespace that is served.
func serviceRole(o object, h held) (string, error) {
	everywhere, err := document(o, unchanged)
	if err != nil {
		return "", err
	}
	text := "{{- if $.Values.namespaces }}\n"
	if len(h.cluster) > 0 {
		part, err := document(o, func(_ *sheet, role map[string]any) error { return setRules(role, h.cluster) })
		if err != nil {
			return "", err
		}
		text += part
	}
	text += "{{- range $.Values.namespaces }}\n"
	for _, kind := range []string{"Role", "RoleBinding"} {
		part, err := document(o, func(s *sheet, role map[string]any) error {
			role["kind"] = kind
			fields(role, "metadata")["namespace"] = s.scalar(". | quote")
			if kind == "Role" {
				return setRules(role, h.namespaced)
			}
			delete(role, "rules")
			role["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "Role", "name": o.GetName()}
			role["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": "callfleet-" + h.component, "namespace": systemNamespace}}
			return nil
		})
		if err != nil {
			return "", err
		}
		text += part
	}
	return text + "{{- end }}\n{{- else }}\n" + everywhere + "{{- end }}\n", nil
}

// serviceBinding leaves out the binding of a role that has nothing for the cluster, when there are roles in namespaces.
func serviceBinding(o object, h held) (string, error) {
	text, err := document(o, unchanged)
	if len(h.cluster) == 0 {
		text = "{{- if not $.Values.namespaces }}\n" + text + "{{- end }}\n"
	}
	return text, err
}

func setRules(role map[string]any, rules []rbacv1.PolicyRule) error {
	raw, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	var plain []any
	err = json.Unmarshal(raw, &plain)
	role["rules"] = plain
	return err
}

// convert makes a typed object of one that is read from YAML.
func convert(o object, into any) error {
	raw, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
