// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// osOf is the operating system the template asks for. Windows is the default: Microsoft's media library runs nowhere
// else.
func osOf(template *corev1.PodTemplateSpec) corev1.OSName {
	if template.Spec.OS == nil || template.Spec.OS.Name == "" {
		return corev1.Windows
	}
	return template.Spec.OS.Name
}

// forOS makes the spec one that Pod Security "restricted" accepts on its operating system. spec.os has to be set: it is
// what makes the API server waive, for Windows, the fields only Linux knows.
func forOS(spec *corev1.PodSpec, os corev1.OSName) {
	spec.OS = &corev1.PodOS{Name: os}
	spec.NodeSelector = map[string]string{corev1.LabelOSStable: string(os)}
	spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true)}
	if os == corev1.Windows {
		spec.SecurityContext.WindowsOptions = &corev1.WindowsSecurityContextOptions{RunAsUserName: ptr.To("ContainerUser")}
		return
	}
	spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}
