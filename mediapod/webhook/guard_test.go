// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// TestWhatIsInside: the pod itself, its node, and what clouds tell machines.
func TestWhatIsInside(t *testing.T) {
	pod, dev := guard{own: netip.MustParseAddr("10.4.0.7")}, guard{own: netip.MustParseAddr("127.64.0.9")}
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "0.0.0.0": true, "::": true, "10.4.0.7": true,
		"169.254.169.254": true, "::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true, "fe80::1%eth0": true, "fd00:ec2::254": true,
		"168.63.129.16": true, "100.100.100.200": true, "224.0.0.1": true, "ff02::1": true, "64:ff9b::7f00:1": true,
		"10.4.0.8": false, "203.0.113.9": false, "2001:db8::1": false, "fd12::1": false, "64:ff9b::cb00:7109": false,
	} {
		if got := pod.inside(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: inside %v, want %v", address, got, want)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1": false, "127.64.0.9": true, "169.254.169.254": true} {
		if got := dev.inside(netip.MustParseAddr(address)); got != want {
			t.Errorf("in the dev cluster, %s: inside %v, want %v", address, got, want)
		}
	}
}

// TestNothingInsideIsAsked, whether it is written as a number or found behind a name, and whether there is a proxy or not.
func TestNothingInsideIsAsked(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	web := server.Client()
	web.Transport.(*http.Transport).DialContext = nil // httptest's leads every name to the server
	pod := Guard(web, netip.MustParseAddr("10.4.0.7"))
	for _, host := range []string{u.Host, "localhost:" + u.Port(), "[::ffff:127.0.0.1]:" + u.Port()} {
		resp, err := pod.Post("https://"+host, "text/plain", strings.NewReader("hello"))
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, ErrInside) {
			t.Errorf("%s: error %v", host, err)
		}
	}
	if resp, err := Guard(web, netip.MustParseAddr("127.64.0.9")).Get(server.URL); err != nil {
		t.Errorf("in the dev cluster: %v", err)
	} else {
		resp.Body.Close()
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}

	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proxied++; w.WriteHeader(http.StatusBadGateway) }))
	defer proxy.Close()
	at, _ := url.Parse(proxy.URL)
	web.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
	behind := Guard(web, netip.MustParseAddr("10.4.0.7"))
	for _, address := range []string{"https://169.254.169.254/latest", "https://shop.contoso.com/"} {
		if resp, err := behind.Get(address); err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s", address, resp.Status)
		}
	}
	if proxied != 1 {
		t.Errorf("the proxy was asked %d times, want once", proxied)
	}
}

// TestWhatIsSaidGoesToOneHostAlone.
func TestWhatIsSaidGoesToOneHostAlone(t *testing.T) {
	got := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) {
		got++
		if r.Method != http.MethodPost || r.ContentLength != 5 {
			t.Errorf("%s with %d bytes", r.Method, r.ContentLength)
		}
	})
	for path, to := range map[string]string{"/moved": "/there", "/round": "/round", "/http": "http://127.0.0.1/there", "/away": "https://127.0.0.2/there"} {
		mux.Handle(path, http.RedirectHandler(to, http.StatusTemporaryRedirect))
	}
	mux.Handle("/get", http.RedirectHandler("/there", http.StatusSeeOther))
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = SameHost
	for path, want := range map[string]string{
		"/moved": "", "/round": "more than 3 times", "/http": "without https", "/away": "another host", "/get": "307 or 308",
	} {
		resp, err := client.Post(server.URL+path, "text/plain", strings.NewReader("hello"))
		if err == nil {
			resp.Body.Close()
		}
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrRedirect) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if got != 1 {
		t.Errorf("arrived %d times, want once", got)
	}
}

func TestAddressesThatAUserWrote(t *testing.T) {
	for address, want := range map[string]bool{
		"https://shop.contoso.com/ask?code=1": true, "http://shop.contoso.com/": false, "https:///ask": false, "https://%zz/": false,
		"https://jane:secret@shop.contoso.com/": false, "": false, "file:///etc/passwd": false,
	} {
		if _, err := Address(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}
