// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// reception asks for a PIN, has it checked, and hangs up.
const reception = `
start: greet
steps:
- {name: greet, play: {prompts: [{configMap: {name: p, key: hello.wav}}]}, next: pin}
- name: pin
  collect: {variable: pin, max: 4, timeout: 60s, interDigitTimeout: 60s, prompts: [{configMap: {name: p, key: pin.wav}}]}
  next: check
- {name: check, webhook: {url: "https://pins.example.com/check", data: {pin: "${pin}"}, sets: [name], onError: bye}, next: bye}
- {name: bye, hangup: {}}
`

// flowShelf plays the API server as far as flows go.
type flowShelf struct {
	mu        sync.Mutex
	flows     map[string]*callfleetv1.CallFlow
	revisions map[string]*appsv1.ControllerRevision
	err       error // of everything
	asked     int
}

func (s *flowShelf) callFlow(_ context.Context, name string) (*callfleetv1.CallFlow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.err != nil {
		return nil, s.err
	}
	if f := s.flows[name]; f != nil {
		return f.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "callflows"}, name)
}

func (s *flowShelf) flowRevision(_ context.Context, name string) (*appsv1.ControllerRevision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.err != nil {
		return nil, s.err
	}
	if r := s.revisions[name]; r != nil {
		return r.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "controllerrevisions"}, name)
}

func (s *flowShelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// put has a flow be valid in this version.
func (s *flowShelf) put(t *testing.T, name, spec string) (revision string) {
	t.Helper()
	parsed := &callfleetv1.CallFlowSpec{}
	if err := yaml.UnmarshalStrict([]byte(spec), parsed); err != nil {
		t.Fatal(err)
	}
	if _, errs := callflow.Compile(name, map[string]*callfleetv1.CallFlowSpec{name: parsed}); len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	data, err := json.Marshal(callflow.Revision{Start: name, Flows: map[string]*callfleetv1.CallFlowSpec{name: parsed}})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows == nil {
		s.flows, s.revisions = map[string]*callfleetv1.CallFlow{}, map[string]*appsv1.ControllerRevision{}
	}
	revision = callflow.RevisionName(name, data)
	f := &callfleetv1.CallFlow{}
	f.Name, f.Status.Revision = name, revision
	s.flows[name] = f
	s.revisions[revision] = &appsv1.ControllerRevision{Data: runtime.RawExtension{Raw: data}}
	return revision
}

// webServer answers webhooks.
type webServer struct {
	mu     sync.Mutex
	asks   []flow.Ask
	answer flow.Answered
	hangs  bool
}

func (w *webServer) Ask(ctx context.Context, a flow.Ask, _ flow.Call) flow.Answered {
	w.mu.Lock()
	w.asks = append(w.asks, a)
	hangs, answer := w.hangs, w.answer
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
	}
	return answer
}

func (w *webServer) Flow(string) flow.Asker { return w }

func (w *webServer) asked() []flow.Ask {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]flow.Ask(nil), w.asks...)
}

// sounds finds every prompt, and counts.
type sounds struct{ asked atomic.Int32 }

func (s *sounds) MediaInfo(_ context.Context, p flow.Prompt) (graph.MediaInfo, error) {
	s.asked.Add(1)
	return graph.MediaInfo{URI: p.ConfigMap.Key}, nil
}
func (*sounds) Prompt(context.Context, flow.Prompt) ([]byte, error) { return tone(), nil }

// diary is everything that was logged.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines = append(d.lines, prefix+" "+args)
	}, funcr.Options{Verbosity: 10})
}

func (d *diary) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

// desk for flows: an agent that runs them.
type flowDesk struct {
	agent *Agent
	calls *service
	m     *memory
	shelf *flowShelf
	web   *webServer
	log   *diary
}

// flowKey is the bot's, in all its pods.
func flowKey(t *testing.T) sealer {
	t.Helper()
	s := sealer{file: filepath.Join(t.TempDir(), "stateKey")}
	if err := os.WriteFile(s.file, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// equip gives an agent what flows run with.
func equip(t *testing.T, a *Agent, shelf *flowShelf, key sealer) (*webServer, *diary) {
	t.Helper()
	web, log := &webServer{answer: flow.Answered{Variables: map[string]string{"name": "Ada"}}}, &diary{}
	a.log = log.logger()
	a.flows = newFlowStore(shelf, func() { wake(a.rulesWake) }, clock.RealClock{}, a.log)
	a.flowSounds, a.webhooks, a.sealer = &sounds{}, web, key
	a.recordings = newRecordings(t.TempDir(), a.name)
	return web, log
}

func newFlowDesk(t *testing.T, m *memory, change ...func(*callfleetv1.MediaPod)) *flowDesk {
	t.Helper()
	a, calls := seat(t, m, append([]func(*callfleetv1.MediaPod){serviceHosted}, change...)...)
	d := &flowDesk{agent: a, calls: calls, m: m, shelf: &flowShelf{}}
	d.web, d.log = equip(t, a, d.shelf, flowKey(t))
	return d
}

// runs has the object run a flow.
func runs(s *subject, flow string) *subject {
	s.spec.Behavior = &callfleetv1.Behavior{FlowRef: &callfleetv1.FlowReference{Name: flow}}
	return s
}

// played are the prompts that the service was asked to play.
func (c *fakeCall) played() (keys []string) {
	for _, a := range c.acted() {
		if p, is := a.(signaling.PlayPrompt); is {
			keys = append(keys, p.Prompts[0].URI)
		}
	}
	return keys
}

func (m *memory) step() string {
	if f := m.status().Flow; f != nil {
		return f.Step
	}
	return ""
}

var errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "callflows"}, "", errors.New("no"))
