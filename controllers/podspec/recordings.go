// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// RecordingsDirectory is where the process writes recordings.
	RecordingsDirectory = "/recordings"
	recordings          = "recordings"
)

// withRecordings gives the process a place for recordings that goes with the Pod, unless the template has one: a volume called
// "recordings", or any that it mounts there. It cannot be part of the merge, which would leave a volume with two sources.
func withRecordings(spec *corev1.PodSpec, mp *v1alpha1.MediaPod) {
	c := find(spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
	if find(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == RecordingsDirectory }) != nil {
		return
	}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: recordings, MountPath: RecordingsDirectory})
	if find(spec.Volumes, func(v corev1.Volume) bool { return v.Name == recordings }) != nil {
		return
	}
	scratch := &corev1.EmptyDirVolumeSource{}
	if r := mp.Spec.Media.Recordings; r != nil && r.MaxDisk != nil {
		limit := r.MaxDisk.DeepCopy()
		scratch.SizeLimit = &limit
	}
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: recordings, VolumeSource: corev1.VolumeSource{EmptyDir: scratch}})
}

// storageSecret has the keys of the bucket; nil if the pod's account is used.
func storageSecret(mp *v1alpha1.MediaPod) *v1alpha1.SecretReference {
	if s := mp.Spec.Media.StoredIn(); s != nil {
		return s.CredentialsSecretRef
	}
	return nil
}
