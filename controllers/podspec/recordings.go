// SPDX-License-Identifier: Apache-2.0

package podspec

import corev1 "k8s.io/api/core/v1"

const (
	// RecordingsDirectory is where the process writes recordings.
	RecordingsDirectory = "/recordings"
	recordings          = "recordings"
)

// withRecordings gives the process a place for recordings that goes with the Pod, unless the template has one: a volume called
// "recordings", or any that it mounts there. It cannot be part of the merge, which would leave a volume with two sources.
func withRecordings(spec *corev1.PodSpec) {
	c := find(spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
	if find(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == RecordingsDirectory }) != nil {
		return
	}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: recordings, MountPath: RecordingsDirectory})
	if find(spec.Volumes, func(v corev1.Volume) bool { return v.Name == recordings }) == nil {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: recordings, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
}
