// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// TestTheCertificateThatAPlatformShows is judged by what its Pod says it started with.
func TestTheCertificateThatAPlatformShows(t *testing.T) {
	_, leaf := issued()
	present := secretFactsOf(leaf).pair.Certificate
	showing := func(fingerprint string, expires time.Time) func(*facts) {
		return func(f *facts) {
			onMicrosoft(f.mediaPod)
			f.mediaPod.Spec.Media.Endpoint.Domain = "" // the certificate at hand is for the address
			f.leaf.name, f.authority = "media", secretFacts{}
			f.pod.Annotations[v1alpha1.AnnotationCertificate] = fingerprint
			f.pod.Annotations[v1alpha1.AnnotationCertificateExpires] = expires.UTC().Format(time.RFC3339)
		}
	}
	month := noon.Add(30 * 24 * time.Hour)
	cases := map[string]struct {
		change  []func(*facts)
		renewed bool
		reason  string // of the certificate
	}{
		"the present one":                          {[]func(*facts){showing(podspec.Fingerprint(present), present.NotAfter)}, false, v1alpha1.ReasonIssued},
		"an earlier one":                           {[]func(*facts){showing("earlier", month)}, true, v1alpha1.ReasonIssued},
		"one that is over":                         {[]func(*facts){showing("earlier", noon)}, true, v1alpha1.ReasonExpired},
		"an earlier one, and the next will not do": {[]func(*facts){showing("earlier", month), func(f *facts) { f.leaf.pair.KeyMatches = false }}, false, v1alpha1.ReasonCertificateInvalid},
		"an earlier one, on the other platform":    {[]func(*facts){showing("earlier", noon), func(f *facts) { f.mediaPod.Spec.Media.Platform = "" }}, false, v1alpha1.ReasonIssued},
		"nobody knows":                             {[]func(*facts){showing("", noon)}, false, v1alpha1.ReasonIssued},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := decide(settled(tc.change...), image)
			if (p.renewed != "") != tc.renewed || p.certificate.reason != tc.reason {
				t.Errorf("renewed %q, certificate %+v", p.renewed, p.certificate)
			}
			if p.createPod != nil || p.deletePod {
				t.Error("the Pod itself is replaced, with its calls")
			}
		})
	}
	t.Run("it is looked at when it expires", func(t *testing.T) {
		p := decide(settled(showing("earlier", noon.Add(time.Hour))), image)
		if p.again != time.Hour || !strings.Contains(p.renewed, "valid until "+noon.Add(time.Hour).UTC().Format(time.RFC3339)) {
			t.Errorf("again in %s; %s", p.again, p.renewed)
		}
	})
}
