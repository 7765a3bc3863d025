// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

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
	pod := render(t, 0, serviceHosted)
	if find(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == recordings }) != nil {
		t.Error("a pod that hears nothing has a place for recordings")
	}
}
