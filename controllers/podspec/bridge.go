// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// bridgePortVariable tells both containers where the bridge listens.
const bridgePortVariable = "BRIDGE_PORT"

// OnMicrosoft reports whether the fleet's calls go over Microsoft's media platform, which a container of the template hosts.
func OnMicrosoft(mp *v1alpha1.MediaPod) bool {
	return mp.Spec.Media.Platform == v1alpha1.PlatformMicrosoft
}

// withBridge completes a Pod with the platform in it: the bridge hears where it has to listen, and the Pod says which certificate
// the platform starts with.
func withBridge(pod *corev1.PodTemplateSpec, shown *x509.Certificate) error {
	if pod.Spec.OS == nil || pod.Spec.OS.Name != corev1.Windows {
		return errors.New("template.spec.os.name is linux, and media.platform: Microsoft needs windows: the library runs nowhere else")
	}
	bridge := find(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == BridgeName })
	if bridge == nil {
		return fmt.Errorf("template.spec.containers has no container %q, which media.platform: Microsoft needs; add the one that hosts the library (docs/microsoft-platform.md)", BridgeName)
	}
	port := corev1.EnvVar{Name: bridgePortVariable, Value: strconv.Itoa(int(BridgePort))}
	switch has := find(bridge.Env, func(e corev1.EnvVar) bool { return e.Name == port.Name }); {
	case has == nil:
		bridge.Env = append([]corev1.EnvVar{port}, bridge.Env...)
	case has.Value != port.Value:
		return fmt.Errorf("template.spec.containers[%s].env changes %s, which the operator sets; remove it", BridgeName, port.Name)
	}
	if shown == nil {
		return nil
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[v1alpha1.AnnotationCertificate] = Fingerprint(shown)
	pod.Annotations[v1alpha1.AnnotationCertificateExpires] = shown.NotAfter.UTC().Format(time.RFC3339)
	return nil
}

// Fingerprint tells one certificate from another: SHA-256, in hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
