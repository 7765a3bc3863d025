// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const root = "../.."

func loaded(t *testing.T) *config {
	t.Helper()
	c, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChartAndBundleAreCurrent(t *testing.T) {
	files, err := generate(root, loaded(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Errorf("only %d files are made", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Errorf("%v; run make generate", err)
		} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what config/ says; run make generate (-want +got)\n%s", name, diff)
		}
	}
	stale, err := unwanted(root, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stale {
		t.Errorf("%s is no longer made; run make generate", name)
	}
}

func TestTheSingleFileIsTheOperatorWithItsRouter(t *testing.T) {
	c := loaded(t)
	files, err := distribution(root, c, "registry.example.com/voice/", "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	install := string(files["install.yaml"])
	documents := strings.Split(install, "\n---\n")
	if want := len(c.operator) + len(c.router); len(documents) != want {
		t.Errorf("%d objects, want %d", len(documents), want)
	}
	for _, want := range []string{
		"image: registry.example.com/voice/manager:v1.2.3", "image: registry.example.com/voice/router:v1.2.3",
		"--mediapod-image=registry.example.com/voice/mediapod:v1.2.3",
	} {
		if !strings.Contains(install, want) {
			t.Errorf("install.yaml lacks %q", want)
		}
	}
	if !strings.Contains(documents[0], "kind: Namespace") {
		t.Error("the namespace is not first, so that what is in it cannot be applied")
	}
	for name, text := range files {
		if bytes.Contains(text, []byte("callfleet/manager:dev")) {
			t.Errorf("%s names an image that nobody has", name)
		}
	}
	if files["bundle/manifests/callfleet.clusterserviceversion.yaml"] == nil || files["bundle.Dockerfile"] == nil {
		t.Error("there is no bundle with the images of the release")
	}
}

// A port that a program opens and no policy lets in works on one cluster and not on the next. Probes are the kubelet's, which policies do not stop.
func TestPoliciesLetInWhatThePortsAreFor(t *testing.T) {
	c := loaded(t)
	for component, objects := range map[string][]object{"manager": c.operator, "router": c.router} {
		deployment, err := one(objects, "Deployment", "callfleet-"+component)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := container(deployment)
		if err != nil {
			t.Fatal(err)
		}
		var pod corev1.Container
		if err := convert(object{&unstructured.Unstructured{Object: raw}}, &pod); err != nil {
			t.Fatal(err)
		}
		policy, err := one(objects, "NetworkPolicy", "callfleet-"+component)
		if err != nil {
			t.Fatal(err)
		}
		var p networkingv1.NetworkPolicy
		if err := convert(policy, &p); err != nil {
			t.Fatal(err)
		}
		let := map[string]bool{"health": true}
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				let[port.Port.String()] = true
			}
		}
		for _, port := range pod.Ports {
			if !let[port.Name] {
				t.Errorf("config/%s/networkpolicy.yaml does not let in port %s", component, port.Name)
			}
		}
	}
}

func TestRulesAreSplitByWhatTheyAreAbout(t *testing.T) {
	namespaced, cluster, err := split([]rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps", "nodes"}, Verbs: []string{"get"}},
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterroles"}, ResourceNames: []string{"x"}, Verbs: []string{"bind"}},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
		{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterroles"}, ResourceNames: []string{"x"}, Verbs: []string{"bind"}},
	}, namespaced); diff != "" {
		t.Errorf("in namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}},
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	}, cluster); diff != "" {
		t.Errorf("in the cluster (-want +got):\n%s", diff)
	}
	if _, _, err := split([]rbacv1.PolicyRule{{APIGroups: []string{"", "apps"}, Resources: []string{"pods"}, Verbs: []string{"get"}}}); err == nil {
		t.Error("a rule of two groups is split")
	}
}

func TestMarksAreReplacedWhereTheyStand(t *testing.T) {
	s := &sheet{}
	o := map[string]any{
		"replicas": s.scalar(".n"),
		"text":     "not {{ a template }}",
		"list":     []any{map[string]any{"resources": s.yaml("toYaml .r")}, s.item("{{- if .x }}\n- more\n{{- end }}")},
		"inner":    map[string]any{"name": "x-" + s.scalar(".a") + "-" + s.scalar(".b")},
	}
	s.add(o["inner"].(map[string]any), "{{- with .l }}\nlabels:\n{{- toYaml . | nindent +2 }}\n{{- end }}")
	got, err := s.render(o)
	if err != nil {
		t.Fatal(err)
	}
	want := `inner:
{{- with .l }}
  labels:
{{- toYaml . | nindent 4 }}
{{- end }}
  name: x-{{ .a }}-{{ .b }}
list:
- resources: {{- toYaml .r | nindent 4 }}
{{- if .x }}
- more
{{- end }}
replicas: {{ .n }}
text: not {{ "{{" }} a template }}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTitlesAreWordsOfThePath(t *testing.T) {
	for path, want := range map[string]string{
		"replicas": "Replicas", "leave.aloneTimeout": "Leave alone timeout", "identity.appID": "Identity app ID", "meeting.joinURL": "Meeting join URL",
		"ttlSecondsAfterFinished": "Ttl seconds after finished", "media.endpoint.type": "Media endpoint type",
	} {
		if got := title(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
