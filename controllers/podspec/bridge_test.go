// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// TestThePodSaysWhichCertificateItsPlatformStartsWith: with media.platform: Microsoft, and only then, as other pods follow a renewal.
func TestThePodSaysWhichCertificateItsPlatformStartsWith(t *testing.T) {
	shown := &x509.Certificate{Raw: []byte("certificate"), NotAfter: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	annotations := func(change func(*v1alpha1.MediaPod)) map[string]string {
		pod, err := Render(Input{MediaPod: sample(change), Image: "i", MediaPort: 28550, Certificate: shown})
		if err != nil {
			t.Fatal(err)
		}
		return pod.Annotations
	}
	want := map[string]string{
		"callfleet.dev/certificate":         "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72",
		"callfleet.dev/certificate-expires": "2026-06-01T12:00:00Z",
	}
	if diff := cmp.Diff(want, annotations(bridged)); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if got := annotations(template(bridgeTemplate)); len(got) != 0 {
		t.Errorf("a pod of platform WebRTC has annotations %v", got)
	}
}

func TestATemplateHasWhatMicrosoftsPlatformNeeds(t *testing.T) {
	cases := map[string]struct{ template, want string }{
		"a bridge":  {bridgeTemplate, ""},
		"no bridge": {`{}`, `template.spec.containers has no container "bridge", which media.platform: Microsoft needs; add the one that hosts the library (docs/microsoft-platform.md)`},
		"on Linux": {
			`{"spec":{"os":{"name":"linux"},"containers":[{"name":"bridge","image":"x"}]}}`,
			"template.spec.os.name is linux, and media.platform: Microsoft needs windows: the library runs nowhere else",
		},
		"the port repeated": {`{"spec":{"containers":[{"name":"bridge","image":"x","env":[{"name":"BRIDGE_PORT","value":"9450"}]}]}}`, ""},
		"another port for the bridge": {
			`{"spec":{"containers":[{"name":"bridge","image":"x","env":[{"name":"BRIDGE_PORT","value":"1"}]}]}}`,
			"template.spec.containers[bridge].env changes BRIDGE_PORT, which the operator sets; remove it",
		},
		"another port for the media pod": {
			`{"spec":{"containers":[{"name":"mediapod","env":[{"name":"BRIDGE_PORT","value":"1"}]},{"name":"bridge","image":"x"}]}}`,
			"template.spec.containers[mediapod].env changes BRIDGE_PORT, which the operator sets; remove it",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := Validate(&runtime.RawExtension{Raw: []byte(tc.template)}, v1alpha1.PlatformMicrosoft); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
