// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// login is a token endpoint that refuses with what Entra ID says.
func login(t *testing.T, status int, body string) azcore.TokenCredential {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
			base := server.URL + "/" + tid
			_ = json.NewEncoder(w).Encode(map[string]string{
				"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "issuer": base + "/v2.0",
			})
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return secretCredential(t, server.URL, server.Client())
}

func secretCredential(t *testing.T, loginURL string, transport policy.Transporter) azcore.TokenCredential {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential(tid, "0efc74f7-41c3-47a4-8775-7259bfef4241", "s3cret-value", &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{
			Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: loginURL}, Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1},
		},
		DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

// What azidentity makes of the answers of a login, all the way to the words a user reads.
func TestSignInErrorsOfAzidentity(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		aadsts int
		reason string
		says   string
	}{
		"wrong secret": {
			401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value. Trace ID: 1 Correlation ID: corr-1 Timestamp: 2026-01-01 00:00:00Z","error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","trace_id":"1","correlation_id":"corr-1"}`,
			7000215, ReasonAuthenticationFailed, "client secret is wrong",
		},
		"unknown app, number only in the text": {
			400, `{"error":"unauthorized_client","error_description":"AADSTS700016: Application with identifier 'x' was not found in the directory 'y'.\r\nTrace ID: 1"}`,
			700016, ReasonAuthenticationFailed, "appID",
		},
		"unknown tenant": {400, `{"error":"invalid_request","error_description":"AADSTS90002: Tenant 'x' not found.","error_codes":["90002"]}`, 90002, ReasonAuthenticationFailed, "tenantID"},
		"not JSON":       {400, "oops", 0, ReasonAuthenticationFailed, "could not get a token"},
		"login fails":    {500, "oops", 0, ReasonLoginUnreachable, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, direct := login(t, c.status, c.body).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://g/.default"}})
			f := newFakeGraph(t, answer(200, "{}"))
			inClient := f.client(t, func(o *ClientOptions) { o.Credential = login(t, c.status, c.body) }).KeepAlive(t.Context(), "s", "c1")
			for _, err := range []error{direct, inClient} {
				got := ExplainError(err)
				if got.Reason != c.reason || !strings.Contains(got.Message(), c.says) {
					t.Errorf("%v\nexplained as %+v", err, got)
				}
				if strings.Contains(got.Message(), "Trace ID") || strings.Contains(got.Message(), "s3cret") || strings.Contains(got.Message(), "\n") {
					t.Errorf("explained as %q", got.Message())
				}
			}
			var auth *AuthError
			if !errors.As(inClient, &auth) || auth.AADSTS != c.aadsts {
				t.Errorf("got %#v", auth)
			}
			if strings.Contains(inClient.Error(), "\n") || strings.Contains(inClient.Error(), "s3cret") || c.aadsts == 7000215 && !strings.Contains(inClient.Error(), "corr-1") {
				t.Errorf("text %q", inClient)
			}
			if len(f.got()) != 0 {
				t.Error("a request went out without a token")
			}
		})
	}
}

func TestLoginThatCannotBeReached(t *testing.T) {
	f := newFakeGraph(t, answer(200, "{}"))
	down := secretCredential(t, "https://"+closedPort(t), f.Client())
	err := f.client(t, func(o *ClientOptions) { o.Credential = down }).KeepAlive(t.Context(), "s", "c1")
	if got := ExplainError(err); got.Reason != ReasonLoginUnreachable || !got.Class.Retryable() {
		t.Errorf("%v\nexplained as %+v", err, got)
	}

	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	err = f.client(t, func(o *ClientOptions) { o.Credential = secretCredential(t, untrusted.URL, http.DefaultClient) }).KeepAlive(t.Context(), "s", "c1")
	if got := ExplainError(err); got.Reason != ReasonLoginUnreachable || !strings.Contains(got.Remedy, "caBundle") {
		t.Errorf("%v\nexplained as %+v", err, got)
	}
}
