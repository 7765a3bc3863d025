// SPDX-License-Identifier: Apache-2.0

// Package login is the part of the Microsoft identity platform a calling bot meets: the OAuth 2.0 token
// endpoint for client credentials, and the discovery documents MSAL reads before it asks for a token.
package login

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/jwks"
	"github.com/callfleet/callfleet/teamsim/secrets"
)

// TokenLifetime is what Entra ID gives an app-only token: 60 to 90 minutes, 75 on average.
const TokenLifetime = 75 * time.Minute

// graphAppID is the application id of Microsoft Graph, accepted as a resource by Entra ID.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// Service issues and checks access tokens for Graph.
type Service struct {
	Directory *directory.Directory
	Keys      *jwks.Set
	BaseURL   string        // the URL by which this service is reached, no trailing slash
	Secrets   *secrets.Book // nil: not written down
}

// Claims are the parts of an app-only access token the calls API looks at.
type Claims struct {
	AppID    string   `json:"appid"`
	TenantID string   `json:"tid"`
	Roles    []string `json:"roles,omitempty"`
	IDType   string   `json:"idtyp"`
	Version  string   `json:"ver"`
	jwt.RegisteredClaims
}

// Has says whether a role was granted.
func (c Claims) Has(role string) bool {
	return slices.Contains(c.Roles, role)
}

// Handles says whether a path is the login service's: /{tenant}/oauth2/v2.0/…, /{tenant}/v2.0/… or
// /{tenant}/discovery/v2.0/….
func Handles(path string) bool {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	return len(parts) == 3 && (parts[1] == "oauth2" || parts[1] == "v2.0" || parts[1] == "discovery")
}

// ServeHTTP serves the paths Handles names.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !s.Directory.HasTenant(tenant) {
		s.refuse(w, r, errUnknownTenant(tenant))
		return
	}
	switch {
	case rest == "oauth2/v2.0/token" && r.Method == http.MethodPost:
		s.token(w, r, strings.ToLower(tenant))
	case rest == "v2.0/.well-known/openid-configuration" && r.Method == http.MethodGet:
		s.discovery(w, strings.ToLower(tenant))
	case rest == "discovery/v2.0/keys" && r.Method == http.MethodGet:
		s.Keys.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Service) discovery(w http.ResponseWriter, tenant string) {
	base := s.BaseURL + "/" + tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid"},
	})
}

// token answers a client credentials grant (reference section 3.1).
func (s *Service) token(w http.ResponseWriter, r *http.Request, tenant string) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, r, errMissing("grant_type"))
		return
	}
	app, resource, refusal := s.judge(r, tenant)
	if refusal != nil {
		s.refuse(w, r, refusal)
		return
	}
	now := time.Now()
	token, err := s.Keys.Current().Sign(Claims{
		AppID: app.ID, TenantID: tenant, Roles: app.Roles, IDType: "app", Version: "1.0",
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.BaseURL + "/" + tenant + "/", Subject: app.ID, Audience: jwt.ClaimStrings{resource},
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-5 * time.Minute)),
			ExpiresAt: jwt.NewNumericDate(now.Add(TokenLifetime)), ID: uuid.NewString(),
		},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.Secrets.Add(secrets.ClientSecret, app.Secret)
	s.Secrets.Add(secrets.AccessToken, token[strings.LastIndexByte(token, '.')+1:])
	seconds := int(TokenLifetime / time.Second)
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
	})
}

// judge decides whether a token may be had, and for which resource.
func (s *Service) judge(r *http.Request, tenant string) (directory.App, string, *refusal) {
	form := r.PostForm
	for _, required := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(required) == "" {
			return directory.App{}, "", errMissing(required)
		}
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return directory.App{}, "", errGrantType(grant)
	}
	app, known := s.Directory.Get(form.Get("client_id"))
	if !known || !app.In(tenant) {
		return directory.App{}, "", errUnknownApp(form.Get("client_id"), tenant)
	}
	switch form.Get("client_secret") {
	case "":
		return directory.App{}, "", errNoCredential()
	case app.Secret:
	default:
		return directory.App{}, "", errWrongSecret(app.ID)
	}
	resource, ok := resourceOf(form.Get("scope"))
	if !ok {
		return directory.App{}, "", errScope(form.Get("scope"))
	}
	if !s.isGraph(resource) {
		return directory.App{}, "", errResource(resource, tenant)
	}
	return app, resource, nil
}

// resourceOf takes the resource out of "<resource>/.default". MSAL adds the OpenID Connect scopes to every
// request, which the real service ignores in this grant.
func resourceOf(scope string) (string, bool) {
	scopes := slices.DeleteFunc(strings.Fields(scope), func(one string) bool {
		return one == "openid" || one == "profile" || one == "offline_access"
	})
	if len(scopes) != 1 {
		return "", false
	}
	return strings.CutSuffix(scopes[0], "/.default")
}

func (s *Service) isGraph(resource string) bool {
	resource = strings.TrimSuffix(resource, "/")
	return resource == s.BaseURL || resource == graphAppID || resource == "https://graph.microsoft.com"
}

// Verify checks a bearer token as Graph would: signature, expiry, and that it was issued for Graph.
func (s *Service) Verify(bearer string) (Claims, error) {
	var claims Claims
	_, err := jwt.ParseWithClaims(bearer, &claims, s.Keys.Lookup,
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired())
	if err != nil {
		return Claims{}, err
	}
	if len(claims.Audience) != 1 || !s.isGraph(claims.Audience[0]) {
		return Claims{}, jwt.ErrTokenInvalidAudience
	}
	return claims, nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
