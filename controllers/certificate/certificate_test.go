// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// Keys are dear to make; one authority serves all tests that do not change it.
var authority = sync.OnceValues(func() (*Authority, map[string][]byte) {
	a, data, err := NewAuthority("reception", start)
	if err != nil {
		panic(err)
	}
	return a, data
})

var leaf = sync.OnceValue(func() map[string][]byte {
	a, _ := authority()
	data, err := a.Issue("reception-0", []string{"0.reception.media.contoso.com", "", "20.0.0.1", "20.0.0.1"}, start)
	if err != nil {
		panic(err)
	}
	return data
})

// keys of every kind, made once.
var (
	strangersKey = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	anotherKey   = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	shortKey     = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	curveKey     = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// stranger is a certificate nobody here made, with any names.
func stranger(t *testing.T, key crypto.Signer, notBefore, notAfter time.Time, names []string, ips ...net.IP) map[string][]byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "0.reception.media.contoso.com"},
		NotBefore: notBefore, NotAfter: notAfter, DNSNames: names, IPAddresses: ips,
	}
	return pair(t, must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)), key)
}

// pair is the data of a Secret as other tools write it: PKCS #1, or SEC 1 with parameters.
func pair(t *testing.T, certificate []byte, key crypto.Signer) map[string][]byte {
	t.Helper()
	data := map[string][]byte{"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		data["tls.key"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	case *ecdsa.PrivateKey:
		data["tls.key"] = append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(key))})...)
	}
	return data
}

func with(data map[string][]byte, key string, value []byte) map[string][]byte {
	changed := map[string][]byte{}
	for k, v := range data {
		changed[k] = v
	}
	changed[key] = value
	return changed
}

func TestUsable(t *testing.T) {
	good := stranger(t, strangersKey(), start.Add(-day), start.Add(30*day), []string{"*.reception.media.contoso.com"}, net.ParseIP("20.0.0.1"))
	other := stranger(t, anotherKey(), start.Add(-day), start.Add(30*day), []string{"a.example.com", "*.b.example.com"})
	nameless := stranger(t, strangersKey(), start.Add(-day), start.Add(30*day), nil)
	many := stranger(t, strangersKey(), start.Add(-day), start.Add(30*day), []string{"a.x", "b.x", "c.x", "d.x", "e.x"}, net.ParseIP("::1"))
	curve := stranger(t, curveKey(), start.Add(-day), start.Add(30*day), []string{"*.reception.media.contoso.com"})
	short := stranger(t, shortKey(), start.Add(-day), start.Add(30*day), []string{"*.reception.media.contoso.com"})
	const host = "0.reception.media.contoso.com"
	tests := map[string]struct {
		data   map[string][]byte
		names  []string
		now    time.Time
		reason string
		want   string
	}{
		"good":                {good, []string{host}, start, "Issued", "valid until 2026-03-31T12:00:00Z"},
		"good, by address":    {good, []string{"20.0.0.1", "20.0.0.1"}, start, "Issued", "valid until 2026-03-31T12:00:00Z"},
		"name not known yet":  {other, []string{"", ""}, start, "Issued", "valid until 2026-03-31T12:00:00Z"},
		"empty":               {nil, []string{host}, start, "CertificateInvalid", `Secret "media": it has no tls.crt; store a PEM certificate in tls.crt and its key in tls.key`},
		"no key":              {with(good, "tls.key", nil), []string{host}, start, "CertificateInvalid", `Secret "media": it has no tls.key; store a PEM certificate in tls.crt and its key in tls.key`},
		"garbage certificate": {with(good, "tls.crt", []byte("hello")), []string{host}, start, "CertificateInvalid", `Secret "media": tls.crt holds no PEM certificate; store a PEM certificate in tls.crt and its key in tls.key`},
		"garbage key":         {with(good, "tls.key", []byte("hello")), []string{host}, start, "CertificateInvalid", `Secret "media": tls.key holds no PEM private key; store a PEM certificate in tls.crt and its key in tls.key`},
		"garbage in PEM": {
			with(good, "tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hello")})), []string{host}, start,
			"CertificateInvalid", `Secret "media": tls.crt cannot be read: x509: malformed certificate; store a PEM certificate in tls.crt and its key in tls.key`,
		},
		"encrypted key": {
			with(good, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("hello")})), []string{host}, start,
			"CertificateInvalid", `Secret "media": tls.key is encrypted; store a PEM certificate in tls.crt and its key in tls.key`,
		},
		"another's key": {
			with(good, "tls.key", other["tls.key"]), []string{host}, start,
			"CertificateInvalid", `Secret "media": tls.key is not the key of the certificate in tls.crt; store the two that belong together`,
		},
		"an EC certificate": {
			curve, []string{host}, start, "CertificateInvalid",
			`Secret "media": the certificate has a key of type ECDSA, and the media platform takes RSA only; have one issued for an RSA key of at least 2048 bits`,
		},
		"a short key": {
			short, []string{host}, start, "CertificateInvalid", `Secret "media": the certificate's RSA key has 1024 bits; have one issued for a key of at least 2048`,
		},
		"an RSA key for an EC certificate": {
			with(curve, "tls.key", leaf()["tls.key"]), []string{host}, start,
			"CertificateInvalid", `Secret "media": tls.key is not the key of the certificate in tls.crt; store the two that belong together`,
		},
		"expired":       {good, []string{host}, start.Add(30 * day), "Expired", `Secret "media": the certificate expired at 2026-03-31T12:00:00Z; renew it`},
		"not begun":     {good, []string{host}, start.Add(-2 * day), "CertificateInvalid", `Secret "media": the certificate is valid only from 2026-02-28T12:00:00Z; wait, or store one that is valid now`},
		"other name":    {other, []string{host}, start, "NameMismatch", `Secret "media": the certificate is for a.example.com, *.b.example.com and does not cover 0.reception.media.contoso.com; store one that names 0.reception.media.contoso.com or *.reception.media.contoso.com`},
		"other address": {good, []string{"20.0.0.2"}, start, "NameMismatch", `Secret "media": the certificate is for *.reception.media.contoso.com, 20.0.0.1 and does not cover 20.0.0.2; store one that names 20.0.0.2`},
		"a wildcard covers one level only": {
			good, []string{"x.0.reception.media.contoso.com"}, start, "NameMismatch",
			`Secret "media": the certificate is for *.reception.media.contoso.com, 20.0.0.1 and does not cover x.0.reception.media.contoso.com; store one that names x.0.reception.media.contoso.com or *.0.reception.media.contoso.com`,
		},
		"common name only": {nameless, []string{host}, start, "NameMismatch", `Secret "media": the certificate is for no name (a common name does not count) and does not cover 0.reception.media.contoso.com; store one that names 0.reception.media.contoso.com or *.reception.media.contoso.com`},
		"many names":       {many, []string{"20.0.0.2"}, start, "NameMismatch", `Secret "media": the certificate is for a.x, b.x, c.x, d.x and 2 more and does not cover 20.0.0.2; store one that names 20.0.0.2`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Usable(Facts{Secret: "media", Pair: Read(tc.data), Names: tc.names, Now: tc.now})
			if got.Reason != tc.reason || got.Message != tc.want || got.OK != (tc.reason == "Issued") {
				t.Errorf("got  %v %s: %s\nwant %s: %s", got.OK, got.Reason, got.Message, tc.reason, tc.want)
			}
		})
	}
}

// TestTheChainLeadsUp: root, intermediate and pod, and what a Secret may hold of them.
func TestTheChainLeadsUp(t *testing.T) {
	keys := map[string]crypto.Signer{"root": strangersKey(), "middle": anotherKey(), "pod": strangersKey(), "stray": curveKey()}
	made := func(name string, by *x509.Certificate, notAfter time.Time) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-day), NotAfter: notAfter,
			DNSNames: []string{name}, IsCA: by == nil || name != "pod", BasicConstraintsValid: true, SubjectKeyId: []byte(name),
		}
		if by == nil {
			by = template
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, by, keys[name].Public(), keys[by.Subject.CommonName]))))
	}
	root, stray := made("root", nil, start.Add(99*day)), made("stray", nil, start.Add(99*day))
	middle := made("middle", root, start.Add(9*day))
	leaf := made("pod", middle, start.Add(30*day))
	tests := map[string]struct {
		shown, roots []*x509.Certificate
		now          time.Time
		reason, want string
	}{
		"whole":                    {[]*x509.Certificate{leaf, middle, root}, []*x509.Certificate{root}, start, "Issued", ""},
		"without the root":         {[]*x509.Certificate{leaf, middle}, []*x509.Certificate{stray, root}, start, "Issued", ""},
		"nobody says who the root": {[]*x509.Certificate{leaf}, nil, start, "Issued", ""},
		"the intermediate missing": {[]*x509.Certificate{leaf}, []*x509.Certificate{root}, start, "CertificateInvalid",
			`Secret "media": the certificates in tls.crt end with "pod", which none in ca.crt signed; add the intermediates that are missing, or correct ca.crt`},
		"in the wrong order": {[]*x509.Certificate{leaf, root, middle}, nil, start, "CertificateInvalid",
			`Secret "media": certificate 2 in tls.crt, "root", did not sign the one before it; store the pod's certificate first, then its issuer's, then that one's issuer's`},
		"the intermediate expired": {[]*x509.Certificate{leaf, middle}, nil, start.Add(9 * day), "Expired",
			`Secret "media": certificate 2 in tls.crt, "middle", expired at 2026-03-10T12:00:00Z; store the chain as it is now`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			data := pair(t, nil, keys["pod"])
			data["tls.crt"], data["ca.crt"] = encoded(tc.shown), encoded(tc.roots)
			got := Usable(Facts{Secret: "media", Pair: Read(data), Names: []string{"pod"}, Now: tc.now})
			if got.Reason != tc.reason || !got.OK && got.Message != tc.want {
				t.Errorf("got  %s: %s\nwant %s: %s", got.Reason, got.Message, tc.reason, tc.want)
			}
		})
	}
}

func encoded(list []*x509.Certificate) (raw []byte) {
	for _, c := range list {
		raw = append(raw, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return raw
}

func TestFresh(t *testing.T) {
	a, _ := authority()
	b, _, err := NewAuthority("reception", start)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"0.reception.media.contoso.com", "20.0.0.1"}
	pair := Read(leaf())
	renewal := RenewalTime(pair.Certificate)
	tests := map[string]struct {
		facts  Facts
		reason string
	}{
		"just issued":          {Facts{Pair: pair, Names: names, Authority: a.Certificate, Now: start}, "Issued"},
		"address only":         {Facts{Pair: pair, Names: names[1:], Authority: a.Certificate, Now: start}, "Issued"},
		"before renewal":       {Facts{Pair: pair, Names: names, Authority: a.Certificate, Now: renewal.Add(-time.Second)}, "Issued"},
		"at renewal":           {Facts{Pair: pair, Names: names, Authority: a.Certificate, Now: renewal}, "Expired"},
		"moved":                {Facts{Pair: pair, Names: []string{names[0], "20.0.0.9"}, Authority: a.Certificate, Now: start}, "NameMismatch"},
		"the authority is new": {Facts{Pair: pair, Names: names, Authority: b.Certificate, Now: start}, "CertificateInvalid"},
		"damaged":              {Facts{Pair: Read(with(leaf(), "tls.key", []byte("x"))), Names: names, Authority: a.Certificate, Now: start}, "CertificateInvalid"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Fresh(tc.facts); got.Reason != tc.reason || got.OK != (tc.reason == "Issued") {
				t.Errorf("got %v %s (%s), want %s", got.OK, got.Reason, got.Message, tc.reason)
			}
		})
	}
}

func TestAPeerThatTrustsTheAuthorityTrustsThePod(t *testing.T) {
	_, data := authority()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data["tls.crt"]) || !roots.AppendCertsFromPEM(leaf()["ca.crt"]) {
		t.Fatal("no certificate in the authority's Secret")
	}
	c := Read(leaf()).Certificate
	for _, name := range []string{"0.reception.media.contoso.com", "20.0.0.1"} {
		if _, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: start}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if len(c.DNSNames) != 1 || len(c.IPAddresses) != 1 {
		t.Errorf("names %v %v: repeated or empty ones were not left out", c.DNSNames, c.IPAddresses)
	}
	if life := c.NotAfter.Sub(start); life != 90*day {
		t.Errorf("valid for %v, want 90 days", life)
	}
	if renewal := RenewalTime(c).Sub(start); renewal < 59*day || renewal > 61*day {
		t.Errorf("renewed after %v, want two thirds of 90 days", renewal)
	}
}

func TestReadAuthority(t *testing.T) {
	_, data := authority()
	tests := map[string]struct {
		data map[string][]byte
		want string
	}{
		"as made":       {data, ""},
		"garbage":       {with(data, "tls.crt", []byte("x")), "tls.crt holds no PEM certificate"},
		"no key":        {with(data, "tls.key", nil), "it has no tls.key"},
		"another's key": {with(data, "tls.key", leaf()["tls.key"]), "tls.key does not belong to tls.crt"},
		"a leaf":        {leaf(), "tls.crt is not the certificate of an authority"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := ReadAuthority(tc.data)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Fatalf("error %q, want %q", got, tc.want)
			}
			if err == nil && !Outlives(a.Certificate, start) {
				t.Error("a new authority does not outlive what it signs")
			}
		})
	}
}

func TestAnAuthorityIsReplacedBeforeItsCertificatesOutliveIt(t *testing.T) {
	a, _ := authority()
	end := a.Certificate.NotAfter
	tests := map[string]struct {
		now  time.Time
		want bool
	}{
		"new":                    {start, true},
		"91 days before its end": {end.Add(-91 * day), true},
		"90 days before its end": {end.Add(-90 * day), false},
		"over":                   {end.Add(day), false},
		"before it is valid":     {start.Add(-day), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Outlives(a.Certificate, tc.now); got != tc.want {
				t.Errorf("Outlives = %v, want %v", got, tc.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(leaf()["tls.crt"], leaf()["tls.key"])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte{}, []byte("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, crt, key []byte) {
		pair := Read(map[string][]byte{"tls.crt": crt, "tls.key": key})
		if (pair.Certificate == nil) != (pair.Problem != "") {
			t.Errorf("certificate %v with problem %q", pair.Certificate, pair.Problem)
		}
		verdict := Usable(Facts{Secret: "s", Pair: pair, Names: []string{"x"}, Now: start})
		if strings.Contains(verdict.Message, "PRIVATE KEY") {
			t.Error("a key is quoted")
		}
	})
}
