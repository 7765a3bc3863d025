// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// PFX is a certificate with its chain and key as Windows takes them: PKCS #12 (RFC 7292), the key encrypted with AES-256, the whole
// authenticated with SHA-256, both of which Windows reads from Server 2019 on.
func PFX(c *tls.Certificate, password string) ([]byte, error) {
	if c == nil || len(c.Certificate) == 0 {
		return nil, errors.New("making a PFX: there is no certificate")
	}
	chain := make([]*x509.Certificate, len(c.Certificate))
	for i, raw := range c.Certificate {
		parsed, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("making a PFX: certificate %d of the chain: %w", i, err)
		}
		chain[i] = parsed
	}
	out, err := pkcs12.Modern2023.Encode(c.PrivateKey, chain[0], chain[1:], password)
	if err != nil {
		return nil, fmt.Errorf("making a PFX: %w", err)
	}
	return out, nil
}
