// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeLogin is a login service that gives tokens, or refuses as Entra ID does.
type fakeLogin struct {
	*httptest.Server

	mu      sync.Mutex
	roles   map[string][]string // by tenant
	refuses map[string]string   // AADSTS number by tenant
	secret  string
	status  int           // of every answer, if not 0
	ahead   time.Duration // its clock
	asked   int
}

func newFakeLogin(t *testing.T) *fakeLogin {
	t.Helper()
	f := &fakeLogin{roles: map[string][]string{}, refuses: map[string]string{}, secret: "s3cr3t"}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeLogin) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

func (f *fakeLogin) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// root is its certificate authority, as PEM.
func (f *fakeLogin) root() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}))
}

func (f *fakeLogin) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(f.ahead).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	base := f.URL + "/" + tenant
	if strings.HasSuffix(rest, "openid-configuration") {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "issuer": base + "/v2.0",
		})
		return
	}
	f.asked++
	number := f.refuses[tenant]
	if number == "" && r.PostFormValue("client_secret") != f.secret {
		number = "7000215"
	}
	switch {
	case f.status != 0:
		w.WriteHeader(f.status)
	case number != "":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS%s: refused. Trace ID: 1","error_codes":[%s]}`, number, number)
	default:
		claims, _ := json.Marshal(map[string]any{"tid": tenant, "roles": f.roles[tenant]})
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"eyJhbGciOiJSUzI1NiJ9.%s.c2ln"}`, base64.RawURLEncoding.EncodeToString(claims))
	}
}
