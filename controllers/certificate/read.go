// SPDX-License-Identifier: Apache-2.0

// Package certificate makes and judges what the media port of a pod shows, and the manager's webhook server: authorities that sign
// certificates, one per bot, and a chain of small checks for certificates, whoever made them. It reads and writes no cluster; Secrets
// come in and go out as their data.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// CAKey is where a Secret of type kubernetes.io/tls holds the authority, by convention.
const CAKey = "ca.crt"

// Pair is a certificate with its key as a Secret holds them. The key itself is not kept.
type Pair struct {
	// Certificate is the first of tls.crt, the one that is shown for the pod; nil with Problem.
	Certificate *x509.Certificate
	// Chain are the certificates that follow it in tls.crt: its issuer, that one's issuer, and so on.
	Chain []*x509.Certificate
	// Roots are those in ca.crt; empty if there are none.
	Roots []*x509.Certificate
	// KeyMatches says that tls.key is the key of Certificate.
	KeyMatches bool
	// Problem says why the Secret cannot be read, in words that follow "Secret "x": ". "" if it can.
	Problem string
}

// Read reads the data of a Secret of type kubernetes.io/tls. It always answers; what is wrong is in the answer.
func Read(data map[string][]byte) Pair {
	shown, err := readCertificates(data[corev1.TLSCertKey])
	if err != nil {
		return Pair{Problem: err.Error()}
	}
	key, err := readKey(data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return Pair{Problem: err.Error()}
	}
	pair := Pair{Certificate: shown[0], Chain: shown[1:], KeyMatches: belongs(key, shown[0])}
	if roots, err := readCertificates(data[CAKey]); err == nil { // it may be absent, and nothing is shown from it
		pair.Roots = roots
	}
	return pair
}

// Errors below never quote what was read: half of it is a private key.

func readCertificate(raw []byte) (*x509.Certificate, error) {
	all, err := readCertificates(raw)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// readCertificates gives at least one, or an error.
func readCertificates(raw []byte) ([]*x509.Certificate, error) {
	if len(raw) == 0 {
		return nil, errors.New("it has no tls.crt")
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("tls.crt cannot be read: %w", err)
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("tls.crt holds no PEM certificate")
	}
	return all, nil
}

func readKey(raw []byte) (crypto.Signer, error) {
	if len(raw) == 0 {
		return nil, errors.New("it has no tls.key")
	}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "RSA PRIVATE KEY":
			if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
				return key, nil
			}
			return nil, errors.New("tls.key cannot be read: it is no RSA private key, or encrypted")
		case "EC PRIVATE KEY":
			if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				return key, nil
			}
			return nil, errors.New("tls.key cannot be read: it is no EC private key, or encrypted")
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if signer, ok := key.(crypto.Signer); err == nil && ok {
				return signer, nil
			}
			return nil, errors.New("tls.key cannot be read: it is no PKCS #8 private key")
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("tls.key is encrypted")
		}
	}
	return nil, errors.New("tls.key holds no PEM private key")
}

func belongs(key crypto.Signer, certificate *x509.Certificate) bool {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return public.Equal(certificate.PublicKey)
	case *ecdsa.PublicKey:
		return public.Equal(certificate.PublicKey)
	case ed25519.PublicKey:
		return public.Equal(certificate.PublicKey)
	}
	return false
}
