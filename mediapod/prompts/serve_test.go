// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func ask(l *Library, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://bots.contoso.com"+path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

// TestAnyPodOfTheBotServesAPrompt: the router asks any of them, and one that never heard of the prompt can check it.
func TestAnyPodOfTheBotServesAPrompt(t *testing.T) {
	raw := prompt(1)
	l, maps, _ := newLibrary(t, nil)
	maps.set("prompts", "hello.wav", raw)
	path := "/voice/reception/prompts/" + sumOf(raw) + "/prompts/hello.wav"
	tests := map[string]struct {
		method string
		header http.Header
		code   int
		body   []byte
	}{
		"whole":        {http.MethodGet, nil, 200, raw},
		"head":         {http.MethodHead, nil, 200, nil},
		"a range":      {http.MethodGet, http.Header{"Range": {"bytes=4-7"}}, 206, raw[4:8]},
		"past its end": {http.MethodGet, http.Header{"Range": {"bytes=9999-"}}, 416, nil},
		"held already": {http.MethodGet, http.Header{"If-None-Match": {`"` + sumOf(raw) + `"`}}, 304, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := ask(l, tc.method, path, tc.header)
			if w.Code != tc.code || tc.code != 416 && !bytes.Equal(w.Body.Bytes(), tc.body) {
				t.Errorf("%d, %d bytes; want %d, %d bytes", w.Code, w.Body.Len(), tc.code, len(tc.body))
			}
			if tc.code == 200 && (w.Header().Get("Content-Type") != "audio/wav" || w.Header().Get("Content-Length") != "52") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
	if maps.reads != 1 {
		t.Errorf("the ConfigMap was read %d times, want once", maps.reads)
	}
}

// TestEverythingElseIsNotThere, all alike.
func TestEverythingElseIsNotThere(t *testing.T) {
	raw, page := prompt(1), []byte("<html>secret")
	l, maps, _ := newLibrary(t, nil)
	maps.set("prompts", "hello.wav", raw)
	maps.set("prompts", "config", page)
	sum, base := sumOf(raw), "/voice/reception/prompts/"
	none := ask(l, http.MethodGet, base, nil).Body.String()
	for name, r := range map[string]struct{ method, path string }{
		"another digest":            {"GET", base + sumOf(prompt(2)) + "/prompts/hello.wav"},
		"a digest in capitals":      {"GET", base + strings.ToUpper(sum) + "/prompts/hello.wav"},
		"no digest":                 {"GET", base + "hello/prompts/hello.wav"},
		"another key":               {"GET", base + sum + "/prompts/bye.wav"},
		"another ConfigMap":         {"GET", base + sum + "/other/hello.wav"},
		"no ConfigMap's name":       {"GET", base + sum + "/..%2f..%2fsecrets/hello.wav"},
		"a name in capitals":        {"GET", base + sum + "/Prompts/hello.wav"},
		"what is no prompt":         {"GET", base + sumOf(page) + "/prompts/config"},
		"more":                      {"GET", base + sum + "/prompts/hello.wav/more"},
		"the root":                  {"GET", "/"},
		"another bot":               {"GET", "/voice/sales/prompts/" + sum + "/prompts/hello.wav"},
		"a prompt to be written":    {"PUT", base + sum + "/prompts/hello.wav"},
		"a prompt to be posted to":  {"POST", base + sum + "/prompts/hello.wav"},
		"a prompt asked of options": {"OPTIONS", base + sum + "/prompts/hello.wav"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(l, r.method, r.path, nil)
			if w.Code != http.StatusNotFound || w.Body.String() != none {
				t.Errorf("%d %q, want 404 %q", w.Code, w.Body, none)
			}
		})
	}
}

// TestStrangersCannotMakeThePodAskAndAsk: requests for prompts that are not known cost the API server a bounded number
// of reads, and do not stop those that are known.
func TestStrangersCannotMakeThePodAskAndAsk(t *testing.T) {
	l, maps, clk := newLibrary(t, nil)
	maps.set("prompts", "hello.wav", prompt(1))
	info, err := l.MediaInfo(t.Context(), inMap("prompts", "hello.wav"))
	if err != nil {
		t.Fatal(err)
	}
	known := strings.TrimPrefix(info.URI, "https://bots.contoso.com")
	maps.reads = 0
	wrong := "/voice/reception/prompts/" + sumOf(nil) + "/prompts/hello.wav"
	codes := map[int]int{}
	for range 200 {
		codes[ask(l, http.MethodGet, wrong, nil).Code]++
	}
	if codes[404] != loadsAtOnce || codes[503] != 200-loadsAtOnce || maps.reads != loadsAtOnce {
		t.Errorf("codes %v, %d reads", codes, maps.reads)
	}
	if w := ask(l, http.MethodGet, known, nil); w.Code != http.StatusOK {
		t.Errorf("a known prompt: %d", w.Code)
	}
	clk.Step(time.Second)
	if w := ask(l, http.MethodGet, wrong, nil); w.Code != http.StatusNotFound {
		t.Errorf("a second later: %d", w.Code)
	}
}

// TestAPromptThatCannotBeReadNowIsAskedForAgain: 404 would make the service give up.
func TestAPromptThatCannotBeReadNowIsAskedForAgain(t *testing.T) {
	l, maps, _ := newLibrary(t, nil)
	maps.err = apierrors.NewServiceUnavailable("starting")
	w := ask(l, http.MethodGet, "/voice/reception/prompts/"+sumOf(nil)+"/prompts/hello.wav", nil)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestManyAskAtOnce(t *testing.T) {
	raw := prompt(1)
	l, maps, _ := newLibrary(t, nil)
	maps.set("prompts", "hello.wav", raw)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			w := ask(l, http.MethodGet, "/voice/reception/prompts/"+sumOf(raw)+"/prompts/hello.wav", nil)
			if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), raw) {
				t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
			}
		})
	}
	all.Wait()
}
