// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServerAndClientTrustEachOther(t *testing.T) {
	ca := newCA(t)
	server := issue(t, ca, Request{CommonName: "server", Hosts: []string{"127.64.0.2", "bots.example.com"}})
	client := issue(t, ca, Request{CommonName: "system:node:local", Organizations: []string{"system:nodes"}, Client: true})

	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	type peer struct {
		subject []string
		err     error
	}
	peers := make(chan peer, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			peers <- peer{err: err}
			return
		}
		defer conn.Close()
		err = conn.(*tls.Conn).Handshake()
		p := peer{err: err}
		for _, c := range conn.(*tls.Conn).ConnectionState().PeerCertificates {
			p.subject = append(p.subject, c.Subject.String())
		}
		peers <- p
	}()

	for _, name := range []string{"127.64.0.2", "bots.example.com"} {
		if err := server.Leaf.VerifyHostname(name); err != nil {
			t.Errorf("the server's certificate is not for %s: %v", name, err)
		}
	}
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		RootCAs: ca.Pool(), ServerName: "bots.example.com", Certificates: []tls.Certificate{client},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := <-peers
	if got.err != nil {
		t.Fatal(got.err)
	}
	if diff := cmp.Diff([]string{"CN=system:node:local,O=system:nodes"}, got.subject); diff != "" {
		t.Errorf("client as the server saw it (-want +got):\n%s", diff)
	}
}

func TestCertificatesAreGoodForNothingElse(t *testing.T) {
	ca := newCA(t)
	client := issue(t, ca, Request{CommonName: "client", Client: true})
	_, err := client.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err == nil {
		t.Error("a client's certificate passes for a server's")
	}
	if _, err := ca.Issue(Request{CommonName: "nothing"}); err == nil {
		t.Error("a certificate for no purpose is issued")
	}
	other := newCA(t)
	if _, err := client.Leaf.Verify(x509.VerifyOptions{Roots: other.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("another authority vouches for it")
	}
}

func TestLoadOrCreateCAKeepsTheAuthority(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "pki", "ca.crt"), filepath.Join(dir, "pki", "ca.key")
	first, err := LoadOrCreateCA(cert, key, "test")
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreateCA(cert, key, "test")
	if err != nil {
		t.Fatal(err)
	}
	if !first.Cert.Equal(second.Cert) {
		t.Error("the second call made another authority")
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; others may read it", info.Mode(), err)
	}
	pair, err := second.Issue(Request{CommonName: "x", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(dir, "x.crt")
	if err := pair.Write(leaf, filepath.Join(dir, "x.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(leaf, filepath.Join(dir, "x.key")); err == nil {
		t.Error("an ordinary certificate is taken for an authority")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(cert, key); err == nil {
		t.Error("an authority without its key is loaded")
	}
}

func TestSigningKeyIsAPair(t *testing.T) {
	private, public, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(private)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(public)
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(parsed) {
		t.Error("the public key belongs to another private key")
	}
}

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *CA, r Request) tls.Certificate {
	t.Helper()
	pair, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
