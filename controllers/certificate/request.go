// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"fmt"
	"net"
	"slices"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Request is what cert-manager is asked for.
type Request struct {
	Namespace, Name, SecretName string
	Bot                         string
	Issuer                      v1alpha1.IssuerReference
	// Names to be covered: DNS names or IP addresses. Repeated and empty ones are left out.
	Names  []string
	Owners []metav1.OwnerReference
}

// Certificate is the request as cert-manager's resource. It is renewed after two thirds of its life, which is what cert-manager
// does unasked, each time with a new key.
func (r Request) Certificate() *certmanagerv1.Certificate {
	issuer := cmmeta.IssuerReference{Name: r.Issuer.Name, Kind: r.Issuer.Kind, Group: r.Issuer.Group}
	labels := map[string]string{v1alpha1.LabelBot: r.Bot}
	c := &certmanagerv1.Certificate{
		TypeMeta:   metav1.TypeMeta{APIVersion: certmanagerv1.SchemeGroupVersion.String(), Kind: certmanagerv1.CertificateKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name, Labels: labels, OwnerReferences: r.Owners},
		Spec: certmanagerv1.CertificateSpec{
			SecretName:     r.SecretName,
			SecretTemplate: &certmanagerv1.CertificateSecretTemplate{Labels: labels},
			IssuerRef:      issuer,
			PrivateKey: &certmanagerv1.CertificatePrivateKey{
				Algorithm: certmanagerv1.RSAKeyAlgorithm, Size: keyBits, RotationPolicy: certmanagerv1.RotationPolicyAlways,
			},
			Usages:               []certmanagerv1.KeyUsage{certmanagerv1.UsageDigitalSignature, certmanagerv1.UsageKeyEncipherment, certmanagerv1.UsageServerAuth},
			RevisionHistoryLimit: ptr.To[int32](1),
		},
	}
	names := slices.Clone(r.Names)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		switch {
		case name == "":
		case net.ParseIP(name) != nil:
			c.Spec.IPAddresses = append(c.Spec.IPAddresses, name)
		default:
			c.Spec.DNSNames = append(c.Spec.DNSNames, name)
		}
	}
	return c
}

// Asks says whether a Certificate asks for what is wanted. What others added is left alone, cert-manager's webhook for one, which
// fills in what it has defaults for.
func Asks(is, wanted *certmanagerv1.Certificate) bool {
	sameOwner := func(a, b metav1.OwnerReference) bool { return a.UID == b.UID }
	got, err1 := runtime.DefaultUnstructuredConverter.ToUnstructured(is)
	want, err2 := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	return err1 == nil && err2 == nil && slices.EqualFunc(is.OwnerReferences, wanted.OwnerReferences, sameOwner) &&
		covered(got["spec"], want["spec"]) && covered(is.Labels, wanted.Labels)
}

// covered says whether everything wanted is there; lists have to be the same.
func covered(is, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]string:
		labels, _ := is.(map[string]string)
		for key, value := range wanted {
			if labels[key] != value {
				return false
			}
		}
		return true
	case map[string]any:
		fields, _ := is.(map[string]any)
		for key, value := range wanted {
			if !covered(fields[key], value) {
				return false
			}
		}
		return true
	}
	return apiequality.Semantic.DeepEqual(is, wanted)
}

// Progress says in cert-manager's words how far it is with a Certificate. failed: it has tried, and will only try again after a
// while.
func Progress(c *certmanagerv1.Certificate) (message string, failed bool) {
	see := fmt.Sprintf("; see `kubectl describe certificate,certificaterequest -n %s`", c.Namespace)
	for _, cond := range c.Status.Conditions {
		if cond.Type == certmanagerv1.CertificateConditionIssuing && cond.Status == cmmeta.ConditionFalse && cond.Reason == "Failed" {
			return fmt.Sprintf("cert-manager could not have Certificate %q issued: %s%s", c.Name, cond.Message, see), true
		}
	}
	for _, cond := range c.Status.Conditions {
		if cond.Type == certmanagerv1.CertificateConditionReady && cond.Status != cmmeta.ConditionTrue {
			return fmt.Sprintf("cert-manager is at Certificate %q: %s%s", c.Name, cond.Message, see), false
		}
	}
	return fmt.Sprintf("Certificate %q is asked for; if nothing comes, see whether cert-manager runs", c.Name), false
}
