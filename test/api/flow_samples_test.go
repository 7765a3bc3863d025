// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func flowSamples(t *testing.T) (dir string, flows map[string]*callfleetv1.CallFlow) {
	t.Helper()
	root, err := controllertest.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, flows = filepath.Join(root, "config", "samples", "flows", "base"), map[string]*callfleetv1.CallFlow{}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), "kind: CallFlow\n") {
			continue
		}
		flow := &callfleetv1.CallFlow{}
		if err := yaml.UnmarshalStrict(raw, flow); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		flows[flow.Name] = flow
	}
	if len(flows) != 5 {
		t.Fatalf("%d flows in %s", len(flows), dir)
	}
	return dir, flows
}

// TestSampleFlowsMakeSense: what is refused at apply would be refused of a sample too.
func TestSampleFlowsMakeSense(t *testing.T) {
	_, flows := flowSamples(t)
	for name, flow := range flows {
		if _, mistakes := callflow.Compile(name, map[string]*callfleetv1.CallFlowSpec{name: &flow.Spec}); len(mistakes) > 0 {
			t.Errorf("%s: %v", name, mistakes.ToAggregate())
		}
		if len(flow.Spec.Tests) < 4 {
			t.Errorf("%s has %d tests", name, len(flow.Spec.Tests))
		}
	}
}

// TestPromptsOfSampleFlowsAreThere, as files that the service plays, and no others are. kustomize makes the ConfigMaps of them.
func TestPromptsOfSampleFlowsAreThere(t *testing.T) {
	dir, flows := flowSamples(t)
	raw, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		}
	}
	if err := yaml.Unmarshal(raw, &kustomization); err != nil {
		t.Fatal(err)
	}
	made := map[string]string{} // ConfigMap and key → file
	for _, cm := range kustomization.ConfigMapGenerator {
		for _, file := range cm.Files {
			made[cm.Name+"/"+filepath.Base(file)] = filepath.Join(dir, file)
		}
	}
	used := map[string]bool{}
	for _, flow := range flows {
		for ref := range configMaps(&flow.Spec) {
			used[ref.Name+"/"+ref.Key] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("the flows play %v, and kustomize makes %v", want, got)
	}
	for prompt, file := range made {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h, err := wav.Inspect(raw)
		if err != nil || h.Format != wav.PCM || h.SampleRate != 16000 || h.Bits != 16 || h.Channels != 1 || h.DataBytes != h.ClaimedBytes {
			t.Errorf("%s: %+v, %v", prompt, h, err)
		}
		if len(raw) > 100<<10 {
			t.Errorf("%s has %d bytes; a ConfigMap holds 1 MiB", prompt, len(raw))
		}
	}
}

// configMaps are the files that a flow plays.
func configMaps(spec *callfleetv1.CallFlowSpec) map[callfleetv1.KeyReference]bool {
	all := map[callfleetv1.KeyReference]bool{}
	add := func(prompts ...callfleetv1.Prompt) {
		for _, p := range prompts {
			if p.ConfigMap != nil {
				all[*p.ConfigMap] = true
			}
		}
	}
	listening := func(l callfleetv1.Listening) {
		add(l.Prompts...)
		add(l.NoInput.Prompts...)
		add(l.NoMatch.Prompts...)
	}
	for _, s := range spec.Steps {
		switch {
		case s.Play != nil:
			add(s.Play.Prompts...)
		case s.Menu != nil:
			listening(s.Menu.Listening)
		case s.Collect != nil:
			listening(s.Collect.Listening)
		case s.Record != nil:
			add(s.Record.Prompts...)
		case s.Hold != nil:
			add(s.Hold.Music)
		}
	}
	return all
}

// TestFlowsInTheDocumentMakeSense: whole ones as they are, and fragments as far as the schema goes.
func TestFlowsInTheDocumentMakeSense(t *testing.T) {
	root, err := controllertest.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "callflows.md"))
	if err != nil {
		t.Fatal(err)
	}
	whole, fragments := 0, map[string]bool{}
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		switch {
		case strings.Contains(block[1], "kind: CallFlow\n"):
			flow := &callfleetv1.CallFlow{}
			if err := yaml.UnmarshalStrict([]byte(block[1]), flow); err != nil {
				t.Errorf("%v in\n%s", err, block[1])
				continue
			}
			if _, mistakes := callflow.Compile(flow.Name, map[string]*callfleetv1.CallFlowSpec{flow.Name: &flow.Spec}); len(mistakes) > 0 {
				t.Errorf("%s: %v", flow.Name, mistakes.ToAggregate())
			}
			whole++
		case strings.HasPrefix(block[1], "steps:"):
			spec := &callfleetv1.CallFlowSpec{}
			if err := yaml.UnmarshalStrict([]byte(block[1]), spec); err != nil {
				t.Errorf("%v in\n%s", err, block[1])
			}
			for _, step := range spec.Steps {
				raw, err := yaml.Marshal(step)
				if err != nil {
					t.Fatal(err)
				}
				var members map[string]any
				if err := yaml.Unmarshal(raw, &members); err != nil {
					t.Fatal(err)
				}
				maps.Copy(fragments, present(members))
			}
		}
	}
	for _, step := range []string{"play", "menu", "collect", "record", "transfer", "invite", "hold", "mute", "set", "branch", "webhook", "subflow", "return"} {
		if !fragments[step] {
			t.Errorf("the document has no example of %s", step)
		}
	}
	if whole < 3 {
		t.Errorf("the document shows %d whole flows", whole)
	}
}

func present(members map[string]any) map[string]bool {
	all := map[string]bool{}
	for name := range members {
		all[name] = true
	}
	return all
}
