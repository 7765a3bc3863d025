// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// TestRecordingsHaveAPlace: one that goes with the Pod, or the one that the template has.
func TestRecordingsHaveAPlace(t *testing.T) {
	emptyDir := func(v *corev1.Volume) bool { return v != nil && v.EmptyDir != nil }
	claim := func(v *corev1.Volume) bool {
		return v != nil && v.EmptyDir == nil && v.PersistentVolumeClaim.ClaimName == "tapes"
	}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.MediaPod)
		volume string
		want   func(*corev1.Volume) bool
	}{
		"nothing said": {func(*v1alpha1.MediaPod) {}, "recordings", emptyDir},
		"another volume of the name": {
			template(`{"spec":{"volumes":[{"name":"recordings","persistentVolumeClaim":{"claimName":"tapes"}}]}}`), "recordings", claim,
		},
		"another volume at the place": {
			template(`{"spec":{"volumes":[{"name":"mine","persistentVolumeClaim":{"claimName":"tapes"}}],"containers":[{"name":"mediapod","volumeMounts":[{"name":"mine","mountPath":"/recordings"}]}]}}`),
			"mine", claim,
		},
		"another container before": {template(`{"spec":{"containers":[{"name":"first","image":"x"}]}}`), "recordings", emptyDir},
	} {
		t.Run(name, func(t *testing.T) {
			pod := render(t, 8445, tc.change)
			c := find(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
			mounted := 0
			for _, m := range c.VolumeMounts {
				if m.MountPath == RecordingsDirectory {
					mounted++
					if m.Name != tc.volume || m.ReadOnly {
						t.Errorf("mount %+v", m)
					}
				}
			}
			if v := find(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == tc.volume }); mounted != 1 || !tc.want(v) {
				t.Errorf("mounted %d times: %+v", mounted, v)
			}
		})
	}
	limited := render(t, 8445, func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Recordings = &v1alpha1.Recordings{MaxDisk: ptr.To(resource.MustParse("5Gi"))}
	})
	if v := find(limited.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == recordings }); v.EmptyDir.SizeLimit.String() != "5Gi" {
		t.Errorf("with maxDisk 5Gi the volume is %+v", v.EmptyDir)
	}
	pod := render(t, 0, serviceHosted)
	if find(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == recordings }) == nil {
		t.Error("a pod that hears nothing has no place for what its flows have recorded")
	}
}

// TestTheKeysOfTheBucketAreMounted, and a Secret that is not there keeps no pod from taking calls.
func TestTheKeysOfTheBucketAreMounted(t *testing.T) {
	storage := &v1alpha1.RecordingStorage{URL: "s3://tapes?region=eu-west-1"}
	for name, ref := range map[string]*v1alpha1.SecretReference{"a Secret": {Name: "tapes"}, "the pod's account": nil} {
		t.Run(name, func(t *testing.T) {
			storage.CredentialsSecretRef = ref
			pod := render(t, 8445, func(mp *v1alpha1.MediaPod) { mp.Spec.Media.Recordings = &v1alpha1.Recordings{Storage: storage} })
			v := find(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "storage" })
			m := find(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == StorageDirectory })
			if ref == nil {
				if v != nil || m != nil {
					t.Errorf("there is %+v, mounted as %+v", v, m)
				}
				return
			}
			if v == nil || v.Secret.SecretName != "tapes" || !*v.Secret.Optional || m == nil || !m.ReadOnly || m.Name != "storage" {
				t.Errorf("there is %+v, mounted as %+v", v, m)
			}
		})
	}
}
