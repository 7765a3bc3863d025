// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestDownloadRecording(t *testing.T) {
	f := newFakeGraph(t, answer(503, ""), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, "RIFF")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "....")
	})
	body, err := f.client(t).DownloadRecording(t.Context(), f.URL+"/rec/17?x=1", "rec0rdingtoken")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != "RIFF...." {
		t.Errorf("%q %v", got, err)
	}
	for _, r := range f.got() {
		if r.path != "/rec/17" || r.query != "x=1" || r.header.Get("Authorization") != "Bearer rec0rdingtoken" {
			t.Errorf("asked %s?%s with %q: the bot's own token must not go there", r.path, r.query, r.header.Get("Authorization"))
		}
	}
}

func TestDownloadRecordingKeepsItsSecrets(t *testing.T) {
	f := newFakeGraph(t, answer(404, `{"error":{"code":"NotFound","message":"no rec0rdingtoken at https://h/p/q?sig=s1g"}}`))
	_, err := f.client(t).DownloadRecording(t.Context(), f.URL+"/secretplace?sig=s1g", "rec0rdingtoken")
	if !IsNotFound(err) {
		t.Fatalf("got %v", err)
	}
	for _, secret := range []string{"rec0rdingtoken", "s1g", "secretplace"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s in %q", secret, err)
		}
	}
	for name, c := range map[string]struct{ location, token string }{
		"plain http": {"http://h/secretplace", "t"}, "no token": {"https://h/secretplace", ""}, "a user": {"https://u:secretplace@h/", "t"}, "no URL": {"secretplace\x7f", "t"},
	} {
		if _, err := f.client(t).DownloadRecording(t.Context(), c.location, c.token); err == nil || strings.Contains(err.Error(), "secretplace") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.client(t, func(o *ClientOptions) { o.MaxRetries = -1 }).DownloadRecording(t.Context(), "https://127.0.0.1:1/secretplace", "t"); err == nil || strings.Contains(err.Error(), "secretplace") {
		t.Errorf("unreachable: %v", err)
	}
}

func TestDownloadRecordingFollowsNoRedirect(t *testing.T) {
	other := newFakeGraph(t, answer(200, "x"))
	f := newFakeGraph(t, answer(302, "", "Location", other.URL+"/elsewhere"))
	client := f.client(t, func(o *ClientOptions) {
		hc := *f.Client()
		hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		o.Transport = &hc
	})
	_, err := client.DownloadRecording(t.Context(), f.URL+"/r", "tok")
	var refused *Error
	if !errors.As(err, &refused) || refused.StatusCode != 302 || len(other.got()) != 0 {
		t.Errorf("%v, %d requests elsewhere", err, len(other.got()))
	}
}
