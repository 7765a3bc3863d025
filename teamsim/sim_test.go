// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

const (
	appID      = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	tenantID   = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	secret     = "s3cret"
	scenarioID = "a3959bf8-1ff4-4a72-a3a2-05826c2e6834"
)

var allRoles = []string{"Calls.JoinGroupCall.All", "Calls.JoinGroupCallAsGuest.All", "Calls.AccessMedia.All"}

// sim is a running simulator and a raw client of it, which shares no code with it or with Callfleet's own client.
type sim struct {
	t     *testing.T
	info  admin.Info
	admin *admin.Client
	http  *http.Client
	token string
}

func start(t *testing.T, change ...func(*teamsim.Options)) *sim {
	t.Helper()
	var o teamsim.Options
	for _, c := range change {
		c(&o)
	}
	server, err := teamsim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(server.Info().CA)) {
		t.Fatal("no CA in the info")
	}
	s := &sim{t: t, info: server.Info(), admin: server.Admin(), http: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}}
	t.Cleanup(s.http.CloseIdleConnections)
	s.register(allRoles...)
	return s
}

// impatient is for tests in which media goes missing. The others leave a busy machine the usual time.
func impatient(o *teamsim.Options) { o.MediaTimeout = 2 * time.Second }

// register gives the bot exactly these roles and gets it a token that carries them.
func (s *sim) register(roles ...string) {
	s.t.Helper()
	app := admin.App{ID: appID, TenantID: tenantID, DisplayName: "Reception", Secret: secret, Roles: roles}
	if err := s.admin.PutApp(s.t.Context(), app); err != nil {
		s.t.Fatal(err)
	}
	s.token = s.login(appID, tenantID)
}

func (s *sim) login(app, tenant string) string {
	s.t.Helper()
	resp, err := s.http.PostForm(s.info.URL+"/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {secret}, "scope": {s.info.URL + "/.default"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.AccessToken == "" {
		s.t.Fatalf("no token: %d %v", resp.StatusCode, err)
	}
	return body.AccessToken
}

// reply is an answer of Graph.
type reply struct {
	Status int
	Header http.Header
	Body   map[string]any
}

func (r reply) errorCode() string {
	e, _ := r.Body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (r reply) errorMessage() string {
	e, _ := r.Body["error"].(map[string]any)
	m, _ := e["message"].(string)
	return m
}

func (s *sim) do(method, path string, body any) reply {
	s.t.Helper()
	return s.doWith(method, path, body, http.Header{"Authorization": {"Bearer " + s.token}})
}

func (s *sim) doWith(method, path string, body any, header http.Header) reply {
	s.t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.info.URL+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = header.Clone()
	if len(raw) > 0 && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Scenario-Id", scenarioID)
	req.Header.Set("Client-Request-Id", "5d6330aa-e7ce-49ed-a979-75666251d2bd")
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := reply{Status: resp.StatusCode, Header: resp.Header}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out.Body); err != nil {
			s.t.Fatalf("%s %s: not JSON: %s", method, path, text)
		}
	}
	return out
}

type doc = map[string]any

// joinBody is the body of a join by coordinates, as the documentation's examples have it.
func joinBody(m admin.Meeting, b *bot) doc {
	return doc{
		"@odata.type": "#microsoft.graph.call",
		"callbackUri": b.callbackURI(),
		"direction":   "outgoing",
		"source": doc{"@odata.type": "#microsoft.graph.participantInfo", "identity": doc{
			"@odata.type": "#microsoft.graph.identitySet",
			"application": doc{"@odata.type": "#microsoft.graph.identity", "displayName": "Reception", "id": appID},
		}},
		"requestedModalities": []string{"audio"},
		"mediaConfig":         doc{"@odata.type": "#microsoft.graph.appHostedMediaConfig", "blob": b.blob()},
		"chatInfo":            doc{"@odata.type": "#microsoft.graph.chatInfo", "threadId": m.ThreadID, "messageId": m.MessageID},
		"meetingInfo": doc{
			"@odata.type": "#microsoft.graph.organizerMeetingInfo", "allowConversationWithoutHost": true,
			"organizer": doc{"@odata.type": "#microsoft.graph.identitySet", "user": doc{
				"@odata.type": "#microsoft.graph.identity", "id": m.OrganizerID, "tenantId": m.TenantID,
			}},
		},
		"tenantId": m.TenantID,
	}
}

// join creates a call that must be accepted.
func (s *sim) join(body doc) (callID string) {
	s.t.Helper()
	r := s.do("POST", "/v1.0/communications/calls", body)
	if r.Status != http.StatusCreated {
		s.t.Fatalf("create call: %d %v", r.Status, r.Body)
	}
	return r.Body["id"].(string)
}

func (s *sim) meeting(change func(*admin.NewMeeting)) admin.Meeting {
	s.t.Helper()
	n := admin.NewMeeting{Subject: "Standup", TenantID: tenantID}
	if change != nil {
		change(&n)
	}
	m, err := s.admin.CreateMeeting(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (s *sim) person(m admin.Meeting, name string) admin.Person {
	s.t.Helper()
	p, err := s.admin.AddPerson(s.t.Context(), m.ID, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *sim) call(id string) admin.Call {
	s.t.Helper()
	all, err := s.admin.Calls(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		if c.ID == id {
			return c
		}
	}
	s.t.Fatalf("call %s is not known", id)
	return admin.Call{}
}

func (s *sim) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// noGhosts fails if a bot is left in a meeting with no call behind it.
func (s *sim) noGhosts() {
	s.t.Helper()
	ghosts, err := s.admin.Ghosts(s.t.Context())
	s.must(err)
	if len(ghosts) > 0 {
		s.t.Errorf("ghosts: %+v", ghosts)
	}
}

// verify checks a notification's token the way a bot should (reference section 3.2).
func (s *sim) verify(header string) (jwt.MapClaims, error) {
	bearer, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return nil, errors.New("no bearer token")
	}
	var metadata struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := s.getJSON(s.info.OpenIDConfigurationURL, &metadata); err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kid, N, E string }
	}
	if err := s.getJSON(metadata.JWKS, &set); err != nil {
		return nil, err
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(bearer, claims, func(token *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k.Kid == token.Header["kid"] {
				return publicKey(k.N, k.E)
			}
		}
		return nil, fmt.Errorf("no published key %v", token.Header["kid"])
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(appID), jwt.WithIssuer("https://api.botframework.com"), jwt.WithExpirationRequired())
	if err != nil {
		return nil, err
	}
	if claims["tid"] != tenantID {
		return nil, fmt.Errorf("tid is %v", claims["tid"])
	}
	return claims, nil
}

func publicKey(n, e string) (*rsa.PublicKey, error) {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return nil, err
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}, nil
}

func (s *sim) getJSON(url string, into any) error {
	resp, err := s.http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
