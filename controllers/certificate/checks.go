// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Facts are what a certificate is judged by.
type Facts struct {
	// Secret is its name, for the messages.
	Secret string
	// Pair is what is in it.
	Pair Pair
	// Names have to be covered: DNS names or IP addresses. Empty ones are not yet known, and are left out.
	Names []string
	// Authority is who has to have signed it; nil if that is somebody else's business.
	Authority *x509.Certificate
	// Now is when it is judged.
	Now time.Time
}

// Verdict is the answer. Without OK, Reason and Message say what is wrong and what to do.
type Verdict struct {
	OK      bool
	Reason  string
	Message string
}

// A check answers with the reason against, or with "" for none.
type check func(Facts) (reason, message string)

// Usable says whether a user's certificate can be shown for a pod.
func Usable(f Facts) Verdict {
	return ask(f, readable, keyBelongs, isRSA, begun, notExpired, chained, covers)
}

// Fresh says whether a certificate that the operator issued can stay. If not, another is issued.
func Fresh(f Facts) Verdict {
	return ask(f, readable, keyBelongs, isRSA, begun, notExpired, signed, covers, beforeRenewal)
}

// RenewalTime is when two thirds of a certificate's life are over: time enough to notice that a renewal fails.
func RenewalTime(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3)
}

func ask(f Facts, checks ...check) Verdict {
	for _, objects := range checks {
		if reason, message := objects(f); reason != "" {
			return Verdict{Reason: reason, Message: message}
		}
	}
	return Verdict{OK: true, Reason: v1alpha1.ReasonIssued, Message: "valid until " + timeOf(f.Pair.Certificate.NotAfter)}
}

func readable(f Facts) (string, string) {
	if f.Pair.Problem != "" {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
			"Secret %q: %s; store a PEM certificate in tls.crt and its key in tls.key", f.Secret, f.Pair.Problem)
	}
	return "", ""
}

func keyBelongs(f Facts) (string, string) {
	if !f.Pair.KeyMatches {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
			"Secret %q: tls.key is not the key of the certificate in tls.crt; store the two that belong together", f.Secret)
	}
	return "", ""
}

// isRSA: Microsoft's media platform takes no other keys, and a fleet should not find that out in its first call.
func isRSA(f Facts) (string, string) {
	c := f.Pair.Certificate
	key, is := c.PublicKey.(*rsa.PublicKey)
	if !is {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
			"Secret %q: the certificate has a key of type %s, and the media platform takes RSA only; have one issued for an RSA key of at least %d bits",
			f.Secret, c.PublicKeyAlgorithm, keyBits)
	}
	if bits := key.N.BitLen(); bits < keyBits {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
			"Secret %q: the certificate's RSA key has %d bits; have one issued for a key of at least %d", f.Secret, bits, keyBits)
	}
	return "", ""
}

// chained: whoever connects is shown what is in tls.crt and no more. An intermediate that is missing at its end cannot be told
// from a root that everybody has; the probe from outside finds that.
func chained(f Facts) (string, string) {
	last := f.Pair.Certificate
	for i, issuer := range f.Pair.Chain {
		if last.CheckSignatureFrom(issuer) != nil {
			return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
				"Secret %q: certificate %d in tls.crt, %s, did not sign the one before it; store the pod's certificate first, then its issuer's, then that one's issuer's",
				f.Secret, i+2, nameOf(issuer))
		}
		if !f.Now.Before(issuer.NotAfter) {
			return v1alpha1.ReasonExpired, fmt.Sprintf("Secret %q: certificate %d in tls.crt, %s, expired at %s; store the chain as it is now",
				f.Secret, i+2, nameOf(issuer), timeOf(issuer.NotAfter))
		}
		last = issuer
	}
	if len(f.Pair.Roots) == 0 {
		return "", ""
	}
	for _, root := range f.Pair.Roots {
		if last.Equal(root) || last.CheckSignatureFrom(root) == nil {
			return "", ""
		}
	}
	return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
		"Secret %q: the certificates in tls.crt end with %s, which none in ca.crt signed; add the intermediates that are missing, or correct ca.crt",
		f.Secret, nameOf(last))
}

func nameOf(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return fmt.Sprintf("%q", c.Subject.CommonName)
	}
	return fmt.Sprintf("%q", c.Subject.String())
}

func begun(f Facts) (string, string) {
	if c := f.Pair.Certificate; f.Now.Before(c.NotBefore) {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf(
			"Secret %q: the certificate is valid only from %s; wait, or store one that is valid now", f.Secret, timeOf(c.NotBefore))
	}
	return "", ""
}

func notExpired(f Facts) (string, string) {
	if c := f.Pair.Certificate; !f.Now.Before(c.NotAfter) {
		return v1alpha1.ReasonExpired, fmt.Sprintf(
			"Secret %q: the certificate expired at %s; renew it", f.Secret, timeOf(c.NotAfter))
	}
	return "", ""
}

func covers(f Facts) (string, string) {
	for _, name := range f.Names {
		if name != "" && !coversName(f.Pair.Certificate, name) {
			return v1alpha1.ReasonNameMismatch, fmt.Sprintf(
				"Secret %q: the certificate is for %s and does not cover %s; store one that names %s",
				f.Secret, namesOf(f.Pair.Certificate), name, wanted(name))
		}
	}
	return "", ""
}

func signed(f Facts) (string, string) {
	if f.Authority != nil && f.Pair.Certificate.CheckSignatureFrom(f.Authority) != nil {
		return v1alpha1.ReasonCertificateInvalid, fmt.Sprintf("Secret %q: the certificate was signed by another authority; a new one is made", f.Secret)
	}
	return "", ""
}

func beforeRenewal(f Facts) (string, string) {
	if renewal := RenewalTime(f.Pair.Certificate); !f.Now.Before(renewal) {
		return v1alpha1.ReasonExpired, fmt.Sprintf("Secret %q: the certificate is due for renewal since %s", f.Secret, timeOf(renewal))
	}
	return "", ""
}

func coversName(c *x509.Certificate, name string) bool {
	ip := net.ParseIP(name)
	if ip == nil {
		return c.VerifyHostname(name) == nil
	}
	for _, has := range c.IPAddresses {
		if has.Equal(ip) {
			return true
		}
	}
	return false
}

// namesOf lists the first names of a certificate.
func namesOf(c *x509.Certificate) string {
	const most = 4
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name (a common name does not count)"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// wanted suggests the wildcard too: one certificate then does for the whole fleet.
func wanted(name string) string {
	if _, domain, ok := strings.Cut(name, "."); ok && net.ParseIP(name) == nil && strings.Contains(domain, ".") {
		return name + " or *." + domain
	}
	return name
}

func timeOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }
