// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var chartFolder = filepath.Join(root, "charts", "callfleet")

// valueSets are values that people choose, each with what they make of the default.
var valueSets = map[string]string{
	"default": ``,
	"all that can be switched on": `
image: {registry: registry.example.com/team, tag: v1.2.3, pullSecrets: [{name: registry}]}
manager:
  logLevel: debug
  extraArgs: [--pprof-bind-address=127.0.0.1:6060]
  tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
  priorityClassName: system-cluster-critical
  podAnnotations: {a.example.com/b: "true"}
  podLabels: {c: d}
router:
  autoscaling: {enabled: true}
  service: {type: LoadBalancer, annotations: {a.example.com/b: c}, loadBalancerClass: example.com/x, loadBalancerSourceRanges: [10.0.0.0/8]}
  tls: {certManager: {enabled: true, dnsNames: [bots.example.com]}}
  tolerations: [{operator: Exists}]
  podLabels: {e: f}
  podAnnotations: {g: h}
admissionPolicies: {enabled: true}
metrics: {serviceMonitor: {enabled: true, labels: {release: prometheus}}}
`,
	"all that can be switched off": `
crds: {install: false}
router: {enabled: false}
priorityClass: {create: false}
flowSchema: {create: false}
networkPolicies: {enabled: false}
userRoles: {create: false}
`,
	"two namespaces": `{namespaces: [voice, "42"], admissionPolicies: {enabled: true}}`,
	"digests": `
manager: {image: {digest: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}}
mediapod: {image: {repository: elsewhere/mediapod, tag: v1-windows-ltsc2022}}
`,
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render is helm template, with what it says after an installation.
func render(t *testing.T, text string) (objects []object, notes string, err error) {
	t.Helper()
	c := load(t)
	capabilities := common.DefaultCapabilities.Copy()
	v, err := util.ToRenderValues(c, values(t, text), common.ReleaseOptions{Name: "callfleet", Namespace: systemNamespace, IsInstall: true, Revision: 1}, capabilities)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, v)
	if err != nil {
		return nil, "", err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch path.Ext(name) {
		case ".yaml":
			objects = append(objects, parse(t, name, []byte(files[name]))...)
		case ".txt":
			notes = files[name]
		}
	}
	return objects, notes, nil
}

func mustRender(t *testing.T, text string) []object {
	t.Helper()
	objects, _, err := render(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestHelmFindsNothingToSayAboutTheChart(t *testing.T) {
	for name, text := range valueSets {
		t.Run(name, func(t *testing.T) {
			result := lint.RunAll(chartFolder, values(t, text), systemNamespace)
			for _, message := range result.Messages {
				if message.Severity >= support.WarningSev {
					t.Errorf("helm lint: %v", message)
				}
			}
		})
	}
}

// The chart is another way to write config/, not another operator.
func TestTheChartInstallsWhatKustomizeDoes(t *testing.T) {
	for name, c := range map[string]struct {
		values  string
		folders []string
	}{
		"by default":          {"", []string{"default", "router"}},
		"without a router":    {"router: {enabled: false}", []string{"default"}},
		"with the policies":   {"admissionPolicies: {enabled: true}", []string{"default", "router", "admission"}},
		"with kinds that go":  {"crds: {keep: false}", []string{"default", "router"}},
		"with the same image": {"image: {tag: dev}", []string{"default", "router"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := byName(t, without(kustomized(t, c.folders...), "Namespace")), byName(t, mustRender(t, c.values))
			for id, o := range got {
				plain(o)
				if diff := cmp.Diff(content(want[id]), content(o)); diff != "" {
					t.Errorf("%s (-config +chart):\n%s", id, diff)
				}
				delete(want, id)
			}
			for id := range want {
				t.Errorf("the chart lacks %s", id)
			}
		})
	}
}

func content(o object) map[string]any {
	if o.Unstructured == nil {
		return nil
	}
	return o.Object
}

// plain takes away what Helm's conventions add.
func plain(o object) {
	labels := o.GetLabels()
	for _, name := range []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"} {
		if labels[name] == "" {
			labels["missing label"] = name
		}
		delete(labels, name)
	}
	if len(labels) == 0 {
		labels = nil
	}
	o.SetLabels(labels)
	annotations := o.GetAnnotations()
	delete(annotations, "helm.sh/resource-policy")
	o.SetAnnotations(annotations)
}

func TestKindsAreKeptUnlessToldOtherwise(t *testing.T) {
	for text, want := range map[string]string{"": "keep", "crds: {keep: false}": ""} {
		kinds := 0
		for _, o := range mustRender(t, text) {
			if o.GetKind() == "CustomResourceDefinition" {
				kinds++
			} else if o.GetAnnotations()["helm.sh/resource-policy"] != "" {
				t.Errorf("%q: %s is kept", text, o)
			}
			if got := o.GetAnnotations()["helm.sh/resource-policy"]; o.GetKind() == "CustomResourceDefinition" && got != want {
				t.Errorf("%q: the policy of %s is %q, want %q", text, o, got, want)
			}
		}
		if kinds < 4 {
			t.Errorf("%q: only %d kinds", text, kinds)
		}
	}
}

func TestValuesLeadToWhatTheySay(t *testing.T) {
	all := byName(t, mustRender(t, valueSets["all that can be switched on"]))
	for _, c := range []struct {
		object string
		want   any
		path   []string
	}{
		{"callfleet-system/Deployment/callfleet-manager", "registry.example.com/team/callfleet/manager:v1.2.3", []string{"spec", "template", "spec", "containers", "0", "image"}},
		{"callfleet-system/Deployment/callfleet-manager", "--mediapod-image=registry.example.com/team/callfleet/mediapod:v1.2.3", []string{"spec", "template", "spec", "containers", "0", "args"}},
		{"callfleet-system/Deployment/callfleet-manager", "--log-level=debug", []string{"spec", "template", "spec", "containers", "0", "args"}},
		{"callfleet-system/Deployment/callfleet-manager", "system-cluster-critical", []string{"spec", "template", "spec", "priorityClassName"}},
		{"callfleet-system/Deployment/callfleet-manager", "registry", []string{"spec", "template", "spec", "imagePullSecrets", "0", "name"}},
		{"callfleet-system/Deployment/callfleet-router", nil, []string{"spec", "replicas"}}, // the autoscaler's
		{"callfleet-system/Deployment/callfleet-router", "f", []string{"spec", "template", "metadata", "labels", "e"}},
		{"callfleet-system/Service/callfleet-router", "LoadBalancer", []string{"spec", "type"}},
		{"callfleet-system/HorizontalPodAutoscaler/callfleet-router", int64(10), []string{"spec", "maxReplicas"}},
		{"callfleet-system/Certificate/callfleet-router", "callfleet-router-tls", []string{"spec", "secretName"}},
		{"callfleet-system/ServiceMonitor/callfleet-manager", "prometheus", []string{"metadata", "labels", "release"}},
		{"ValidatingAdmissionPolicy/callfleet-busy-pods", "Fail", []string{"spec", "failurePolicy"}},
	} {
		o, ok := all[c.object]
		if !ok {
			t.Errorf("there is no %s", c.object)
			continue
		}
		got := at(o.Object, c.path...)
		if args, ok := got.([]any); ok && !slices.Contains(args, c.want) || !ok && got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.object, strings.Join(c.path, "."), got, c.want)
		}
	}
	for id, o := range byName(t, mustRender(t, valueSets["all that can be switched off"])) {
		switch o.GetKind() {
		case "CustomResourceDefinition", "PriorityClass", "FlowSchema", "NetworkPolicy":
			t.Errorf("%s is there all the same", id)
		}
		if strings.Contains(id, "router") || strings.Contains(id, "-edit") {
			t.Errorf("%s is there all the same", id)
		}
	}
	digests := byName(t, mustRender(t, valueSets["digests"]))
	manager := digests["callfleet-system/Deployment/callfleet-manager"].Object
	for want, got := range map[string]any{
		"callfleet/manager@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": at(manager, "spec", "template", "spec", "containers", "0", "image"),
		"--mediapod-image=elsewhere/mediapod:v1-windows-ltsc2022":                                   at(manager, "spec", "template", "spec", "containers", "0", "args", "0"),
	} {
		if got != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// at is a field of an object; items of lists by their number.
func at(from any, path ...string) any {
	for _, name := range path {
		switch v := from.(type) {
		case map[string]any:
			from = v[name]
		case []any:
			i := int(name[0] - '0')
			if i >= len(v) {
				return nil
			}
			from = v[i]
		default:
			return nil
		}
	}
	return from
}

func TestMistakesInValuesAreTold(t *testing.T) {
	for text, want := range map[string]string{
		"manger: {replicas: 3}":                             "additional properties 'manger' not allowed",
		"manager: {replicas: two}":                          "/manager/replicas",
		"manager: {image: {digest: latest}}":                "/manager/image/digest",
		"image: {registry: 'https://registry.example.com'}": "/image/registry",
		"namespaces: [Voice]":                               "/namespaces/0",
		"namespaces: voice":                                 "/namespaces",
		"manager: {logLevel: trace}":                        "/manager/logLevel",
		"router: {service: {type: ExternalName}}":           "/router/service/type",
		"router: {tls: {certManager: {enabled: true}}}":     "/router/tls/certManager/dnsNames",
		"router: {tls: {secretName: ''}}":                   "/router/tls/secretName",
	} {
		if _, _, err := render(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, which does not say %q", text, err, want)
		}
	}
}

func TestTheNotesSayWhatIsNext(t *testing.T) {
	for text, want := range map[string]string{
		"": "create secret tls callfleet-router-tls",
		"router: {tls: {certManager: {enabled: true, dnsNames: [bots.example.com]}}, service: {type: LoadBalancer}}": "get service callfleet-router",
		"router: {enabled: false}":   "There is no router",
		"namespaces: [voice, sales]": "serves the namespaces voice, sales",
		"crds: {keep: false}":        "helm uninstall takes every bot",
	} {
		_, notes, err := render(t, text)
		if err != nil || !strings.Contains(notes, want) {
			t.Errorf("%s: %v, %q does not say %q", text, err, notes, want)
		}
	}
}

func TestEveryValueHasASchemaAndADefault(t *testing.T) {
	c := load(t)
	var schema map[string]any
	if err := yaml.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	definitions := schema["$defs"].(map[string]any)
	var compare func(path string, schema map[string]any, value any)
	compare = func(path string, schema map[string]any, value any) {
		if reference, ok := schema["$ref"].(string); ok {
			schema = definitions[strings.TrimPrefix(reference, "#/$defs/")].(map[string]any)
		}
		properties, _ := schema["properties"].(map[string]any)
		fields, isMap := value.(map[string]any)
		if properties == nil || !isMap {
			return
		}
		for name := range fields {
			if properties[name] == nil {
				t.Errorf("the schema lacks %s.%s", path, name)
				continue
			}
			compare(path+"."+name, properties[name].(map[string]any), fields[name])
		}
		for name := range properties {
			// What Helm and Kubernetes have of their own.
			if _, ok := fields[name]; !ok && path+"."+name != ".global" && name != "claims" && name != "group" {
				t.Errorf("values.yaml lacks %s.%s", path, name)
			}
		}
	}
	compare("", schema, map[string]any(c.Values))
}

// The restricted Pod Security level, and nodes that can run the programs, whatever the values.
func TestPodsAreRestrictedWhateverTheValues(t *testing.T) {
	for name, text := range valueSets {
		for _, o := range mustRender(t, text) {
			if o.GetKind() != "Deployment" {
				continue
			}
			pod, _, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec")
			container := at(pod, "containers", "0")
			for what, ok := range map[string]bool{
				"runs as root":                     at(pod, "securityContext", "runAsNonRoot") == true,
				"has no seccomp profile":           at(pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault",
				"may gain rights":                  at(container, "securityContext", "allowPrivilegeEscalation") == false,
				"has capabilities":                 at(container, "securityContext", "capabilities", "drop", "0") == "ALL",
				"writes to its root":               at(container, "securityContext", "readOnlyRootFilesystem") == true,
				"may land on Windows":              at(pod, "nodeSelector", "kubernetes.io/os") == "linux",
				"requests no CPU, for autoscalers": at(container, "resources", "requests", "cpu") != nil,
				"has no limit of memory":           at(container, "resources", "limits", "memory") != nil,
			} {
				if !ok {
					t.Errorf("with %s, %s %s", name, o, what)
				}
			}
		}
	}
}
