// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testChain is a certificate with an RSA key, and the one that it was signed with.
func testChain(t *testing.T) *tls.Certificate {
	t.Helper()
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"0.reception.media.contoso.com"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Certificate{PrivateKey: key}
	for _, each := range []*x509.Certificate{leaf, issuer} {
		raw, err := x509.CreateCertificate(rand.Reader, each, issuer, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificate = append(c.Certificate, raw)
	}
	return c
}

// TestAPFXIsReadByOthers: key, certificate and chain come out as they went in, with the password and with no other.
func TestAPFXIsReadByOthers(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	c := testChain(t)
	for _, password := range []string{"secret", "", "pässwörd"} {
		raw, err := PFX(c, password)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "tls.pfx")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "pkcs12", "-in", file, "-passin", "pass:"+password, "-nodes").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var certificates [][]byte
		var key any
		for block, rest := pem.Decode(out); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				certificates = append(certificates, block.Bytes)
			} else if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
				t.Fatal(err)
			}
		}
		if len(certificates) != 2 || !bytes.Equal(certificates[0], c.Certificate[0]) || !bytes.Equal(certificates[1], c.Certificate[1]) {
			t.Errorf("password %q: %d certificates come out, or others", password, len(certificates))
		}
		if k, ok := key.(*rsa.PrivateKey); !ok || !k.Equal(c.PrivateKey) {
			t.Errorf("password %q: another key comes out: %T", password, key)
		}
		if strings.Count(string(out), "localKeyID") != 2 {
			t.Errorf("password %q: the key does not say which certificate it belongs to:\n%s", password, out)
		}
		if out, err := exec.Command(tool, "pkcs12", "-in", file, "-passin", "pass:other", "-nodes").CombinedOutput(); err == nil {
			t.Errorf("password %q: it opens with another:\n%s", password, out)
		}
		if bytes.Contains(raw, x509.MarshalPKCS1PrivateKey(c.PrivateKey.(*rsa.PrivateKey))) {
			t.Error("the key is in it in the clear")
		}
	}
	if _, err := PFX(&tls.Certificate{}, "x"); err == nil {
		t.Error("a PFX without a certificate is made")
	}
}
