// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata/*.yaml from what is rendered")

func sample(change ...func(*v1alpha1.MediaPod)) *v1alpha1.MediaPod {
	mp := &v1alpha1.MediaPod{
		ObjectMeta: metav1.ObjectMeta{Name: "reception-3", Namespace: "voice", UID: "11111111-2222-3333-4444-555555555555"},
		Spec: v1alpha1.MediaPodSpec{
			BotRef: v1alpha1.BotReference{Name: "reception"}, Slot: 3, Revision: "0a1b2c3d4e",
			FleetConfig: v1alpha1.FleetConfig{
				Identity: v1alpha1.BotIdentity{Credential: v1alpha1.Credential{
					ClientSecret: v1alpha1.KeyReference{Name: "reception-login", Key: "password"},
				}},
				Media: v1alpha1.Media{
					Endpoint:    v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointClusterIP},
					Certificate: v1alpha1.MediaCertificate{SelfSigned: &v1alpha1.SelfSignedCertificate{}},
				},
			},
		},
	}
	for _, c := range change {
		c(mp)
	}
	return mp
}

func template(json string) func(*v1alpha1.MediaPod) {
	return func(mp *v1alpha1.MediaPod) { mp.Spec.Template = &runtime.RawExtension{Raw: []byte(json)} }
}

func hostPort(mp *v1alpha1.MediaPod) { mp.Spec.Media.Endpoint.Type = v1alpha1.EndpointHostPort }

func serviceHosted(mp *v1alpha1.MediaPod) {
	mp.Spec.Media = v1alpha1.Media{Hosting: v1alpha1.HostingService}
}

// bridged is the template of docs/microsoft-platform.md.
const bridgeTemplate = `{"spec":{"containers":[
	{"name":"bridge","image":"registry.example.com/media-bridge:1","volumeMounts":[{"name":"tls","mountPath":"/certificate","readOnly":true}],
	 "resources":{"limits":{"cpu":"4","memory":"8Gi"}}}]}}`

func bridged(mp *v1alpha1.MediaPod) {
	template(bridgeTemplate)(mp)
	mp.Spec.Media.Platform = v1alpha1.PlatformMicrosoft
}

func render(t *testing.T, port int32, change ...func(*v1alpha1.MediaPod)) *corev1.Pod {
	t.Helper()
	pod, err := Render(Input{MediaPod: sample(change...), Image: "callfleet/mediapod:v1", MediaPort: port})
	if err != nil {
		t.Fatalf("Render: %v", err)
	}
	return pod
}

func TestRenderedPodsAreAsReviewed(t *testing.T) {
	tests := map[string]*corev1.Pod{
		"windows":        render(t, 8445),
		"linux":          render(t, 8445, template(`{"spec":{"os":{"name":"linux"}}}`)),
		"windows-bridge": render(t, 28553, hostPort, bridged),
		"service-hosted": render(t, 0, serviceHosted, template(`{"spec":{"os":{"name":"linux"}}}`)),
		"windows-hostport-full": render(t, 28553, hostPort, func(mp *v1alpha1.MediaPod) {
			mp.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: "media-wildcard"}
			mp.Spec.Identity.Custom = &v1alpha1.CustomCloud{CABundle: &v1alpha1.KeyReference{Name: "roots", Key: "bundle.pem"}}
			mp.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainRollout}
		}, template(`{
			"metadata": {"labels": {"team": "voice"}, "annotations": {"example.com/note": "x"}},
			"spec": {
				"nodeSelector": {"pool": "media"},
				"tolerations": [{"key": "os", "value": "windows", "effect": "NoSchedule"}],
				"containers": [
					{"name": "mediapod",
					 "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}},
					 "env": [{"name": "GOMAXPROCS", "value": "2"}],
					 "ports": [{"name": "pprof", "containerPort": 6060}]},
					{"name": "logs", "image": "example.com/logs:1"}
				]
			}}`)),
	}
	for name, pod := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; go test -update accepts it):\n%s", file, diff)
			}
		})
	}
}

func TestRenderIsPure(t *testing.T) {
	mp := sample(template(`{"spec":{"nodeSelector":{"a":"b"}}}`))
	before := mp.DeepCopy()
	in := Input{MediaPod: mp, Image: "i", MediaPort: 8445}
	first, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	first.Labels["x"] = "y"
	first.Spec.NodeSelector["x"] = "y"
	second, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	if second.Labels["x"] != "" || second.Spec.NodeSelector["x"] != "" {
		t.Error("a change to one rendered Pod shows in the next")
	}
	if diff := cmp.Diff(before, mp); diff != "" {
		t.Errorf("Render changed the MediaPod: %s", diff)
	}
}

func TestStateFollowsDrainAndDeletion(t *testing.T) {
	now := metav1.Now()
	tests := map[string]struct {
		change func(*v1alpha1.MediaPod)
		want   string
	}{
		"neither": {func(*v1alpha1.MediaPod) {}, "serving"},
		"drain":   {func(mp *v1alpha1.MediaPod) { mp.Spec.Drain = &v1alpha1.Drain{} }, "draining"},
		"deleted": {func(mp *v1alpha1.MediaPod) { mp.DeletionTimestamp = &now }, "draining"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := render(t, 8445, tc.change).Labels[v1alpha1.LabelState]; got != tc.want {
				t.Errorf("label is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMediaPortIsReadBackFromThePod(t *testing.T) {
	if got := MediaPort(render(t, 28553, hostPort)); got != 28553 {
		t.Errorf("MediaPort = %d, want 28553", got)
	}
	if got := MediaPort(&corev1.Pod{}); got != 0 {
		t.Errorf("MediaPort of a Pod that is none of ours = %d, want 0", got)
	}
}

func TestATemplateHasTheLastWordOnTolerations(t *testing.T) {
	pod := render(t, 8445, template(`{"spec":{"tolerations":[
		{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":60}]}}`))
	seconds := map[string]int64{}
	for _, tol := range pod.Spec.Tolerations {
		seconds[tol.Key] = *tol.TolerationSeconds
	}
	want := map[string]int64{"node.kubernetes.io/unreachable": 60, "node.kubernetes.io/not-ready": 86400}
	if diff := cmp.Diff(want, seconds); diff != "" {
		t.Error(diff)
	}
}
