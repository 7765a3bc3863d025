// SPDX-License-Identifier: Apache-2.0

// Package bridgetest plays a media bridge for tests. It holds both sides to the contract: what it is asked, and what it answers, has
// to be as docs/microsoft-platform.openapi.yaml says.
package bridgetest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Call is what was asked for with a call.
type Call struct {
	Modalities []string `json:"modalities"`
	WHIP       struct {
		URL        string `json:"url"`
		Token      string `json:"token"`
		ServerName string `json:"serverName"`
	} `json:"whip"`
}

// Bridge is a bridge without a platform behind it.
type Bridge struct {
	t      testing.TB
	server *httptest.Server
	router routers.Router

	mu       sync.Mutex
	status   map[string]any
	settings map[string]any
	calls    map[string]Call
	closed   []string
	refusal  string
	onCall   func(id string, c Call)
}

// Start starts one that is Ready; it ends with the test.
func Start(t testing.TB) *Bridge {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(filepath.Dir(file), "..", "..", "..", "docs", "microsoft-platform.openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the contract itself: %v", err)
	}
	b := &Bridge{t: t, calls: map[string]Call{}, status: map[string]any{"state": "Ready", "health": "Normal"}}
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.server.Close)
	doc.Servers = openapi3.Servers{{URL: b.server.URL}}
	if b.router, err = legacy.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	return b
}

// Port is where it listens, on 127.0.0.1.
func (b *Bridge) Port() uint16 {
	at, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	port, err := strconv.ParseUint(at.Port(), 10, 16)
	if err != nil {
		b.t.Fatal(err)
	}
	return uint16(port)
}

// Stop takes it away.
func (b *Bridge) Stop() { b.server.Close() }

// Set changes how the platform is; health "" for none.
func (b *Bridge) Set(state, health, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = map[string]any{"state": state}
	if health != "" {
		b.status["health"] = health
	}
	if message != "" {
		b.status["message"] = message
	}
}

// Refuse has it refuse calls for this reason; "" for none.
func (b *Bridge) Refuse(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusal = why
}

// OnCall is called beside the answer to each request for a call: a bridge connects its media then.
func (b *Bridge) OnCall(do func(id string, c Call)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onCall = do
}

// Settings are those it was last asked to run with.
func (b *Bridge) Settings() map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.settings)
}

// Calls are those that are open, by id, and Closed the ids of those that are over.
func (b *Bridge) Calls() map[string]Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.calls)
}

// Closed are the ids of the calls that are over.
func (b *Bridge) Closed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.closed...)
}

// Blob is the one of a call.
func Blob(id string) string {
	return `{"mpUri":"net.tcp://fake:8445/MediaProcessor","callId":"` + id + `"}`
}

func (b *Bridge) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Errorf("reading what the bridge is asked: %v", err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.URL.Scheme, r.URL.Host = "http", r.Host
	route, params, err := b.router.FindRoute(r)
	if err != nil {
		b.t.Errorf("the bridge is asked %s %s, which the contract does not have: %v", r.Method, r.URL.Path, err)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		b.t.Errorf("what the bridge is asked is not as the contract says: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	code, kind, answer := b.answer(r.Method, r.URL.Path, body)
	header := http.Header{"Content-Type": {kind}}
	var raw []byte
	if answer != nil {
		if raw, err = json.Marshal(answer); err != nil {
			b.t.Errorf("encoding the answer: %v", err)
		}
	} else {
		header = http.Header{}
	}
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: code, Header: header}
	output.SetBodyBytes(raw)
	if err := openapi3filter.ValidateResponse(r.Context(), output); err != nil {
		b.t.Errorf("the fake's answer is not as the contract says: %v", err)
	}
	maps.Copy(w.Header(), header)
	w.WriteHeader(code)
	_, _ = w.Write(raw)
}

func (b *Bridge) answer(method, path string, body []byte) (code int, kind string, answer any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	const kindJSON, kindProblem = "application/json", "application/problem+json"
	if path == "/v1/platform" {
		b.settings = map[string]any{}
		if err := json.Unmarshal(body, &b.settings); err != nil {
			b.t.Error(err)
		}
		return http.StatusOK, kindJSON, b.status
	}
	id := strings.TrimPrefix(path, "/v1/calls/")
	if method == http.MethodDelete {
		delete(b.calls, id)
		b.closed = append(b.closed, id)
		return http.StatusNoContent, "", nil
	}
	if b.refusal != "" {
		return http.StatusServiceUnavailable, kindProblem, map[string]any{"title": b.refusal, "status": http.StatusServiceUnavailable}
	}
	var call Call
	if err := json.Unmarshal(body, &call); err != nil {
		b.t.Error(err)
	}
	b.calls[id] = call
	if b.onCall != nil {
		go b.onCall(id, call)
	}
	return http.StatusOK, kindJSON, map[string]any{"blob": Blob(id)}
}
