// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryTryIsObservedByOperation(t *testing.T) {
	answers := []int{http.StatusServiceUnavailable, http.StatusOK}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		code := answers[0]
		answers = answers[1:]
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"id":"a"}`))
	}))
	defer server.Close()
	type seen struct {
		operation string
		code      int
		timed     bool
	}
	var got []seen
	client, err := NewClient(ClientOptions{
		Cloud: Cloud{GraphURL: server.URL}, Credential: staticToken("t"), Transport: server.Client(), RetryDelay: time.Millisecond,
		Observe: func(e Exchange) { got = append(got, seen{e.Operation, e.StatusCode, e.Took > 0 && e.Context != nil}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetCall(t.Context(), "", "a"); err != nil {
		t.Fatal(err)
	}
	server.Close() // nobody answers from here on
	client.retry.MaxRetries = -1
	if err := client.KeepAlive(t.Context(), "", "a"); err == nil {
		t.Fatal("a server that is gone answered")
	}
	want := []seen{{opGetCall.Name, 503, true}, {opGetCall.Name, 200, true}, {opKeepAlive.Name, 0, true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
}
