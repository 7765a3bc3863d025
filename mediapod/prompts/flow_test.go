// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

// speaker is a speech service.
type speaker struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []Utterance
	ids    []string
	answer func(w http.ResponseWriter, n int) // n counts from 1; nil: it says nothing
}

func newSpeaker(t *testing.T, answer func(w http.ResponseWriter, n int)) *speaker {
	s := &speaker{answer: answer}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var u Utterance
		if err := json.Unmarshal(raw, &u); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s of %q: %v", r.Method, raw, err)
		}
		if !strings.HasPrefix(r.Header.Get(webhook.HeaderSignature), "v1,") || r.Header.Get(webhook.HeaderTimestamp) == "" {
			t.Errorf("not signed: %v", r.Header)
		}
		s.mu.Lock()
		s.asked, s.ids = append(s.asked, u), append(s.ids, r.Header.Get(webhook.HeaderID))
		n := len(s.asked)
		s.mu.Unlock()
		if s.answer == nil {
			<-r.Context().Done()
			return
		}
		s.answer(w, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *speaker) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *speaker) says(text string) flow.Prompt {
	return flow.Prompt{Text: text, Speech: &callfleetv1.SpeechService{URL: callfleetv1.HTTPSURL(s.URL), Voice: "anna", Language: "de-AT"}}
}

func newFlows(t *testing.T, client *http.Client) (Flows, *cluster, func(time.Duration)) {
	t.Helper()
	l, maps, clk := newLibrary(t, client)
	l.cfg.MediaPod = "reception-3"
	l.cfg.Keys = webhook.Keys(filepath.Join(t.TempDir(), "webhookKey"))
	if err := os.WriteFile(string(l.cfg.Keys), []byte("whsec_"+strings.Repeat("QUJD", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	return l.Flows(), maps, clk.Step
}

func inFlow(name, key string) flow.Prompt {
	return flow.Prompt{ConfigMap: &callfleetv1.KeyReference{Name: name, Key: key}}
}

// TestTextIsSpokenOnce: it is asked for with the voice, and served under an address that leads to the pod which has it.
func TestTextIsSpokenOnce(t *testing.T) {
	raw := prompt(7)
	s := newSpeaker(t, func(w http.ResponseWriter, _ int) { _, _ = w.Write(raw) })
	f, _, _ := newFlows(t, s.Client())
	want := graph.MediaInfo{URI: botURL + "/prompts/" + sumOf(raw) + "/_spoken/reception-3", ResourceID: sumOf(raw)}
	for range 3 {
		got, err := f.MediaInfo(t.Context(), s.says("Hello Anna"))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		file, err := f.Prompt(t.Context(), s.says("Hello Anna"))
		if err != nil || !bytes.Equal(file, raw) {
			t.Fatalf("%d bytes, %v", len(file), err)
		}
	}
	if (s.asked[0] != Utterance{"Hello Anna", "anna", "de-AT"}) || len(s.asked) != 1 {
		t.Errorf("was asked %+v", s.asked)
	}
	path := strings.TrimPrefix(want.URI, "https://bots.contoso.com")
	if w := ask(f.Library, http.MethodGet, path, nil); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), raw) {
		t.Errorf("served: %d, %d bytes", w.Code, w.Body.Len())
	}
	for _, other := range []string{strings.Replace(path, "reception-3", "reception-4", 1), strings.Replace(path, sumOf(raw), sumOf(nil), 1)} {
		if w := ask(f.Library, http.MethodGet, other, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", other, w.Code)
		}
	}
	if _, err := f.Prompt(t.Context(), s.says("Hello Bert")); err != nil || s.times() != 2 {
		t.Errorf("another text: %v, asked %d times", err, s.times())
	}
}

// TestTheSameWordsAreAskedForOnceByMany, and whoever asked first may go away.
func TestTheSameWordsAreAskedForOnceByMany(t *testing.T) {
	release := make(chan struct{})
	s := newSpeaker(t, func(w http.ResponseWriter, _ int) { <-release; _, _ = w.Write(prompt(1)) })
	f, _, _ := newFlows(t, s.Client())
	first, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := f.Prompt(first, s.says("Hello")); gone <- err }()
	for s.times() == 0 {
		time.Sleep(time.Millisecond)
	}
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up got %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := f.Prompt(t.Context(), s.says("Hello")); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	all.Wait()
	if s.times() != 1 {
		t.Errorf("asked %d times", s.times())
	}
}

// TestWhyATextCannotBeSpoken: a service that fails once is asked again, with the same id; and neither text nor address is in a message.
func TestWhyATextCannotBeSpoken(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, _ int) { w.WriteHeader(code) }
	}
	tests := map[string]struct {
		answer func(http.ResponseWriter, int)
		want   string // "": it is spoken
		times  int
	}{
		"once away":       {func(w http.ResponseWriter, n int) { w.WriteHeader(503 - 303*(n-1)); _, _ = w.Write(prompt(1)) }, "", 2},
		"away":            {status(503), "503", 2},
		"throttled":       {status(429), "429", 2},
		"not allowed":     {status(401), "401", 1},
		"nothing said":    {status(200), "is empty", 1},
		"MP3":             {func(w http.ResponseWriter, _ int) { _, _ = w.Write([]byte("ID3\x03")) }, "an MP3 file", 1},
		"telephone sound": {func(w http.ResponseWriter, _ int) { _, _ = w.Write(riff(7, 1, 8, 8000, 8)) }, "8,000 Hz", 1},
		"huge":            {func(w http.ResponseWriter, _ int) { _, _ = w.Write(make([]byte, MaxBytes+1)) }, "larger than 16 MiB", 1},
		"slow":            {nil, "deadline", 1},
		"leads to another": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Location", "https://other.contoso.com/secret")
			w.WriteHeader(307)
		}, "another host", 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSpeaker(t, tc.answer)
			f, _, _ := newFlows(t, s.Client())
			if tc.want == "deadline" {
				f.speechTimeout = 50 * time.Millisecond
			}
			_, err := f.Prompt(t.Context(), s.says("my secret"))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) ||
				strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), s.URL)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if s.times() != tc.times || tc.times == 2 && s.ids[0] != s.ids[1] {
				t.Errorf("asked %d times, want %d; ids %v", s.times(), tc.times, s.ids)
			}
		})
	}
	f, _, _ := newFlows(t, nil)
	for name, p := range map[string]flow.Prompt{
		"no service": {Text: "Hello"}, "no text": {Speech: &callfleetv1.SpeechService{URL: "https://speech.contoso.com"}}, "nothing": {},
		"no https": {Text: "Hello", Speech: &callfleetv1.SpeechService{URL: "http://speech.contoso.com"}},
	} {
		if _, err := f.MediaInfo(t.Context(), p); err == nil || Temporary(err) {
			t.Errorf("%s: error %v, want a lasting one", name, err)
		}
	}
	f.cfg.Keys += "-gone"
	if _, err := f.Prompt(t.Context(), flow.Prompt{Text: "Hello", Speech: &callfleetv1.SpeechService{URL: "https://speech.contoso.com"}}); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("without a key: %v", err)
	}
}

// TestAFlowsFilesAreReadOnceInAWhile: a hundred callers in a menu are one reader, and who changes a file hears it soon. The API server
// may be away.
func TestAFlowsFilesAreReadOnceInAWhile(t *testing.T) {
	f, maps, step := newFlows(t, nil)
	hear := func(want []byte) {
		t.Helper()
		raw, err := f.Prompt(t.Context(), inFlow("menu", "hello.wav"))
		info, infoErr := f.MediaInfo(t.Context(), inFlow("menu", "hello.wav"))
		if err != nil || infoErr != nil || !bytes.Equal(raw, want) || info.ResourceID != sumOf(want) {
			t.Fatalf("%d bytes, %v; %+v, %v", len(raw), err, info, infoErr)
		}
	}
	maps.set("menu", "hello.wav", prompt(1))
	for range 100 {
		hear(prompt(1))
	}
	if maps.reads != 1 {
		t.Errorf("read %d times, want once", maps.reads)
	}
	maps.set("menu", "hello.wav", prompt(2))
	step(2 * trustFlow)
	hear(prompt(2))
	maps.err = apierrors.NewServiceUnavailable("starting")
	step(10 * time.Minute)
	hear(prompt(2))
	maps.err = nil
	maps.set("menu", "hello.wav", []byte("ID3"))
	step(2 * trustFlow)
	if _, err := f.Prompt(t.Context(), inFlow("menu", "hello.wav")); err == nil || !strings.Contains(err.Error(), "MP3") {
		t.Errorf("what the service would not play passes: %v", err)
	}
}

// TestAFlowsFileOnTheWeb is read once a minute, and handed on by its address.
func TestAFlowsFileOnTheWeb(t *testing.T) {
	reads := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reads++; _, _ = w.Write(prompt(1)) }))
	defer server.Close()
	f, _, step := newFlows(t, server.Client())
	p := flow.Prompt{URL: callfleetv1.HTTPSURL(server.URL + "/hello.wav")}
	for range 3 {
		raw, err := f.Prompt(t.Context(), p)
		info, infoErr := f.MediaInfo(t.Context(), p)
		if err != nil || infoErr != nil || !bytes.Equal(raw, prompt(1)) || info != (graph.MediaInfo{URI: string(p.URL), ResourceID: sumOf(raw)}) {
			t.Fatalf("%d bytes, %v; %+v, %v", len(raw), err, info, infoErr)
		}
	}
	step(2 * trustWeb)
	if _, err := f.Prompt(t.Context(), p); err != nil || reads != 2 {
		t.Errorf("%v, read %d times, want twice", err, reads)
	}
}

// TestAPromptThatFellOffTheShelfIsReadAgain.
func TestAPromptThatFellOffTheShelfIsReadAgain(t *testing.T) {
	f, maps, _ := newFlows(t, nil)
	maps.set("menu", "a.wav", prompt(1))
	for range 2 {
		if raw, err := f.Prompt(t.Context(), inFlow("menu", "a.wav")); err != nil || !bytes.Equal(raw, prompt(1)) {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		for n := range int16(8) {
			f.files.put(sumOf(prompt(n))+"/x/y", make([]byte, MaxBytes))
		}
	}
	if maps.reads != 2 {
		t.Errorf("read %d times, want twice", maps.reads)
	}
}
