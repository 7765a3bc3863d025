// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificates of a development cluster and of the
// servers that run beside it. It is for development: keys are written
// unencrypted and there is no revocation.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetime is how long certificates made here are valid. A development
// cluster that lives longer than a year is started afresh.
const Lifetime = 365 * 24 * time.Hour

// backdate lets a certificate be accepted by a peer whose clock is behind.
const backdate = time.Hour

// CA is a certificate authority.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// NewCA makes a self-signed authority.
func NewCA(commonName string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key of CA %q: %w", commonName, err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(Lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing CA %q: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back CA %q: %w", commonName, err)
	}
	return &CA{Cert: cert, Key: key}, nil
}

// LoadOrCreateCA reads the authority at certPath and keyPath, and makes it
// there if neither file exists yet.
func LoadOrCreateCA(certPath, keyPath, commonName string) (*CA, error) {
	ca, err := LoadCA(certPath, keyPath)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return ca, err
	}
	if ca, err = NewCA(commonName); err != nil {
		return nil, err
	}
	pair, err := ca.pair()
	if err != nil {
		return nil, err
	}
	return ca, pair.Write(certPath, keyPath)
}

// LoadCA reads an authority from PEM files.
func LoadCA(certPath, keyPath string) (*CA, error) {
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, fmt.Errorf("reading CA: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading CA: the key in %s cannot sign", keyPath)
	}
	if !pair.Leaf.IsCA {
		return nil, fmt.Errorf("reading CA: %s is not the certificate of an authority", certPath)
	}
	return &CA{Cert: pair.Leaf, Key: key}, nil
}

// CertPEM returns the authority's certificate, for trust stores.
func (ca *CA) CertPEM() []byte {
	return encode("CERTIFICATE", ca.Cert.Raw)
}

// Pool returns a trust store that holds just this authority.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

func (ca *CA) pair() (Pair, error) {
	key, err := x509.MarshalPKCS8PrivateKey(ca.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding the key of the CA: %w", err)
	}
	return Pair{CertPEM: ca.CertPEM(), KeyPEM: encode("PRIVATE KEY", key)}, nil
}

// Request says what a certificate is for.
type Request struct {
	CommonName    string
	Organizations []string // groups, for client certificates of Kubernetes
	Hosts         []string // DNS names and IP addresses; a server certificate has at least one
	Client        bool
}

// Issue makes a key and a certificate for it. A request with hosts gets a
// server certificate, one with Client a client certificate, or both.
func (ca *CA) Issue(r Request) (Pair, error) {
	if len(r.Hosts) == 0 && !r.Client {
		return Pair{}, fmt.Errorf("certificate %q is for neither a server (no hosts) nor a client", r.CommonName)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generating the key of %q: %w", r.CommonName, err)
	}
	serial, err := newSerial()
	if err != nil {
		return Pair{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: r.CommonName, Organization: r.Organizations},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(Lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	if r.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if len(r.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, key.Public(), ca.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing %q: %w", r.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding the key of %q: %w", r.CommonName, err)
	}
	return Pair{CertPEM: encode("CERTIFICATE", der), KeyPEM: encode("PRIVATE KEY", keyDER)}, nil
}

// Pair is a certificate and its key in PEM.
type Pair struct {
	CertPEM, KeyPEM []byte
}

// TLS returns the pair as crypto/tls takes it.
func (p Pair) TLS() (tls.Certificate, error) {
	return tls.X509KeyPair(p.CertPEM, p.KeyPEM)
}

// Write stores the pair; the key is readable by its owner only.
func (p Pair) Write(certPath, keyPath string) error {
	for _, f := range []struct {
		path string
		data []byte
		mode fs.FileMode
	}{{keyPath, p.KeyPEM, 0o600}, {certPath, p.CertPEM, 0o644}} {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return fmt.Errorf("storing a certificate: %w", err)
		}
		if err := os.WriteFile(f.path, f.data, f.mode); err != nil {
			return fmt.Errorf("storing a certificate: %w", err)
		}
	}
	return nil
}

// NewSigningKey makes a key pair that is not bound to a certificate, such as
// the one service-account tokens are signed with: private key and public key
// in PEM.
func NewSigningKey() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating a signing key: %w", err)
	}
	// SEC 1, not PKCS #8: kube-controller-manager reads EC keys in this form.
	privateDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a signing key: %w", err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	return encode("EC PRIVATE KEY", privateDER), encode("PUBLIC KEY", publicDER), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newSerial() (*big.Int, error) {
	// 20 octets at most and positive, RFC 5280 section 4.1.2.2.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 158))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
