// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		template string // "" for none
		want     string // "" for valid
	}{
		"none":               {"", ""},
		"null":               {`null`, ""},
		"empty":              {`{}`, ""},
		"linux":              {`{"spec":{"os":{"name":"linux"}}}`, ""},
		"a second container": {`{"spec":{"containers":[{"name":"logs","image":"x"}]}}`, ""},
		"resources":          {`{"spec":{"containers":[{"name":"mediapod","resources":{"limits":{"cpu":"2"}}}]}}`, ""},
		"own port":           {`{"spec":{"containers":[{"name":"mediapod","ports":[{"containerPort":6060}]}]}}`, ""},
		"other image":        {`{"spec":{"containers":[{"name":"mediapod","image":"example.com/mine:1"}]}}`, ""},
		"null removes what is not needed": {
			`{"spec":{"containers":[{"name":"mediapod","startupProbe":null}]}}`, "",
		},
		"unknown field": {
			`{"spec":{"contaners":[]}}`, `unknown field "template.spec.contaners"`,
		},
		"unknown field deep inside": {
			`{"spec":{"containers":[{"name":"mediapod","resources":{"limit":{}}}]}}`,
			`unknown field "template.spec.containers[0].resources.limit"`,
		},
		"two unknown fields": {
			`{"metadata":{"label":{}},"spec":{"toleration":[]}}`,
			"unknown field \"template.metadata.label\"\nunknown field \"template.spec.toleration\"",
		},
		"wrong case": {
			`{"spec":{"NodeSelector":{}}}`, `unknown field "template.spec.NodeSelector"`,
		},
		"repeated field": {
			`{"spec":{"nodeName":"a","nodeName":"b"}}`, `duplicate field "template.spec.nodeName"`,
		},
		"merge directive": {
			`{"spec":{"containers":[{"name":"mediapod","$patch":"delete"}]}}`,
			`unknown field "template.spec.containers[0].$patch"`,
		},
		"wrong type": {
			`{"spec":{"containers":"mediapod"}}`,
			"template is not a pod template: json: cannot unmarshal string into Go struct field PodSpec.template.spec.containers of type []v1.Container",
		},
		"a list": {
			`[]`, "template is not a pod template: json: cannot unmarshal array into Go struct field PodTemplate.template of type v1.PodTemplateSpec",
		},
		"container without name": {
			`{"spec":{"containers":[{"image":"x"}]}}`,
			"template cannot be merged: map: map[image:x] does not contain declared merge key: name",
		},
		"other operating system": {
			`{"spec":{"os":{"name":"plan9"}}}`, `template.spec.os.name is "plan9"; media pods run on windows or linux`,
		},
		"name": {
			`{"metadata":{"name":"x"}}`, "template.metadata may hold labels and annotations only; remove the rest",
		},
		"own label": {
			`{"metadata":{"labels":{"callfleet.dev/bot":"x"}}}`,
			"template.metadata.labels[callfleet.dev/bot] is the operator's own; remove it",
		},
		"pod index": {
			`{"metadata":{"labels":{"apps.kubernetes.io/pod-index":"1"}}}`,
			"template.metadata.labels[apps.kubernetes.io/pod-index] is the operator's own; remove it",
		},
		"containers removed": {
			`{"spec":{"containers":null}}`,
			`template.spec.containers removes the container "mediapod"; leave it out or add to it`,
		},
		"volumes removed": {
			`{"spec":{"volumes":null}}`, "template.spec.volumes changes credentials, which the operator sets; remove it",
		},
		"environment changed": {
			`{"spec":{"containers":[{"name":"mediapod","env":[{"name":"MEDIA_PORT","value":"1"}]}]}}`,
			"template.spec.containers[mediapod].env changes MEDIA_PORT, which the operator sets; remove it",
		},
		"port removed": {
			`{"spec":{"containers":[{"name":"mediapod","ports":null}]}}`,
			"template.spec.containers[mediapod].ports changes media-tcp, which the operator sets; remove it",
		},
		"mount changed": {
			`{"spec":{"containers":[{"name":"mediapod","volumeMounts":[{"mountPath":"/var/run/callfleet/tls","name":"mine"}]}]}}`,
			"template.spec.containers[mediapod].volumeMounts changes /var/run/callfleet/tls, which the operator sets; remove it",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var template *runtime.RawExtension
			if tc.template != "" {
				template = &runtime.RawExtension{Raw: []byte(tc.template)}
			}
			got := ""
			if err := Validate(template, ""); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("Validate(%s)\n got: %s\nwant: %s", tc.template, got, tc.want)
			}
		})
	}
}

func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"spec":{"os":{"name":"linux"},"containers":[{"name":"mediapod","env":[{"name":"A","value":"b"}]}]}}`))
	f.Add([]byte(`{"spec":{"containers":[null]}}`))
	f.Add([]byte(`{"metadata":null,"spec":{"volumes":[{"name":"tls","$retainKeys":["secret"]}]}}`))
	f.Add([]byte(`"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		// It must answer, and answer the same twice.
		first, second := Validate(&runtime.RawExtension{Raw: raw}, "Microsoft"), Validate(&runtime.RawExtension{Raw: raw}, "Microsoft")
		if (first == nil) != (second == nil) {
			t.Errorf("%q: first %v, then %v", raw, first, second)
		}
	})
}
