// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// keyBits: Microsoft's media platform takes RSA keys only, so the local substitute uses them too.
	keyBits = 2048
	// authorityLifetime is long: everybody who trusts the authority has to be told when it changes.
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 90 * 24 * time.Hour
	// skew lets a peer whose clock is a little behind accept a certificate at once.
	skew = 5 * time.Minute
)

// Authority signs certificates: those of one bot's pods, that of the manager.
type Authority struct {
	// Certificate is what peers have to trust.
	Certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority makes one and the data of the Secret that keeps it. Its name has room for 64 characters.
func NewAuthority(commonName string, now time.Time) (*Authority, map[string][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, nil, fmt.Errorf("making the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName, Organization: []string{"Callfleet"}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	raw, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading back the authority: %w", err)
	}
	data, err := secretData(raw, key, certificate)
	return &Authority{Certificate: certificate, key: key}, data, err
}

// ReadAuthority reads the data of an authority's Secret.
func ReadAuthority(data map[string][]byte) (*Authority, error) {
	certificate, err := readCertificate(data[corev1.TLSCertKey])
	if err != nil {
		return nil, err
	}
	key, err := readKey(data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	switch {
	case !belongs(key, certificate):
		return nil, errors.New("tls.key does not belong to tls.crt")
	case !certificate.IsCA:
		return nil, errors.New("tls.crt is not the certificate of an authority")
	}
	return &Authority{Certificate: certificate, key: key}, nil
}

// Outlives says that an authority is valid now and will be for as long as a certificate signed now. One that does not
// has to be replaced.
func Outlives(authority *x509.Certificate, now time.Time) bool {
	return !now.Before(authority.NotBefore) && now.Add(leafLifetime).Before(authority.NotAfter)
}

// Issue makes a certificate for these names, DNS names or IP addresses, and the data of the Secret that keeps it.
// Repeated and empty names are left out.
func (a *Authority) Issue(commonName string, names []string, now time.Time) (map[string][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making the certificate's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName, Organization: []string{"Callfleet"}},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	seen := map[string]bool{"": true}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	raw, err := sign(template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return secretData(raw, key, a.Certificate)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, template, parent, public, by)
}

func secretData(certificate []byte, key *rsa.PrivateKey, authority *x509.Certificate) (map[string][]byte, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
		CAKey:                   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}),
	}, nil
}
