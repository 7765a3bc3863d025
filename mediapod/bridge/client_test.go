// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/bridge"
	"github.com/callfleet/callfleet/mediapod/bridge/bridgetest"
)

var settings = bridge.Settings{
	ApplicationID: "0efc74f7-41c3-47a4-8775-7259bfef4241", Cloud: "Public", ServiceFQDN: "0.reception.media.contoso.com",
	PublicIP: "20.0.0.4", PublicPort: 28550, InternalPort: 28550,
	Certificate: bridge.Certificate{PFX: []byte("pfx"), Password: "x", Thumbprint: strings.Repeat("0A", 20)},
}

var call = bridge.Call{Modalities: []string{"Audio"}, WHIP: bridge.WHIP{URL: "https://10.0.0.7:40000/whip/c1", Token: "secret-token", ServerName: settings.ServiceFQDN}}

// TestTheContractIsKept: the fake fails the test at anything that the OpenAPI document does not have.
func TestTheContractIsKept(t *testing.T) {
	b := bridgetest.Start(t)
	c := bridge.New(b.Port())
	for name, tc := range map[string]struct {
		state, health, message string
		want                   bridge.Status
	}{
		"ready":      {"Ready", "Normal", "", bridge.Status{State: bridge.StateReady, Health: bridge.Normal}},
		"overloaded": {"Ready", "Overloaded", "", bridge.Status{State: bridge.StateReady, Health: bridge.Overloaded}},
		"starting":   {"Starting", "", "it loads", bridge.Status{State: bridge.StateStarting, Message: "it loads"}},
		"failed":     {"Failed", "", "no certificate", bridge.Status{State: bridge.StateFailed, Message: "no certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			b.Set(tc.state, tc.health, tc.message)
			got, err := c.Run(t.Context(), settings)
			if err != nil || got != tc.want {
				t.Errorf("status %+v, error %v; want %+v", got, err, tc.want)
			}
		})
	}
	want := map[string]any{
		"applicationId": settings.ApplicationID, "cloud": "Public", "serviceFqdn": settings.ServiceFQDN,
		"instancePublicIPAddress": "20.0.0.4", "instancePublicPort": 28550.0, "instanceInternalPort": 28550.0,
		"certificate": map[string]any{"pfx": "cGZ4", "password": "x", "thumbprint": settings.Certificate.Thumbprint},
	}
	if diff := cmp.Diff(want, b.Settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	blob, err := c.Open(t.Context(), "c1", call)
	if err != nil || blob != bridgetest.Blob("c1") {
		t.Errorf("blob %q, error %v", blob, err)
	}
	if got := b.Calls()["c1"]; got.WHIP.Token != "secret-token" || got.WHIP.ServerName != settings.ServiceFQDN {
		t.Errorf("the bridge was asked for %+v", got)
	}
	for range 2 { // one that is over is over
		if err := c.Close(t.Context(), "c1"); err != nil {
			t.Error(err)
		}
	}
	if len(b.Calls()) != 0 {
		t.Errorf("still open: %v", b.Calls())
	}
	b.Refuse("the platform is overloaded")
	_, err = c.Open(t.Context(), "c2", call)
	var refusal *bridge.Refusal
	if !errors.As(err, &refusal) || refusal.StatusCode != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "the platform is overloaded") {
		t.Errorf("refused with %v", err)
	}
	b.Stop()
	if _, err := c.Run(t.Context(), settings); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("of one that is gone: %v", err)
	}
}

// TestABridgeThatBreaksTheContract is told so, without a word of what is secret.
func TestABridgeThatBreaksTheContract(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"no JSON":         {200, `{"blob": secret-blob`, "not the JSON of the contract"},
		"no blob":         {200, `{}`, "blob of 0 bytes"},
		"a blob too long": {200, fmt.Sprintf(`{"blob":%q}`, strings.Repeat("secret-blob", 7000)), "blob of 77000 bytes"},
		"a flood":         {200, strings.Repeat(" ", 200<<10), "more than"},
		"a bare error":    {500, "boom", "refuses (500)"},
		"long complaints": {503, fmt.Sprintf(`{"title":%q}`, strings.Repeat("é", 10000)), "refuses (503): é"},
		"a redirect":      {302, "", "refuses (302)"},
		"another's state": {200, `{"state":"Dancing"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			c := bridge.New(portOf(t, server.URL))
			_, err := c.Open(t.Context(), "c1", call)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") || len(err.Error()) > 800 {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
			if status, err := c.Run(t.Context(), settings); err == nil {
				t.Errorf("status %+v of a bridge that breaks the contract", status)
			}
		})
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"state":"Ready","health":"Normal","message":"x"}`))
	f.Add(503, []byte(`{"title":"overloaded","detail":"é"}`))
	f.Add(200, []byte(`{"blob":"x"}`))
	f.Add(302, []byte(`[`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}))
		defer server.Close()
		c := bridge.New(portOf(t, server.URL))
		if blob, err := c.Open(t.Context(), "c1", call); (err == nil) == (blob == "") {
			t.Errorf("blob %q, error %v", blob, err)
		}
		if s, err := c.Run(t.Context(), settings); err == nil && s.State == bridge.StateReady && s.Health == "" {
			t.Errorf("status %+v", s)
		}
	})
}

func portOf(t *testing.T, address string) uint16 {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(at.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(port)
}
