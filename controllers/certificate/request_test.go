// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func sampleRequest() Request {
	return Request{
		Namespace: "voice", Name: "reception-media", SecretName: "reception-media-tls", Bot: "reception",
		Issuer: v1alpha1.IssuerReference{Name: "letsencrypt", Kind: "ClusterIssuer", Group: "cert-manager.io"},
		Names:  []string{"*.reception.media.contoso.com", "", "20.0.0.1", "*.reception.media.contoso.com"},
		Owners: []metav1.OwnerReference{{UID: "bot"}},
	}
}

func TestRequestsAreAsReviewed(t *testing.T) {
	got := string(must(yaml.Marshal(sampleRequest().Certificate().Spec)))
	want := `dnsNames:
- '*.reception.media.contoso.com'
ipAddresses:
- 20.0.0.1
issuerRef:
  group: cert-manager.io
  kind: ClusterIssuer
  name: letsencrypt
privateKey:
  algorithm: RSA
  rotationPolicy: Always
  size: 2048
revisionHistoryLimit: 1
secretName: reception-media-tls
secretTemplate:
  labels:
    callfleet.dev/bot: reception
usages:
- digital signature
- key encipherment
- server auth
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAsks(t *testing.T) {
	tests := map[string]struct {
		change func(*certmanagerv1.Certificate)
		want   bool
	}{
		"as wanted":           {func(*certmanagerv1.Certificate) {}, true},
		"a webhook's default": {func(c *certmanagerv1.Certificate) { c.Spec.PrivateKey.Encoding = certmanagerv1.PKCS1 }, true},
		"somebody's label": {func(c *certmanagerv1.Certificate) {
			c.Labels = map[string]string{"callfleet.dev/bot": "reception", "x": "y"}
		}, true},
		"a status": {func(c *certmanagerv1.Certificate) {
			c.Status.Conditions = make([]certmanagerv1.CertificateCondition, 1)
		}, true},
		"another issuer": {func(c *certmanagerv1.Certificate) { c.Spec.IssuerRef.Name = "x" }, false},
		"one name more":  {func(c *certmanagerv1.Certificate) { c.Spec.DNSNames = append(c.Spec.DNSNames, "x") }, false},
		"one name less":  {func(c *certmanagerv1.Certificate) { c.Spec.IPAddresses = nil }, false},
		"a key of EC":    {func(c *certmanagerv1.Certificate) { c.Spec.PrivateKey.Algorithm = certmanagerv1.ECDSAKeyAlgorithm }, false},
		"another owner":  {func(c *certmanagerv1.Certificate) { c.OwnerReferences = []metav1.OwnerReference{{UID: "x"}} }, false},
		"no label":       {func(c *certmanagerv1.Certificate) { c.Labels = nil }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			is := sampleRequest().Certificate().DeepCopy()
			tc.change(is)
			if got := Asks(is, sampleRequest().Certificate()); got != tc.want {
				t.Errorf("Asks = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	condition := func(kind certmanagerv1.CertificateConditionType, status cmmeta.ConditionStatus, reason, message string) certmanagerv1.CertificateCondition {
		return certmanagerv1.CertificateCondition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	tests := map[string]struct {
		conditions []certmanagerv1.CertificateCondition
		holds      string
		failed     bool
	}{
		"nobody has looked at it": {nil, "see whether cert-manager runs", false},
		"under way": {[]certmanagerv1.CertificateCondition{
			condition("Issuing", "True", "DoesNotExist", "Issuing certificate as Secret does not exist"),
			condition("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist"),
		}, "at Certificate \"c\": Issuing certificate as Secret does not exist; see `kubectl describe certificate,certificaterequest -n voice`", false},
		"refused": {[]certmanagerv1.CertificateCondition{
			condition("Ready", "False", "DoesNotExist", "x"),
			condition("Issuing", "False", "Failed", "The certificate request has failed to complete: forbidden"),
		}, "could not have Certificate \"c\" issued: The certificate request has failed to complete: forbidden", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "c"}}
			c.Status.Conditions = tc.conditions
			message, failed := Progress(c)
			if !strings.Contains(message, tc.holds) || failed != tc.failed {
				t.Errorf("%v: %s", failed, message)
			}
		})
	}
}
