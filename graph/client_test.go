// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
)

// seen is a request as the server got it.
type seen struct {
	method, path, query, body string
	header                    http.Header
	at                        time.Time
}

// fakeGraph answers request n with answers[n], and the last of them for ever after.
type fakeGraph struct {
	*httptest.Server
	mu       sync.Mutex
	requests []seen
	answers  []http.HandlerFunc
}

func newFakeGraph(t *testing.T, answers ...http.HandlerFunc) *fakeGraph {
	t.Helper()
	f := &fakeGraph{answers: answers}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // tests break connections on purpose
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeGraph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	n := len(f.requests)
	f.requests = append(f.requests, seen{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone(), time.Now()})
	f.mu.Unlock()
	f.answers[min(n, len(f.answers)-1)](w, r)
}

func (f *fakeGraph) got() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.requests...)
}

type staticToken string

func (s staticToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (f *fakeGraph) client(t *testing.T, change ...func(*ClientOptions)) *Client {
	t.Helper()
	o := ClientOptions{
		Cloud: Cloud{GraphURL: f.URL}, Credential: staticToken(jwtWith(`{"roles":["Calls.JoinGroupCall.All"]}`)), Transport: f.Client(),
		UserAgent: "GraphCommunicationsClient-test/1", RetryDelay: time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	client, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// reset closes the connection so that the client's read fails, instead of ending.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if c, ok := conn.(*tls.Conn); ok {
		_ = c.NetConn().(*net.TCPConn).SetLinger(0)
		_ = c.NetConn().Close()
	}
}

var joinCall = createBodies["join by coordinates, media hosted by the bot"].call

const created = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#communications/calls/$entity","@odata.type":"#microsoft.graph.call",
	"id":"c1","state":"establishing","direction":"outgoing","myParticipantId":"me","callChainId":"chain"}`

func TestCreateCall(t *testing.T) {
	f := newFakeGraph(t, answer(201, created))
	got, err := f.client(t).CreateCall(t.Context(), "scenario-1", joinCall)
	if err != nil {
		t.Fatal(err)
	}
	want := &Call{ID: "c1", State: StateEstablishing, Direction: DirectionOutgoing, MyParticipantID: "me", CallChainID: "chain"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r := f.got()[0]
	body, _ := json.Marshal(joinCall)
	if r.method != "POST" || r.path != "/v1.0/communications/calls" || r.body != string(body) {
		t.Errorf("sent %s %s %s", r.method, r.path, r.body)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + jwtWith(`{"roles":["Calls.JoinGroupCall.All"]}`), "Scenario-Id": "scenario-1", "Content-Type": "application/json",
		"Accept": "application/json", "User-Agent": "GraphCommunicationsClient-test/1",
	} {
		if r.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, r.header.Get(name), value)
		}
	}
	if len(r.header.Get("Client-Request-Id")) != 36 {
		t.Errorf("Client-Request-Id: %q", r.header.Get("Client-Request-Id"))
	}
}

func TestCreateCallTakesTheIDFromLocation(t *testing.T) {
	f := newFakeGraph(t, answer(201, "{}", "Location", "https://graph.microsoft.com/v1.0/communications/calls/c7"), answer(201, "{}"))
	c := f.client(t)
	if got, err := c.CreateCall(t.Context(), "", joinCall); err != nil || got.ID != "c7" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := c.CreateCall(t.Context(), "", joinCall); err == nil {
		t.Errorf("a call without an id: %v", got)
	}
}

func TestAnEmptyRosterIsNotNil(t *testing.T) {
	f := newFakeGraph(t, answer(200, `{"value":null}`))
	got, err := f.client(t).ListParticipants(t.Context(), "s", "c1")
	if diff := cmp.Diff([]Participant{}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestListParticipantsFollowsPagesOfTheSameHostOnly(t *testing.T) {
	var f *fakeGraph
	f = newFakeGraph(t,
		func(w http.ResponseWriter, r *http.Request) {
			answer(200, `{"value":[{"id":"p1"}],"@odata.nextLink":"`+f.URL+`/v1.0/communications/calls/c1/participants?$skiptoken=x"}`)(w, r)
		},
		answer(200, `{"value":[{"id":"p2"}],"@odata.nextLink":"https://evil.example/v1.0/x"}`),
	)
	_, err := f.client(t).ListParticipants(t.Context(), "s", "c1")
	if err == nil || !strings.Contains(err.Error(), "another host") || len(f.got()) != 2 {
		t.Errorf("%v after %d requests", err, len(f.got()))
	}
}

func TestErrorsNameWhatSupportNeedsAndNoSecrets(t *testing.T) {
	call := &Call{
		MediaConfig: AppHostedMedia(`{"token":"bl0btoken"}`), CallbackURI: "https://b/c",
		MeetingInfo: &MeetingInfo{JoinMeetingID: "123456789", Passcode: "p4sscode"},
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   Error
	}{
		"as documented": {
			answer(400, `{"error":{"code":"2203","message":"Bad passcode p4sscode, token bl0btoken, meeting 123456789.","innerError":{"date":"2026-01-01","request-id":"r1","client-request-id":"k1"}}}`,
				"client-request-id", "k1"),
			Error{StatusCode: 400, Code: "2203", Message: "Bad passcode [redacted], token [redacted], meeting [redacted].", RequestID: "r1", ClientRequestID: "k1"},
		},
		"code as a number, ids in headers": {
			answer(404, `{"Error":{"Code":8522,"Message":"Call not found."}}`, "request-id", "r2", "client-request-id", "k2"),
			Error{StatusCode: 404, Code: "8522", Message: "Call not found.", RequestID: "r2", ClientRequestID: "k2"},
		},
		"of a proxy": {
			answer(502, `<html>p4sscode</html>`, "client-request-id", "k3"),
			Error{StatusCode: 502, Message: "the answer is not in Graph's form (application/json), so it may come from a proxy on the way", ClientRequestID: "k3"},
		},
		"empty": {answer(409, "", "client-request-id", "k4"), Error{StatusCode: 409, ClientRequestID: "k4"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newFakeGraph(t, c.answer).client(t).CreateCall(t.Context(), "s", call)
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			c.want.Operation, c.want.Method, c.want.Path = "create call", "POST", "/v1.0/communications/calls"
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, secret := range []string{"p4sscode", "bl0btoken", "123456789"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("secret in %q", err)
				}
			}
			if !strings.Contains(err.Error(), "create call: POST /v1.0/communications/calls: "+fmt.Sprint(c.want.StatusCode)) || !strings.Contains(err.Error(), c.want.ClientRequestID) {
				t.Errorf("text %q", err)
			}
		})
	}
}

func TestForbiddenCreateTellsWhichRolesAreMissing(t *testing.T) {
	f := newFakeGraph(t, answer(403, `{"error":{"code":"7505","message":"Insufficient permissions."}}`))
	_, err := f.client(t).CreateCall(t.Context(), "s", joinCall)
	var refused *Error
	if !errors.As(err, &refused) || len(refused.MissingRoles) != 1 || refused.MissingRoles[0] != RoleAccessMedia {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(ExplainError(err).Message(), RoleAccessMedia) {
		t.Errorf("explained as %q", ExplainError(err).Message())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 2 * maxResponseBytes >> 20 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	f := newFakeGraph(t, endless)
	_, err := f.client(t).GetCall(t.Context(), "s", "c1")
	if err == nil || !strings.Contains(err.Error(), "longer than 8 MiB") || len(f.got()) != 1 {
		t.Errorf("%v after %d requests", err, len(f.got()))
	}
}

func TestAnAnswerOfExactlyTheBoundIsRead(t *testing.T) {
	text := strings.Repeat("x", 100)
	body := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(text)), left: 100}
	if got, err := io.ReadAll(body); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	body = &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(text)), left: 99}
	if got, err := io.ReadAll(body); err == nil {
		t.Errorf("%d bytes, no error", len(got))
	}
}

func TestNewClientRefuses(t *testing.T) {
	good := ClientOptions{Credential: staticToken("t")}
	if _, err := NewClient(good); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]ClientOptions{
		"no credential":   {},
		"plain http":      {Credential: staticToken("t"), Cloud: Cloud{GraphURL: "http://h"}},
		"a password":      {Credential: staticToken("t"), Cloud: Cloud{GraphURL: "https://u:pass@h"}},
		"strange version": {Credential: staticToken("t"), Version: "v2"},
	} {
		if _, err := NewClient(o); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalsSayWhetherATelephoneWasToBeCalled(t *testing.T) {
	phone := InvitationParticipantInfo{Identity: IdentitySet{Phone: &Identity{ID: "+12065550100"}}}
	user := InvitationParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "ada"}}}
	asks := map[string]func(*Client, InvitationParticipantInfo) error{
		"create": func(c *Client, who InvitationParticipantInfo) error {
			_, err := c.CreateCall(t.Context(), "s", &Call{CallbackURI: "https://b/c", MediaConfig: ServiceHostedMedia(), Targets: []InvitationParticipantInfo{who}})
			return err
		},
		"invite": func(c *Client, who InvitationParticipantInfo) error {
			_, err := c.Invite(t.Context(), "s", "c1", []InvitationParticipantInfo{who}, "")
			return err
		},
		"transfer": func(c *Client, who InvitationParticipantInfo) error {
			return c.TransferCall(t.Context(), "s", "c1", Transfer{Target: who})
		},
	}
	for name, ask := range asks {
		for want, who := range map[string]InvitationParticipantInfo{ReasonCalleeRejected: user, ReasonPhoneNotEnabled: phone} {
			refusal := answer(400, `{"error":{"code":"BadRequest","message":"no"}}`)
			if want == ReasonPhoneNotEnabled {
				refusal = answer(403, `{"error":{"code":"7504","message":"no"}}`)
			}
			f := newFakeGraph(t, refusal)
			var refused *Error
			err := ask(f.client(t), who)
			if !errors.As(err, &refused) {
				t.Fatalf("%s: %v", name, err)
			}
			refused.MissingRoles = nil
			if got := ExplainError(err).Reason; got != want {
				t.Errorf("%s: explained as %s, want %s", name, got, want)
			}
		}
	}
}
