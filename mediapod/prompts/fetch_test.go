// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// TestWhyAFileCannotBeHad: a server that is away for a moment must not fail a call for good, and no message holds an
// address, which may carry a signature.
func TestWhyAFileCannotBeHad(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(prompt(1)) }))
	defer plain.Close()
	release := make(chan struct{})
	var server *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("/502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	mux.HandleFunc("/404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	mux.HandleFunc("/hang", func(w http.ResponseWriter, _ *http.Request) { <-release })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("RIFF"))
		w.(http.Flusher).Flush()
		<-release
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, MaxBytes+1)) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+"/?sig=secret", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, server.URL+"/round?sig=secret", http.StatusFound)
	})
	server = httptest.NewTLSServer(mux)
	defer server.Close()
	defer close(release)
	gone := httptest.NewTLSServer(nil)
	gone.Close()

	tests := map[string]struct {
		play *callfleetv1.Play
		api  error
		want string
		temp bool
	}{
		"the API server is away":      {play: inMap("prompts", "a"), api: apierrors.NewServiceUnavailable("starting"), want: "reading ConfigMap", temp: true},
		"the pod may not read it":     {play: inMap("prompts", "a"), api: apierrors.NewForbidden(schema.GroupResource{}, "prompts", nil), want: "forbidden"},
		"there is no such ConfigMap":  {play: inMap("missing", "a"), want: `ConfigMap "missing" does not exist`},
		"it has no such key":          {play: inMap("prompts", "a"), want: `no binaryData key "a"`},
		"the key is text":             {play: inMap("prompts", "text"), want: "under binaryData"},
		"nobody answers":              {play: at(gone.URL + "/?sig=secret"), want: "refused", temp: true},
		"the server fails":            {play: at(server.URL + "/502?sig=secret"), want: "502", temp: true},
		"the server throttles":        {play: at(server.URL + "/429?sig=secret"), want: "429", temp: true},
		"the file is not there":       {play: at(server.URL + "/404?sig=secret"), want: "404"},
		"the server says nothing":     {play: at(server.URL + "/hang?sig=secret"), want: "deadline", temp: true},
		"the server is slow":          {play: at(server.URL + "/drip?sig=secret"), want: "deadline", temp: true},
		"the file is too large":       {play: at(server.URL + "/large?sig=secret"), want: "larger than 16 MiB"},
		"it leads out of TLS":         {play: at(server.URL + "/down?sig=secret"), want: "without https"},
		"it leads round and round":    {play: at(server.URL + "/round?sig=secret"), want: "more than 5 times"},
		"the address is not https":    {play: at(plain.URL + "/?sig=secret"), want: "must begin with https://"},
		"the address is none":         {play: at("https://%zz/?sig=secret"), want: "not a valid address"},
		"the address has a user name": {play: at("https://jane:secret@cdn.contoso.com/"), want: "user name"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, maps, _ := newLibrary(t, server.Client())
			l.fetchTimeout = 10 * time.Second
			if tc.want == "deadline" {
				l.fetchTimeout = 100 * time.Millisecond
			}
			maps.set("prompts", "b", nil)
			maps.maps["prompts"].Data["text"] = "hello"
			maps.err = tc.api
			_, err := l.Fetch(t.Context(), tc.play)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0.1/") {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if Temporary(err) != tc.temp {
				t.Errorf("%v: temporary %v, want %v", err, !tc.temp, tc.temp)
			}
		})
	}
}
