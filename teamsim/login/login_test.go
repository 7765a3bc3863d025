// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"

	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/jwks"
)

const (
	appID  = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	tenant = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	secret = "correct horse battery staple"
)

func start(t *testing.T) (*Service, *httptest.Server) {
	t.Helper()
	keys, err := jwks.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Directory: directory.New(), Keys: keys}
	if err := s.Directory.Put(directory.App{ID: appID, TenantID: tenant, Secret: secret, Roles: []string{"Calls.JoinGroupCall.All"}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	s.BaseURL = server.URL
	return s, server
}

func credential(t *testing.T, server *httptest.Server, tenant, app, secret string) *azidentity.ClientSecretCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(tenant, app, secret, &azidentity.ClientSecretCredentialOptions{
		DisableInstanceDiscovery: true,
		ClientOptions: azcore.ClientOptions{
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL + "/"},
			Transport: server.Client(),
			Retry:     policy.RetryOptions{MaxRetries: -1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAzidentityGetsATokenThatVerifies(t *testing.T) {
	s, server := start(t)
	token, err := credential(t, server, tenant, appID, secret).GetToken(context.Background(),
		policy.TokenRequestOptions{Scopes: []string{server.URL + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.Verify(token.Token)
	if err != nil {
		t.Fatal(err)
	}
	if claims.AppID != appID || claims.TenantID != tenant || !claims.Has("Calls.JoinGroupCall.All") || claims.Has("Calls.AccessMedia.All") {
		t.Errorf("claims = %+v", claims)
	}
	if left := time.Until(token.ExpiresOn); left < 70*time.Minute || left > 80*time.Minute {
		t.Errorf("token lives %v", left)
	}
}

func TestAzidentityReportsTheAADSTSCode(t *testing.T) {
	_, server := start(t)
	for name, c := range map[string]struct {
		tenant, app, secret, scope, want string
	}{
		"wrong secret":   {tenant, appID, "wrong", server.URL + "/.default", "AADSTS7000215"},
		"unknown app":    {tenant, "11111111-1111-1111-1111-111111111111", secret, server.URL + "/.default", "AADSTS700016"},
		"unknown tenant": {"22222222-2222-2222-2222-222222222222", appID, secret, server.URL + "/.default", "AADSTS90002"},
		"not /.default":  {tenant, appID, secret, server.URL + "/Calls.JoinGroupCall.All", "AADSTS1002012"},
		"not Graph":      {tenant, appID, secret, "https://vault.azure.net/.default", "AADSTS500011"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := credential(t, server, c.tenant, c.app, c.secret).GetToken(context.Background(),
				policy.TokenRequestOptions{Scopes: []string{c.scope}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error should name %s: %v", c.want, err)
			}
		})
	}
}

func TestTokenEndpointSpeaksOAuth(t *testing.T) {
	_, server := start(t)
	full := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": {server.URL + "/.default"}}
	for name, c := range map[string]struct {
		drop   string
		set    [2]string
		status int
		oauth  string
		code   int
	}{
		"no grant type":  {drop: "grant_type", status: 400, oauth: "invalid_request", code: 900144},
		"no secret":      {drop: "client_secret", status: 401, oauth: "invalid_client", code: 7000216},
		"wrong secret":   {set: [2]string{"client_secret", "x"}, status: 401, oauth: "invalid_client", code: 7000215},
		"password grant": {set: [2]string{"grant_type", "password"}, status: 400, oauth: "unsupported_grant_type", code: 70003},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{}
			for k, v := range full {
				form[k] = v
			}
			if c.drop != "" {
				form.Del(c.drop)
			} else {
				form.Set(c.set[0], c.set[1])
			}
			resp, err := server.Client().PostForm(server.URL+"/"+tenant+"/oauth2/v2.0/token", form)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body struct {
				Error string `json:"error"`
				Codes []int  `json:"error_codes"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || body.Error != c.oauth || len(body.Codes) != 1 || body.Codes[0] != c.code {
				t.Errorf("got %d %+v", resp.StatusCode, body)
			}
		})
	}
}

func TestVerifyRefusesWhatGraphRefuses(t *testing.T) {
	s, _ := start(t)
	sign := func(change func(*Claims)) string {
		c := Claims{AppID: appID, TenantID: tenant, RegisteredClaims: jwt.RegisteredClaims{
			Audience: jwt.ClaimStrings{s.BaseURL}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}
		change(&c)
		token, err := s.Keys.Current().Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if _, err := s.Verify(sign(func(*Claims) {})); err != nil {
		t.Fatalf("a good token was refused: %v", err)
	}
	other, err := jwks.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.Sign(Claims{RegisteredClaims: jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{s.BaseURL}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"expired":        sign(func(c *Claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Minute)) }),
		"no expiry":      sign(func(c *Claims) { c.ExpiresAt = nil }),
		"other audience": sign(func(c *Claims) { c.Audience = jwt.ClaimStrings{"https://vault.azure.net"} }),
		"other key":      forged,
		"garbage":        "not.a.token",
	} {
		if _, err := s.Verify(token); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDiscoveryNamesTheKeys(t *testing.T) {
	_, server := start(t)
	resp, err := server.Client().Get(server.URL + "/" + tenant + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	keys, err := server.Client().Get(doc["jwks_uri"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Body.Close()
	if keys.StatusCode != http.StatusOK {
		t.Errorf("jwks_uri answers %d", keys.StatusCode)
	}
}
