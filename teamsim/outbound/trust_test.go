// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	n := New()
	for name, addr := range map[string]string{
		"bots.contoso.com": "127.0.0.1:8443", "*.media.contoso.com": "127.64.0.9", "six.contoso.com": "::1",
	} {
		if err := n.Resolve(name, addr); err != nil {
			t.Fatal(err)
		}
	}
	for in, want := range map[string]string{
		"bots.contoso.com:443":             "127.0.0.1:8443",
		"BOTS.contoso.com:443":             "127.0.0.1:8443",
		"0.reception.media.contoso.com:1":  "0.reception.media.contoso.com:1", // one label only
		"reception-0.media.contoso.com:99": "127.64.0.9:99",
		"media.contoso.com:99":             "media.contoso.com:99",
		"six.contoso.com:5":                "[::1]:5",
		"10.0.0.1:443":                     "10.0.0.1:443",
	} {
		if got := n.lookup(in); got != want {
			t.Errorf("lookup(%s) = %s, want %s", in, got, want)
		}
	}
	for _, bad := range [][2]string{{"", "1.2.3.4"}, {"a.*.b", "1.2.3.4"}, {"a.b", "not-an-ip"}} {
		if n.Resolve(bad[0], bad[1]) == nil {
			t.Errorf("Resolve(%q, %q) was accepted", bad[0], bad[1])
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }))
	defer server.Close()
	server.Config.ErrorLog = nil
	n := New()
	client := n.Client(5 * time.Second)
	if _, err := client.Get(server.URL); !IsCertificateError(err) {
		t.Fatalf("an unknown CA should be refused as a certificate error, got %v", err)
	}
	if err := n.AddRoots(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("after its CA was added the server should be trusted: %v", err)
	}
	_ = resp.Body.Close()

	// The certificate is for example.com and 127.0.0.1; another name that leads to it is refused.
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	if err := n.Resolve("bots.contoso.com", "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get("https://bots.contoso.com/"); !IsCertificateError(err) {
		t.Errorf("a wrong name should be refused as a certificate error, got %v", err)
	}
	if err := n.Resolve("example.com", "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	resp, err = client.Get("https://example.com/")
	if err != nil {
		t.Fatalf("the right name should be accepted: %v", err)
	}
	_ = resp.Body.Close()
	if _, err := client.Get("http://example.com/"); err == nil {
		t.Error("a request without TLS went out")
	}
	if n.AddRoots([]byte("nonsense")) == nil {
		t.Error("nonsense was added as a root")
	}
}
