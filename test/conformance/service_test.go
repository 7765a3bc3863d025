// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

const (
	appID      = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	instanceID = "99999999-0000-4000-8000-00000000000a"
	tenantID   = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	secret     = "s3cret"
	scenario   = "a3959bf8-1ff4-4a72-a3a2-05826c2e6834"
	patience   = 20 * time.Second
)

var everyRole = []string{
	graph.RoleInitiate, graph.RoleInitiateGroupCall, graph.RoleJoinGroupCall, graph.RoleJoinGroupCallGuest, graph.RoleAccessMedia,
	graph.RoleMeetingsReadWrite,
}

// service is a local Teams with a bot registered in it, and that bot's Graph client.
type service struct {
	*testing.T
	info  admin.Info
	admin *admin.Client
	graph *graph.Client
	bot   *bot
}

func start(t *testing.T) *service {
	t.Helper()
	t.Parallel()
	sim, err := teamsim.Start(teamsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	s := &service{T: t, info: sim.Info(), admin: sim.Admin()}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.info.CA))
	web := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(web.CloseIdleConnections)
	s.bot = newBot(s)
	s.must(s.admin.PutApp(t.Context(), admin.App{
		ID: appID, TenantID: tenantID, DisplayName: "Reception", Secret: secret, Roles: everyRole,
		WebhookURL: s.bot.uri(), InstanceID: instanceID, PhoneNumber: "+4930000000",
	}))
	s.graph, err = graph.NewClient(graph.ClientOptions{
		Cloud: graph.Cloud{GraphURL: s.info.URL}, Credential: login{web, s.info.URL}, Transport: web, RetryDelay: 10 * time.Millisecond,
	})
	s.must(err)
	return s
}

func (s *service) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// login gets tokens with the bot's secret.
type login struct {
	web *http.Client
	url string
}

func (l login) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	tenant := o.TenantID
	if tenant == "" {
		tenant = tenantID
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": o.Scopes}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := l.web.Do(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.AccessToken == "" {
		return azcore.AccessToken{}, errors.Join(fmt.Errorf("login answered %s", resp.Status), err)
	}
	return azcore.AccessToken{Token: token.AccessToken, ExpiresOn: time.Now().Add(time.Duration(token.ExpiresIn) * time.Second)}, nil
}

// bot is the bot's own address: it keeps the notifications, as graph reads them, and serves files.
type bot struct {
	*service
	server *httptest.Server
	files  map[string][]byte
	media  *whip

	mu      sync.Mutex
	got     []graph.Notification
	joining func(graph.Notification) graph.JoinResponse // nil: such a notification is a failure
	news    chan struct{}                               // closed and replaced with every notification
}

func newBot(s *service) *bot {
	b := &bot{service: s, files: map[string][]byte{}, news: make(chan struct{}), media: &whip{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback", b.callback)
	mux.HandleFunc("POST /whip", b.media.offered)
	mux.HandleFunc("DELETE /whip/session", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		w.Header().Set("Content-Type", "audio/wav")
		_, _ = w.Write(b.files[r.PathValue("name")])
	})
	b.server = httptest.NewTLSServer(mux)
	s.Cleanup(func() {
		b.media.close()
		b.server.Close()
	})
	s.must(s.admin.TrustRoots(s.Context(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})))
	return b
}

func (b *bot) uri() string { return b.server.URL + "/callback" }

// file serves a file and gives its address.
func (b *bot) file(name string, content []byte) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[name] = content
	return b.server.URL + "/files/" + name
}

func (b *bot) callback(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.Error(err)
	}
	notifications, err := graph.ParseNotifications(body)
	if err != nil {
		b.Errorf("%v: %s", err, body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, notifications...)
	close(b.news)
	b.news = make(chan struct{})
	for _, n := range notifications {
		if n.Resource.Kind == graph.KindUnknown {
			b.Errorf("a notification that graph cannot place: %s", n.Raw)
		}
		if n.Resource.Kind == graph.KindParticipantJoining && b.joining != nil {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(b.joining(n))
			return
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// waitFor waits for a notification of a call and returns it.
func (b *bot) waitFor(what, callID string, is func(graph.Notification) bool) graph.Notification {
	b.Helper()
	deadline := time.After(patience)
	for seen := 0; ; {
		b.mu.Lock()
		news := b.news
		for ; seen < len(b.got); seen++ {
			n := b.got[seen]
			if (callID == "" || graph.SameID(n.Resource.CallID, callID)) && is(n) {
				b.mu.Unlock()
				return n
			}
		}
		b.mu.Unlock()
		select {
		case <-news:
		case <-deadline:
			b.Fatalf("no notification of %s; the bot was told:\n%s", what, b.story())
		}
	}
}

func (b *bot) story() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, n := range b.got {
		lines = append(lines, string(n.Raw))
	}
	return strings.Join(lines, "\n")
}

// waitState waits until the call was said to be in a state.
func (b *bot) waitState(callID string, state graph.CallState) *graph.Call {
	b.Helper()
	return b.waitFor(string(state), callID, func(n graph.Notification) bool { return n.Call != nil && n.Call.State == state }).Call
}

// waitEnd waits for the notification that ends an operation.
func (b *bot) waitEnd(callID string, op *graph.Operation) *graph.Operation {
	b.Helper()
	if op.Ended() {
		b.Fatalf("%v has ended already, so that no notification will come", op)
	}
	n := b.waitFor("the end of "+op.String(), callID, func(n graph.Notification) bool {
		return n.Operation != nil && graph.SameID(n.Operation.ID, op.ID) && n.ChangeType == graph.Deleted
	})
	if !n.Operation.Ended() || n.Operation.Type != op.Type {
		b.Errorf("%v ended as %v", op, n.Operation)
	}
	return n.Operation
}

// waitRoster waits for a roster, or a change of it, in which somebody is as told.
func (b *bot) waitRoster(what, callID string, is func(graph.Participant) bool) graph.Participant {
	b.Helper()
	var found graph.Participant
	b.waitFor("a roster with "+what, callID, func(n graph.Notification) bool {
		for _, p := range n.Participants {
			if is(p) {
				found = p
				return true
			}
		}
		return false
	})
	return found
}
