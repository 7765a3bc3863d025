// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// keys are those pressed in a call.
type keys struct {
	mu      sync.Mutex
	pressed []graph.Tone
	fails   int // how many times it fails first
	over    bool
	waited  bool // somebody waits for the next
	changed chan struct{}
}

// change changes them as soon as somebody waits.
func (k *keys) change(t *testing.T, how func()) {
	controllertest.Eventually(t, "somebody listens", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.waited {
			return errors.New("nobody yet")
		}
		how()
		k.waited = false
		close(k.changed)
		return nil
	})
}

func (k *keys) press(t *testing.T, tones ...graph.Tone) {
	k.change(t, func() { k.pressed = append(k.pressed, tones...) })
}

func (k *keys) Tones() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.pressed)
}

func (k *keys) NextTone(ctx context.Context, position int) (graph.ToneInfo, int, error) {
	for {
		k.mu.Lock()
		switch {
		case k.fails > 0:
			k.fails--
			k.mu.Unlock()
			return graph.ToneInfo{}, 0, errors.New("of the pod")
		case position < len(k.pressed):
			defer k.mu.Unlock()
			return graph.ToneInfo{Tone: k.pressed[position]}, position, nil
		case k.over:
			defer k.mu.Unlock()
			return graph.ToneInfo{}, 0, signaling.ErrCallOver
		}
		if !k.waited {
			k.waited, k.changed = true, make(chan struct{})
		}
		changed := k.changed
		k.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return graph.ToneInfo{}, 0, ctx.Err()
		}
	}
}

// ran is what came of a command.
type ran struct {
	out, errOut string
	code        int
}

// listening runs a command line while others go on.
func (w *world) listening(args string) <-chan ran {
	done := make(chan ran, 1)
	go func() {
		var r ran
		defer func() { done <- r }()
		ctx, cancel := context.WithTimeout(w.t.Context(), controllertest.Patience)
		defer cancel()
		streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
		r.code = executeAt(ctx, words(args), streams, w.port)
		r.out, r.errOut = stdout.String(), stderr.String()
	}()
	return done
}

// TestListeningToKeys subscribes, and prints those that come from then on.
func TestListeningToKeys(t *testing.T) {
	w := newWorld(t)
	t.Setenv("KUBECONFIG", w.config)
	over := func(s *callfleetv1.MeetingSession) {
		s.Status.Phase, s.Status.EndReason = callfleetv1.PhaseCompleted, callfleetv1.EndedByBot
	}
	moved := func(s *callfleetv1.MeetingSession) { s.Status.MediaPod = "reception-1" }
	tests := map[string]struct {
		args   string
		fails  int
		press  []graph.Tone // together
		and    []graph.Tone // once those are told
		end    bool
		status func(*callfleetv1.MeetingSession)
		out    string
		code   int
		says   string
	}{
		"one":                     {args: "--once", press: []graph.Tone{"pound"}, out: "#\n"},
		"one of two":              {args: "--count 1", press: []graph.Tone{"tone1", "tone2"}, out: "1\n"},
		"three, one after others": {args: "--count 3", press: []graph.Tone{"tone1"}, and: []graph.Tone{"star", "flash", "a"}, out: "1\n*\nflash\n"},
		"as JSON":                 {args: "--count 2 -o json", press: []graph.Tone{"tone1", "a"}, out: `{"position":1,"key":"1"}` + "\n" + `{"position":2,"key":"A"}` + "\n"},
		"as YAML":                 {args: "--count 2 -o yaml", press: []graph.Tone{"tone1", "a"}, out: "---\nkey: \"1\"\nposition: 1\n---\nkey: A\nposition: 2\n"},
		"with a short timeout for other requests": {args: "--once --request-timeout 5s", press: []graph.Tone{"pound"}, out: "#\n"},
		"when the pod fails for a moment":         {args: "--once", fails: 2, press: []graph.Tone{"pound"}, out: "#\n"},
		"one that steers the terminal":            {args: "--once", press: []graph.Tone{"\x1b[2J\n"}, out: "[2J\n"},
		"until the end":                           {press: []graph.Tone{"tone1"}, end: true, status: over, out: "1\n"},
		"an end before enough keys":               {args: "--count 2", press: []graph.Tone{"tone1"}, end: true, status: over, out: "1\n", code: exitRefused, says: "ms/standup is over, and 1 of 2 keys"},
		"a call that goes to another pod":         {end: true, status: moved, code: exitNotFound, says: "not over (Established, in pod reception-1); run this again"},
	}
	session := &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "standup"}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			controllertest.UpdateStatus(t, w.cluster.Client, session, func(s *callfleetv1.MeetingSession) {
				s.Status.Phase, s.Status.EndReason, s.Status.MediaPod = callfleetv1.PhaseEstablished, "", "reception-0"
			})
			w.held.will(signaling.Result{Message: "Subscribed."}, nil)
			w.held.keys.mu.Lock()
			w.held.keys.pressed, w.held.keys.over, w.held.keys.waited, w.held.keys.fails = []graph.Tone{"tone9"}, false, false, tc.fails
			w.held.keys.mu.Unlock()
			done := w.listening("subscribe-tones ms/standup " + tc.args)
			if tc.press != nil {
				w.held.keys.press(t, tc.press...)
			}
			if tc.and != nil {
				w.held.keys.press(t, tc.and...)
			}
			if tc.end {
				// Not before the command listens: it would see the end at once.
				w.held.keys.change(t, func() {
					controllertest.UpdateStatus(t, w.cluster.Client, session, tc.status)
					w.held.keys.over = true
				})
			}
			got := <-done
			if got.out != tc.out || got.code != tc.code || !strings.Contains(got.errOut, tc.says) || (got.errOut == "") != (tc.code == 0) {
				t.Errorf("%d, output %q, error %q; want %d, %q, %q", got.code, got.out, got.errOut, tc.code, tc.out, tc.says)
			}
			if by, asked := w.held.last(); asked != (signaling.SubscribeToTones{}) || by != w.user("operator") {
				t.Errorf("%s did %v", by, asked)
			}
		})
	}
}

// TestListeningThatCannotBegin listens to nothing.
func TestListeningThatCannotBegin(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct {
		args string
		err  error
		code int
		says string
	}{
		"no keys":             {args: "--count 0", code: exitUsage, says: "--count 0 is not possible"},
		"fewer":               {args: "--count -1", code: exitUsage, says: "not possible"},
		"two ways":            {args: "--count 2 --once", code: exitUsage, says: "once"},
		"media of our own":    {err: &signaling.ActionError{Failure: signaling.ActionNotPossible, Message: "It is so."}, code: exitRefused, says: "It is so."},
		"nobody says":         {err: &signaling.ActionError{Failure: signaling.ActionUncertain, Message: "It is so."}, code: exitUncertain, says: "It is so."},
		"the service refuses": {err: &signaling.ActionError{Failure: signaling.ActionRefused, Message: "It is so."}, code: exitRefused, says: "It is so."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.held.will(signaling.Result{}, tc.err)
			out, errOut, code := w.run(words("subscribe-tones ms/standup " + tc.args)...)
			if code != tc.code || out != "" || !strings.Contains(errOut, tc.says) {
				t.Errorf("%d %q %q", code, out, errOut)
			}
		})
	}
}

// TestListeningIsInterrupted, as by Ctrl-C.
func TestListeningIsInterrupted(t *testing.T) {
	w := newWorld(t)
	t.Setenv("KUBECONFIG", w.config)
	ctx, interrupt := context.WithCancel(t.Context())
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	code := make(chan int, 1)
	go func() { code <- executeAt(ctx, words("subscribe-tones ms/standup"), streams, w.port) }()
	w.held.keys.press(t, "tone1")
	w.held.keys.change(t, interrupt) // it waits again, so that the key is printed
	if got := <-code; got != exitInterrupted || stdout.String() != "1\n" {
		t.Errorf("%d %q %q", got, stdout, stderr)
	}
}

// TestListeningOutlivesAToken: a new one is fetched.
func TestListeningOutlivesAToken(t *testing.T) {
	w := newWorld(t)
	t.Setenv("KUBECONFIG", w.config)
	w.held.keys.pressed = []graph.Tone{"tone9"}
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	c := &cli{IOStreams: streams, port: w.port, config: genericclioptions.NewConfigFlags(true)}
	p, err := c.begin(t.Context(), "ms/standup")
	if err != nil {
		t.Fatal(err)
	}
	p.credentials = http.Header{wire.HeaderAuthorization: {"Bearer expired"}}
	if heard, err := c.hear(t.Context(), p, 0); err != nil || len(heard.Tones) != 1 {
		t.Errorf("%+v %v", heard, err)
	}
}
