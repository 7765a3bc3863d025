// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestAJoinIsNotCarriedToASecondServer: a redirect of a POST would be a second request for a call.
func TestAJoinIsNotCarriedToASecondServer(t *testing.T) {
	var second atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/calls" {
			second.Add(1)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	web, err := httpClient(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := withoutRedirects(web).Post(server.URL+"/calls", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || second.Load() != 0 {
		t.Errorf("answer %s, %d requests to the second server", resp.Status, second.Load())
	}
}
