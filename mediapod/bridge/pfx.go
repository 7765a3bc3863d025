// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"
)

// pfxIterations of both ways from the password to a key, as OpenSSL and Windows have it. The password is random, and goes the same
// way as the file.
const pfxIterations = 2048

// The object identifiers of PKCS #12 (RFC 7292), PKCS #5 (RFC 8018), PKCS #9 (RFC 2985), and of AES and SHA-256 (NIST).
var (
	oidData        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidShroudedKey = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidLocalKeyID  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
	oidPBES2       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256  = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oidSHA256      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"tag:0,explicit"`
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue
		Attributes []bagAttribute `asn1:"set,omitempty"`
	}
	bagAttribute struct {
		ID     asn1.ObjectIdentifier
		Values [][]byte `asn1:"set"`
	}
	certBag struct {
		ID   asn1.ObjectIdentifier
		Data []byte `asn1:"tag:0,explicit"`
	}
	encryptedKey struct {
		Algorithm algorithm
		Data      []byte
	}
	algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters any
	}
	pbes2 struct{ KDF, Cipher algorithm }
	kdf   struct {
		Salt       []byte
		Iterations int
		PRF        pkix.AlgorithmIdentifier
	}
	macData struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int
	}
	pfx struct {
		Version int
		Safe    contentInfo
		MAC     macData
	}
)

// PFX is a certificate with its chain and key as Windows takes them: PKCS #12, the key encrypted with AES-256, the whole authenticated
// with SHA-256, both of which Windows reads from Server 2019 on.
func PFX(c *tls.Certificate, password string) ([]byte, error) {
	if c == nil || len(c.Certificate) == 0 {
		return nil, errors.New("making a PFX: there is no certificate")
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("making a PFX: the key: %w", err)
	}
	var e encoder
	id := sha256.Sum256(c.Certificate[0])
	mine := []bagAttribute{{oidLocalKeyID, [][]byte{id[:]}}}
	keys := []safeBag{{oidShroudedKey, explicit(e.der(e.encrypt(key, password))), mine}}
	var shown []safeBag
	for i, raw := range c.Certificate {
		bag := safeBag{ID: oidCertificate, Value: explicit(e.der(certBag{oidX509, raw}))}
		if i == 0 {
			bag.Attributes = mine
		}
		shown = append(shown, bag)
	}
	safe := e.der([]contentInfo{e.data(e.der(shown)), e.data(e.der(keys))})
	file := pfx{Version: 3, Safe: e.data(safe)}
	file.MAC.Salt, file.MAC.Iterations = e.random(16), pfxIterations
	file.MAC.Digest.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	mac := hmac.New(sha256.New, macKey(password, file.MAC.Salt))
	mac.Write(safe)
	file.MAC.Digest.Digest = mac.Sum(nil)
	out := e.der(file)
	if e.err != nil {
		return nil, fmt.Errorf("making a PFX: %w", e.err)
	}
	return out, nil
}

// encoder keeps the first error.
type encoder struct{ err error }

func (e *encoder) der(v any) []byte {
	b, err := asn1.Marshal(v)
	if e.err == nil {
		e.err = err
	}
	return b
}

// explicit wraps a value in the tag [0].
func explicit(value []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: value}
}

// data is content of the type data, whose value is an octet string.
func (e *encoder) data(content []byte) contentInfo { return contentInfo{oidData, content} }

func (e *encoder) random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// encrypt is PBES2 (RFC 8018 section 6.2).
func (e *encoder) encrypt(plain []byte, password string) encryptedKey {
	salt, iv := e.random(16), e.random(aes.BlockSize)
	key, err := pbkdf2.Key(sha256.New, password, salt, pfxIterations, 32)
	if err != nil {
		e.err = err
		return encryptedKey{}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		e.err = err
		return encryptedKey{}
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	prf := pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue}
	return encryptedKey{algorithm{oidPBES2, pbes2{
		algorithm{oidPBKDF2, kdf{salt, pfxIterations, prf}},
		algorithm{oidAES256CBC, iv},
	}}, padded}
}

// macKey is the key that a password gives for the authentication (RFC 7292 appendix B.2, for SHA-256, whose blocks are of 64 bytes;
// one block of output is enough).
func macKey(password string, salt []byte) []byte {
	const block, forMAC = 64, 3
	var bmp []byte
	for _, unit := range append(utf16.Encode([]rune(password)), 0) {
		bmp = append(bmp, byte(unit>>8), byte(unit))
	}
	in := bytes.Repeat([]byte{forMAC}, block)
	for _, part := range [][]byte{salt, bmp} {
		length := (len(part) + block - 1) / block * block
		in = append(in, bytes.Repeat(part, length/len(part)+1)[:length]...)
	}
	key := sha256.Sum256(in)
	for range pfxIterations - 1 {
		key = sha256.Sum256(key[:])
	}
	return key[:]
}
