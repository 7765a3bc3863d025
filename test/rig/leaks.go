// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	callfleet "github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Haystack is what a run printed and published besides what is in the logs of its pods. It is looked through for secrets
// in the end, as only then all of them are known.
type Haystack struct {
	mu    sync.Mutex
	texts map[string]*strings.Builder // by where it was seen
}

// Add takes something that was seen somewhere.
func (h *Haystack) Add(where, text string) { h.pour(where, []byte(text+"\n")) }

// Tee passes on to out all that is written, and keeps it.
func (h *Haystack) Tee(where string, out io.Writer) io.Writer {
	return io.MultiWriter(out, writer(func(p []byte) { h.pour(where, p) }))
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// pour takes a part of a text; the next one goes on where it ends.
func (h *Haystack) pour(where string, p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.texts == nil {
		h.texts = map[string]*strings.Builder{}
	}
	if h.texts[where] == nil {
		h.texts[where] = &strings.Builder{}
	}
	h.texts[where].Write(p)
}

// Follow takes every version of every status there is until ctx ends. What an object says under spec its author has
// written: a join link belongs there.
func (h *Haystack) Follow(ctx context.Context, r *Rig) error {
	api, err := callfleet.ForCallfleet(r.Cluster.RestConfig(), "leaks")
	if err != nil {
		return err
	}
	follow(ctx, h, api, "callingbots", &callfleetv1.CallingBot{}, func(o *callfleetv1.CallingBot) any { return o.Status })
	follow(ctx, h, api, "mediapods", &callfleetv1.MediaPod{}, func(o *callfleetv1.MediaPod) any { return o.Status })
	follow(ctx, h, api, "meetingsessions", &callfleetv1.MeetingSession{}, func(o *callfleetv1.MeetingSession) any { return o.Status })
	follow(ctx, h, api, "calls", &callfleetv1.Call{}, func(o *callfleetv1.Call) any { return o.Status })
	go r.keepLogs(ctx)
	return nil
}

// keepLogs sees to it that logs of pods are still there in the end, until ctx ends: a kubelet removes them with the pod.
func (r *Rig) keepLogs(ctx context.Context) {
	for ctx.Err() == nil {
		_ = r.keepLogsNow()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (r *Rig) keptLogs() string { return filepath.Join(r.Cluster.LogDir(), "kept") }

// keepLogsNow links what is in the logs of pods.
func (r *Rig) keepLogsNow() error {
	from := filepath.Join(r.Cluster.LogDir(), "pods")
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		kept := filepath.Join(r.keptLogs(), strings.TrimPrefix(path, from))
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		if err := os.Link(path, kept); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func follow[T callfleet.Object](ctx context.Context, h *Haystack, api rest.Interface, resource string, kind T, status func(T) any) {
	see := func(o T) {
		raw, err := json.Marshal(status(o))
		if err != nil { // our own types
			panic(err)
		}
		h.Add("status of "+resource+" "+o.GetName(), string(raw))
	}
	go callfleet.Follow(ctx, api, resource, Namespace, fields.Everything(), kind, callfleet.Follower[T]{Changed: see, Gone: see})
}

// token looks like a JSON web token.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}\.eyJ`)

// Leaks looks for secrets in all of it, in the logs of the pods and in the events. What the run's secrets are the local
// Teams knows; more are those it was not told.
func (h *Haystack) Leaks(ctx context.Context, r *Rig, more ...string) error {
	secrets, err := r.Teams.Secrets(ctx)
	if err != nil {
		return err
	}
	for _, s := range append(more, Secret) {
		secrets[s] = "client secret"
	}
	needles, err := newNeedles(secrets)
	if err != nil {
		return err
	}
	if err := r.keepLogsNow(); err != nil {
		return err
	}
	logs := r.keptLogs()
	err = filepath.WalkDir(logs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		h.Add("log "+strings.TrimPrefix(path, logs), string(raw))
		return err
	})
	if err != nil {
		return err
	}
	var events eventsv1.EventList
	if err := r.Client.List(ctx, &events); err != nil {
		return err
	}
	for _, e := range events.Items {
		h.Add("event "+e.Name, e.Note)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range []string{"log ", "event ", "status of callingbots", "status of mediapods"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(h.texts)), func(where string) bool { return strings.HasPrefix(where, kind) }) {
			return fmt.Errorf("no %s was seen: there is nothing to look for secrets in", kind)
		}
	}
	return h.search(needles)
}

// search says what was found where.
func (h *Haystack) search(n needles) error {
	var found []string
	for _, where := range slices.Sorted(maps.Keys(h.texts)) {
		text := h.texts[where].String()
		for _, what := range n.in(text) {
			found = append(found, "a "+what+" is in "+where)
		}
		if token.MatchString(text) {
			found = append(found, "a token is in "+where)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("secrets leaked:\n  %s", strings.Join(found, "\n  "))
	}
	return nil
}

// edge is how much of a secret is looked up: a run has thousands of them, and prints a hundred megabytes.
const edge = 6

// shortSecret: what is shorter could be a part of something else by chance, and counts as a word of its own only.
const shortSecret = 10

// needles are secrets by their first characters.
type needles map[string][]secret

type secret struct{ text, what string }

func newNeedles(secrets map[string]string) (needles, error) {
	n := needles{}
	for text, what := range secrets {
		if len(text) < edge {
			return nil, fmt.Errorf("a %s has %d characters: too few to be found", what, len(text))
		}
		n[text[:edge]] = append(n[text[:edge]], secret{text, what})
	}
	if len(n) == 0 {
		return nil, errors.New("there are no secrets to look for")
	}
	return n, nil
}

// in says what kinds of secrets are in a text.
func (n needles) in(text string) []string {
	found := map[string]bool{}
	for i := 0; i+edge <= len(text); i++ {
		for _, s := range n[text[i:i+edge]] {
			end := i + len(s.text)
			if !strings.HasPrefix(text[i:], s.text) || len(s.text) < shortSecret && (i > 0 && inWord(text[i-1]) || end < len(text) && inWord(text[end])) {
				continue
			}
			found[s.what] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func inWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
