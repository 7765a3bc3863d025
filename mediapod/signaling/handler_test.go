// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/callfleet/callfleet/graph"
)

const (
	newCallPath  = "/voice/reception/calls"
	callbackPath = "/voice/reception/pods/reception-0/calls/"
)

// countingBody tells whether anybody read it.
type countingBody struct {
	io.Reader
	reads int
}

func (b *countingBody) Read(p []byte) (int, error) {
	b.reads++
	return b.Reader.Read(p)
}

// wire is a notification body as the service sends it.
func wire(t testing.TB, callID string, data any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"@odata.type": "#microsoft.graph.commsNotifications",
		"value": []any{map[string]any{
			"@odata.type": "#microsoft.graph.commsNotification", "changeType": "updated",
			"resourceUrl": "/communications/calls/" + callID, "resourceData": data,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func post(s *Server, path, body string, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestHandlerAnswers(t *testing.T) {
	refuseAll := func(c *Config) { c.Verifier = fakeVerifier{err: refuse(TokenExpired, nil)} }
	keyless := func(c *Config) { c.Verifier = fakeVerifier{err: refuse(KeysUnavailable, errors.New("down"))} }
	good := wire(t, testCallID, map[string]any{"state": "established"})
	tests := map[string]struct {
		path   string
		body   string
		config func(*Config)
		change func(*http.Request)
		want   int
		unread bool // the body must not have been touched
	}{
		"callback":                      {path: callbackPath + testUID, body: good, want: 202},
		"callback of another session":   {path: callbackPath + "nobody", body: good, want: 202},
		"new call":                      {path: newCallPath, body: good, want: 202},
		"base path":                     {path: "/voice/reception", want: 404, unread: true},
		"slash after the path":          {path: newCallPath + "/", want: 404, unread: true},
		"no session":                    {path: callbackPath, want: 404, unread: true},
		"something below the session":   {path: callbackPath + testUID + "/x", want: 404, unread: true},
		"another bot":                   {path: "/voice/other/calls", want: 404, unread: true},
		"another pod":                   {path: "/voice/reception/pods/reception-1/calls/" + testUID, want: 404, unread: true},
		"a pod whose name begins alike": {path: "/voice/reception/pods/reception-01/calls/" + testUID, want: 404, unread: true},
		"GET":                           {path: newCallPath, change: func(r *http.Request) { r.Method = http.MethodGet }, want: 405, unread: true},
		"token refused":                 {path: callbackPath + testUID, body: good, config: refuseAll, want: 401, unread: true},
		"token refused, new call":       {path: newCallPath, body: good, config: refuseAll, want: 401, unread: true},
		"token refused, other type":     {path: newCallPath, config: refuseAll, change: func(r *http.Request) { r.Header.Del("Content-Type") }, want: 401, unread: true},
		"no keys":                       {path: newCallPath, body: good, config: keyless, want: 503, unread: true},
		"not JSON by its type":          {path: newCallPath, body: good, change: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, want: 415, unread: true},
		"not JSON":                      {path: callbackPath + testUID, body: "{", want: 400},
		"not notifications":             {path: callbackPath + testUID, body: `{"type":"conversation"}`, want: 400},
		"the format of before Graph":    {path: newCallPath, body: `{"id":"1","conversationInvitation":{}}`, want: 204},
		"not JSON, new call":            {path: newCallPath, body: "{", want: 400},
		"too large":                     {path: callbackPath + testUID, body: `{"value":[` + strings.Repeat(" ", graph.MaxNotificationBytes) + `]}`, want: 413},
		"empty":                         {path: callbackPath + testUID, want: 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes []func(*Config)
				if tt.config != nil {
					changes = append(changes, tt.config)
				}
				s := newTestServer(t, &fakeGraph{}, changes...)
				defer stop(t, s)
				body := &countingBody{Reader: strings.NewReader(tt.body)}
				w := post(s, tt.path, tt.body, func(r *http.Request) {
					r.Body = io.NopCloser(body)
					if tt.change != nil {
						tt.change(r)
					}
				})
				if w.Code != tt.want {
					t.Errorf("answered %d, want %d", w.Code, tt.want)
				}
				if tt.unread && body.reads > 0 {
					t.Errorf("the body was read %d times before the request was refused", body.reads)
				}
				if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues(fmt.Sprint(tt.want))); got != 1 {
					t.Errorf("%v requests counted as answered %d, want 1", got, tt.want)
				}
				if closes := w.Header().Get("Connection") == "close"; closes != (tt.path == newCallPath || tt.want >= 400) {
					t.Errorf("Connection: close is %t", closes)
				}
			})
		})
	}
}

func TestBearerIsReadFromTheHeader(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "Bearer": "", "Bearer abc": "abc", "bearer  abc ": "abc", "Basic abc": "", "abc": "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", header)
		if got := bearer(r); got != want {
			t.Errorf("bearer of %q is %q, want %q", header, got, want)
		}
	}
}

// TestFromTheWireToTheSnapshot goes the whole way, with a real token over a real connection.
func TestFromTheWireToTheSnapshot(t *testing.T) {
	verifier, _, _ := newTestVerifier(t, newIssuer(t), logr.Discard())
	s := newTestServer(t, &fakeGraph{}, func(c *Config) { c.Verifier = verifier })
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	c, err := s.Join(JoinRequest{UID: testUID, Meeting: testMeeting(), Blob: testBlob})
	if err != nil {
		t.Fatal(err)
	}
	send := func(token, body string) int {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+callbackPath+testUID, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	roster := strings.Replace(wire(t, testCallID+"/participants", []any{
		map[string]any{"id": testSelf, "isInLobby": false, "info": map[string]any{"identity": map[string]any{"application": map[string]any{"displayName": "Bot"}}}},
		map[string]any{"id": "p", "isInLobby": false, "info": map[string]any{"identity": map[string]any{"user": map[string]any{"displayName": "Ada"}}}},
	}), `"updated"`, `"Updated"`, 1)
	for _, body := range []string{wire(t, testCallID, map[string]any{"state": "established", "mediaState": map[string]any{"audio": "active"}}), roster} {
		if got := send("nonsense", body); got != http.StatusUnauthorized {
			t.Fatalf("a bad token was answered %d", got)
		}
		if got := send(goodToken(t, start), body); got != http.StatusAccepted {
			t.Fatalf("a good notification was answered %d", got)
		}
	}
	eventually(t, "the bot is in the meeting with one person", func() bool {
		snap := c.Snapshot()
		return snap.Phase == PhaseEstablished && snap.MediaActive && snap.ParticipantCount == 2
	})
	if got := send(goodToken(t, start), wire(t, testCallID, map[string]any{"state": "terminated", "resultInfo": map[string]any{"code": "200", "subCode": 5003}})); got != http.StatusAccepted {
		t.Fatalf("the end was answered %d", got)
	}
	<-c.Done()
	wantEnd(t, c, EndMeetingEnded)
	stop(t, s)
}

func TestAFullQueueIsSaidSoAndMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{
			get:  func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil },
			list: func(string) ([]graph.Participant, error) { return []graph.Participant{bot(), person(1)}, nil },
		}
		s := newTestServer(t, g)
		defer stop(t, s)
		stuck := make(chan struct{})
		c := join(t, s, func(r *JoinRequest) { r.OnChange = func() { <-stuck } })
		body := wire(t, testCallID, map[string]any{"state": "establishing"})
		codes := map[int]int{}
		for range queueLength + 10 {
			codes[post(s, callbackPath+testUID, body).Code]++
		}
		if diff := cmp.Diff(map[int]int{http.StatusAccepted: queueLength, http.StatusServiceUnavailable: 10}, codes); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		close(stuck)
		synctest.Wait()
		wantPhase(t, c, PhaseEstablished)
	})
}

func FuzzHandler(f *testing.F) {
	g := &forgetfulGraph{}
	s := newTestServer(f, g, func(c *Config) {
		c.Incoming = func(in Incoming) Decision {
			switch len(in.CallID) % 5 {
			case 0:
				return Decision{Answer: &AnswerRequest{UID: testUID, ParticipantCapacity: 2}}
			case 1:
				return Decision{Full: true}
			case 2:
				return Decision{Location: "https://eu.example/calls"}
			case 3:
				return Decision{Redirect: &graph.Redirect{}}
			}
			return Decision{}
		}
		c.Orphan = func(_ context.Context, uid, _ string) Orphan { return Orphan{Later: len(uid)%2 == 0} }
	})
	f.Cleanup(func() { _ = s.Shutdown(f.Context()) })
	f.Add(callbackPath+testUID, []byte(wire(f, testCallID, map[string]any{"state": "established"})))
	f.Add(callbackPath+testUID, []byte(wire(f, testCallID+"/participants", []any{map[string]any{"id": nil}})))
	f.Add(callbackPath+testUID, []byte(wire(f, testCallID, map[string]any{"@odata.type": "#microsoft.graph.participantJoiningNotification", "call": map[string]any{"id": "x"}})))
	f.Add(callbackPath+testUID, []byte(wire(f, testCallID+"/operations/1", map[string]any{"status": "Completed"})))
	f.Add(callbackPath+testUID, []byte(wire(f, "/app/calls/12345/participants", map[string]any{"sequenceNumber": "3", "participants": []any{nil}})))
	f.Add(callbackPath+testUID, []byte(wire(f, "12345", map[string]any{"state": "established", "toneInfo": map[string]any{"sequenceId": -1}})))
	f.Add(otherPodPath+testUID, []byte(wire(f, testCallID, nil)))
	f.Add(newCallPath, []byte(ring(f, "12345", "1234", "123")))
	f.Add(newCallPath, []byte(`{"value":[{"changeType":"created","resourceUrl":"/app/calls/x"}]}`))
	f.Add(newCallPath, []byte(`{"value":[null,1,"",{}]}`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, newCallPath, bytes.NewReader(body))
		r.URL.Path = path
		r.Header.Set("Authorization", "Bearer token")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		switch w.Code {
		case 200, 202, 204, 302, 400, 404, 413, 503:
		default:
			t.Errorf("answered %d", w.Code)
		}
		if w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) {
			t.Errorf("answered %q", w.Body)
		}
	})
}

// forgetfulGraph does everything and remembers nothing of it.
type forgetfulGraph struct{ GraphAPI }

func (forgetfulGraph) AnswerCall(context.Context, string, string, graph.Answer) error { return nil }
func (forgetfulGraph) RejectCall(context.Context, string, string, graph.RejectReason) error {
	return nil
}
func (forgetfulGraph) RedirectCall(context.Context, string, string, graph.Redirect) error { return nil }
func (forgetfulGraph) DeleteCall(context.Context, string, string) error                   { return nil }
func (forgetfulGraph) KeepAlive(context.Context, string, string) error                    { return nil }
func (forgetfulGraph) GetCall(_ context.Context, _, id string) (*graph.Call, error) {
	return &graph.Call{ID: id}, nil
}
func (forgetfulGraph) ListParticipants(context.Context, string, string) ([]graph.Participant, error) {
	return nil, nil
}
