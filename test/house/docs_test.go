// SPDX-License-Identifier: Apache-2.0

package house

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// documents are the Markdown files of the repository, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && notOurs(d.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			docs[relative(path)] = read(t, relative(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) < 8 {
		t.Fatalf("only %d documents found: the walk does not see the repository", len(docs))
	}
	return docs
}

func TestReadmeAndPipelineRunTheSameTests(t *testing.T) {
	readme := read(t, "README.md")
	for _, command := range []string{"make demo", "make test"} {
		if !regexp.MustCompile("(?m)^" + command + `\b`).MatchString(readme) {
			t.Errorf("README.md has no line of code %q", command)
		}
	}
	if !regexp.MustCompile(`(?m)^(exec )?make test$`).MatchString(read(t, ".ci/run")) {
		t.Error(".ci/run does not run the README's test command, make test")
	}
}

var makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):(.*)$`)

func TestMakeHelpListsEveryTarget(t *testing.T) {
	makefile := read(t, "Makefile")
	phony := regexp.MustCompile(`(?m)^\.PHONY: (\S+)$`)
	var declared []string
	for _, m := range phony.FindAllStringSubmatch(makefile, -1) {
		declared = append(declared, m[1])
	}
	targets := makeTarget.FindAllStringSubmatch(makefile, -1)
	if len(targets) < 10 {
		t.Fatalf("only %d targets found in the Makefile", len(targets))
	}
	for _, m := range targets {
		if !strings.Contains(m[2], " ## ") && !strings.HasPrefix(m[2], "= ") {
			t.Errorf("target %s has no description after ##, so make help leaves it out", m[1])
		}
		if !slices.Contains(declared, m[1]) {
			t.Errorf("target %s is not .PHONY", m[1])
		}
	}
}

func TestDocumentsNameTargetsThatExist(t *testing.T) {
	var targets []string
	for _, m := range makeTarget.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, m[1])
	}
	mention := regexp.MustCompile("(?m)(?:`|^)make ([a-z][a-z0-9-]*)")
	for name, text := range documents(t) {
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, m[1]) {
				t.Errorf("%s says make %s, which the Makefile does not have", name, m[1])
			}
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docs := documents(t)
	for name, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := name
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			} else if anchor != "" && !slices.Contains(anchors(docs[path]), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", name, m[1], path)
			}
		}
	}
}

// anchors of a document's headings, as Git hosts make them.
func anchors(text string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		id := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(id, " ", "-"))
	}
	return list
}

// Every manifest a document shows must be one that the API server takes: no field that does not exist.
func TestManifestsInDocumentsAreReal(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	seen := map[string]int{}
	for name, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			for doc := range strings.SplitSeq(block[1], "\n---\n") {
				kind, err := decode(doc)
				if err != nil {
					t.Errorf("%s: %v in\n%s", name, err, doc)
				}
				seen[kind]++
			}
		}
	}
	for _, kind := range []string{"CallingBot", "MeetingSession", "Call", "CallFlow"} {
		if seen[kind] == 0 {
			t.Errorf("no document shows a %s", kind)
		}
	}
}

func decode(doc string) (kind string, err error) {
	var head struct {
		APIVersion, Kind string
	}
	if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
		return "", err
	}
	if head.APIVersion != v1alpha1.GroupVersion.String() {
		return head.Kind, nil
	}
	objects := map[string]any{"CallingBot": &v1alpha1.CallingBot{}, "MediaPod": &v1alpha1.MediaPod{}, "MeetingSession": &v1alpha1.MeetingSession{},
		"Call": &v1alpha1.Call{}, "CallFlow": &v1alpha1.CallFlow{}}
	object, ok := objects[head.Kind]
	if !ok {
		return head.Kind, fmt.Errorf("there is no kind %q", head.Kind)
	}
	return head.Kind, yaml.UnmarshalStrict([]byte(doc), object)
}

func TestMetricsInDocumentsAreReal(t *testing.T) {
	var code strings.Builder
	for _, s := range sources(t) {
		if !s.test() {
			code.WriteString(s.text)
		}
	}
	metric := regexp.MustCompile(`\bcallfleet_[a-z_]+[a-z]\b`)
	for name, text := range documents(t) {
		for _, m := range metric.FindAllString(text, -1) {
			if !strings.Contains(code.String(), `"`+m+`"`) {
				t.Errorf("%s names metric %s, which no package has", name, m)
			}
		}
	}
}

func TestProjectListsTheKinds(t *testing.T) {
	var project struct {
		Domain, Layout any
		Resources      []struct{ Kind, Domain, Group, Version, Path string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "PROJECT")), &project); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range project.Resources {
		kinds = append(kinds, r.Kind)
		group := strings.TrimPrefix(r.Group+"."+r.Domain, ".")
		if group != v1alpha1.GroupVersion.Group || r.Version != v1alpha1.GroupVersion.Version || r.Path != module+"api/v1alpha1" {
			t.Errorf("PROJECT has %s in %s/%s at %s", r.Kind, group, r.Version, r.Path)
		}
	}
	crds, err := filepath.Glob(filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(crds) != len(kinds) {
		t.Errorf("PROJECT lists %v, config/crd/bases has %d kinds (%v)", kinds, len(crds), err)
	}
	for _, kind := range kinds {
		name := strings.ToLower(kind) + "s.yaml"
		if !slices.ContainsFunc(crds, func(path string) bool { return strings.HasSuffix(path, "_"+name) }) {
			t.Errorf("PROJECT lists %s, for which there is no CRD", kind)
		}
	}
}

// What the map of the house calls a proof must be a test.
func TestProofsInDocumentsAreReal(t *testing.T) {
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, s := range sources(t) {
		if s.test() {
			for _, m := range function.FindAllStringSubmatch(s.text, -1) {
				declared[m[1]] = true
			}
		}
	}
	mention := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
	for name, text := range documents(t) {
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			if !declared[m[1]] {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
	}
}
