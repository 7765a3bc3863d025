// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// grantedRules are what the roles of config/ allow, by role, group and resource, as docs/security.md writes it.
func grantedRules(t *testing.T) map[[3]string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "rbac", "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files of roles: %v", len(files), err)
	}
	verbs := map[[3]string][]string{}
	for _, file := range append(files, filepath.Join(root, "config", "router", "rbac.yaml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			var role struct {
				Kind     string
				Metadata struct{ Name string }
				Rules    []struct {
					APIGroups, Resources, ResourceNames, Verbs []string
					NonResourceURLs                            []string
				}
			}
			if err := yaml.Unmarshal([]byte(document), &role); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, rule := range role.Rules {
				groups := rule.APIGroups
				if len(rule.NonResourceURLs) > 0 {
					groups = []string{""}
				}
				slices.Sort(rule.Verbs)
				slices.Sort(rule.ResourceNames)
				for _, group := range groups {
					for _, resource := range append(rule.Resources, rule.NonResourceURLs...) {
						text := strings.Join(rule.Verbs, " ")
						if len(rule.ResourceNames) > 0 {
							text += " of `" + strings.Join(rule.ResourceNames, "` `") + "`"
						}
						key := [3]string{role.Metadata.Name, group, resource}
						verbs[key] = append(verbs[key], text)
					}
				}
			}
		}
	}
	granted := map[[3]string]string{}
	for key, list := range verbs {
		slices.Sort(list)
		granted[key] = strings.Join(list, "; ")
	}
	return granted
}

func TestEveryRuleIsToldWithItsReason(t *testing.T) {
	_, after, found := strings.Cut(read(t, "docs/security.md"), "<!-- rules -->\n")
	table, _, closed := strings.Cut(after, "<!-- end of rules -->")
	if !found || !closed {
		t.Fatal("docs/security.md has no table of rules")
	}
	granted := grantedRules(t)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^ ]*) \\| `([^`]+)` \\| (.*?) \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		key := [3]string{row[1], row[2], row[3]}
		switch want, ok := granted[key]; {
		case !ok:
			t.Errorf("docs/security.md tells of %s, %s/%s, which is no rule", key[0], key[1], key[2])
		case row[4] != want:
			t.Errorf("docs/security.md says that %s may %s %s/%s; it may %s", key[0], row[4], key[1], key[2], want)
		case strings.TrimSpace(row[5]) == "":
			t.Errorf("docs/security.md does not say why %s may %s %s/%s", key[0], want, key[1], key[2])
		}
		delete(granted, key)
	}
	for key, verbs := range granted {
		t.Errorf("docs/security.md does not tell of %s, which may %s %s/%s", key[0], verbs, key[1], key[2])
	}
}

func TestNoRoleHoldsEverything(t *testing.T) {
	for key, verbs := range grantedRules(t) {
		if key[1] == "*" || key[2] == "*" || strings.Contains(verbs, "*") || strings.Contains(verbs, "escalate") || strings.Contains(verbs, "impersonate") {
			t.Errorf("%s may %s %s/%s", key[0], verbs, key[1], key[2])
		}
		if strings.Contains(verbs, "bind") && !strings.Contains(verbs, " of ") {
			t.Errorf("%s may bind every role", key[0])
		}
	}
}
