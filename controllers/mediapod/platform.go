// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// judgeShown looks at the certificate that the platform in the Pod shows. The media pod's own process reads a renewed one while it
// runs; Microsoft's library keeps the one that it started with. So a renewal takes a new pod, and the fleet controller makes one
// before this one drains (docs/microsoft-platform.md). That begins when the Secret has the new certificate, which with cert-manager
// is a third of the old one's life before its end.
func judgeShown(f facts, p *plan) {
	if f.pod == nil || !podspec.OnMicrosoft(f.mediaPod) {
		return
	}
	shown := f.pod.Annotations[v1alpha1.AnnotationCertificate]
	if shown == "" || f.leaf.pair.Certificate == nil {
		return
	}
	expires, err := time.Parse(time.RFC3339, f.pod.Annotations[v1alpha1.AnnotationCertificateExpires])
	if err != nil {
		return // somebody changed it, and nothing is known
	}
	// One that will not do is no reason to replace a pod: the next would not start with it.
	if p.certificate.ready && shown != podspec.Fingerprint(f.leaf.pair.Certificate) {
		p.renewed = fmt.Sprintf("the platform shows the certificate it started with, which is valid until %s, and Secret %q has a newer one; "+
			"a new pod takes this one's place, and this one then drains", expires.UTC().Format(time.RFC3339), f.leaf.name)
	}
	if left := expires.Sub(f.now); left > 0 {
		p.lookAgain(left)
	} else if p.certificate.ready {
		p.certificate = finding{reason: v1alpha1.ReasonExpired, message: fmt.Sprintf(
			"the platform shows the certificate it started with, which expired at %s; it takes no new calls, and drains when a new pod has its place",
			expires.UTC().Format(time.RFC3339))}
	}
}
