// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/callfleet/callfleet/graph"
)

func sumOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// TestAPromptIsNamedByItsContent: the service keeps what it has under a resourceId, so another content is another one.
func TestAPromptIsNamedByItsContent(t *testing.T) {
	l, maps, _ := newLibrary(t, nil)
	for _, raw := range [][]byte{prompt(1), prompt(2), prompt(1)} {
		maps.set("prompts", "hello.wav", raw)
		got, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav"))
		if err != nil {
			t.Fatal(err)
		}
		want := graph.MediaInfo{URI: botURL + "/prompts/" + sumOf(raw) + "/prompts/hello.wav", ResourceID: sumOf(raw)}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// TestAPromptIsPlayedWhileTheAPIServerIsAway: losing it for ten minutes must not be heard.
func TestAPromptIsPlayedWhileTheAPIServerIsAway(t *testing.T) {
	l, maps, clk := newLibrary(t, nil)
	maps.set("prompts", "hello.wav", prompt(1))
	want, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav"))
	if err != nil {
		t.Fatal(err)
	}
	clk.Step(10 * time.Minute)
	maps.err = apierrors.NewServiceUnavailable("starting")
	if got, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav")); err != nil || got != want {
		t.Errorf("away: got %+v, %v", got, err)
	}
	maps.err, maps.hangs = nil, true
	if got, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav")); err != nil || got != want {
		t.Errorf("hanging: got %+v, %v", got, err)
	}
	maps.hangs, maps.err = false, apierrors.NewServiceUnavailable("starting")
	if _, err := l.MediaInfo(t.Context(), inMap("prompts", "other.wav")); !Temporary(err) {
		t.Errorf("never read: error %v, want a temporary one", err)
	}
	maps.err = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "prompts", errors.New("no"))
	if _, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav")); err == nil || Temporary(err) {
		t.Errorf("forbidden: error %v, want a lasting one", err)
	}
}

// TestAPromptOnTheWebIsCheckedAndHandedOn as it is: the service fetches it itself.
func TestAPromptOnTheWebIsCheckedAndHandedOn(t *testing.T) {
	raw, reads := prompt(1), 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reads++
		_, _ = w.Write(raw)
	}))
	defer server.Close()
	l, _, clk := newLibrary(t, server.Client())
	address := server.URL + "/hello.wav?sig=secret"
	for range 3 {
		got, err := l.MediaInfo(t.Context(), at(address))
		if want := (graph.MediaInfo{URI: address, ResourceID: sumOf(raw)}); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times within a moment, want once", reads)
	}
	raw = prompt(2)
	clk.Step(2 * trustWeb)
	if got, err := l.MediaInfo(t.Context(), at(address)); err != nil || got.ResourceID != sumOf(raw) {
		t.Errorf("after it changed: %+v, %v", got, err)
	}
	raw = []byte("<html>sign in")
	clk.Step(2 * trustWeb)
	if _, err := l.MediaInfo(t.Context(), at(address)); err == nil || !strings.Contains(err.Error(), "a web page") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a page: error %v", err)
	}
}

func TestALibraryNeedsTheBotsAddress(t *testing.T) {
	for _, base := range []string{"", "http://bots.contoso.com/voice/reception", "https:///voice", "bots.contoso.com"} {
		if _, err := New(Config{BaseURL: base, HTTP: http.DefaultClient}); err == nil {
			t.Errorf("%q passes", base)
		}
	}
}

// TestTheShelfIsBounded: what was asked for least recently goes first.
func TestTheShelfIsBounded(t *testing.T) {
	s := newShelf(10)
	s.put("a", make([]byte, 4))
	s.put("b", make([]byte, 4))
	s.get("a")
	s.put("c", make([]byte, 4))
	s.put("c", make([]byte, 4))
	s.put("huge", make([]byte, 11))
	var held string
	for _, key := range []string{"a", "b", "c", "huge"} {
		if _, ok := s.get(key); ok {
			held += key
		}
	}
	if held != "ac" || s.held != 8 || s.recent.Len() != 2 {
		t.Errorf("holds %q, %d bytes, %d files", held, s.held, s.recent.Len())
	}
}
