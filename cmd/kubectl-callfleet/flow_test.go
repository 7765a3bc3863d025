// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

const (
	goodbye = `apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: goodbye}
spec:
  start: end
  steps:
  - {name: end, hangup: {}}
`
	hello = `---
apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: hello}
spec:
  start: nowhere
  steps:
  - {name: end, hangup: {}}
`
	goodbyeDrawn = "---\ntitle: \"goodbye\"\n---\nflowchart TD\n    s0((\" \"))\n    s1([\"end<br/>hangup\"])\n    s0 --> s1\n"
)

func TestAFlowOfAFileIsDrawnWithoutACluster(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	for file, content := range map[string]string{"one.yaml": goodbye, "two": goodbye + hello, "none.yml": "a: b\n", "typo.json": strings.Replace(goodbye, "start", "strat", 1)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for line, tc := range map[string]struct {
		out, errOut string
		code        int
	}{
		"one.yaml":                         {goodbyeDrawn, "", 0},
		"./one.yaml -o mermaid":            {goodbyeDrawn, "", 0},
		"-":                                {goodbyeDrawn, "", 0},
		"one.yaml -o dot":                  {"digraph \"goodbye\" {\n    s0 [label=\" \", shape=circle, width=0.2]\n    s1 [label=\"end\\nhangup\", shape=box, style=rounded]\n    s0 -> s1\n}\n", "", 0},
		"two --flow goodbye":               {goodbyeDrawn, "", 0},
		"two":                              {"", "two has several CallFlows; choose one with --flow: goodbye, hello", exitUsage},
		"two --flow other":                 {"", "two has no CallFlow other; it has goodbye, hello", exitNotFound},
		"none.yml":                         {"", "reading CallFlows from none.yml: there is no CallFlow in it", exitUsage},
		"typo.json":                        {"", `unknown field "spec.strat"`, exitUsage},
		"gone.yaml":                        {"", "reading CallFlows: open gone.yaml", exitFailed},
		"one.yaml -o svg":                  {"", "-o svg is not known; there are mermaid, dot", exitUsage},
		"one.yaml two":                     {"", "2 arguments given, this needs a file with a CallFlow, or the name of one in the cluster", exitUsage},
		"a-name-in-the-cluster --flow one": {"", "--flow chooses one of a file's", exitUsage},
	} {
		t.Run(line, func(t *testing.T) {
			streams, in, out, errOut := genericiooptions.NewTestIOStreams()
			in.WriteString(goodbye)
			code := execute(t.Context(), append(words("flow graph"), words(line)...), streams)
			if code != tc.code || out.String() != tc.out || !strings.Contains(errOut.String(), tc.errOut) {
				t.Errorf("ended with %d and printed\n%s\n%s", code, out, errOut)
			}
		})
	}
}

func TestAFlowOfTheClusterIsDrawn(t *testing.T) {
	w := newWorld(t)
	controllertest.Create(t, w.cluster.Client, &callfleetv1.CallFlow{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "goodbye"},
		Spec:       callfleetv1.CallFlowSpec{Start: "end", Steps: []callfleetv1.FlowStep{{Name: "end", Hangup: &callfleetv1.HangupStep{}}}},
	})
	viewer := w.account("viewer", callFlows)
	if out, errOut, code := w.runAs(viewer, "flow", "graph", "goodbye"); code != 0 || out != goodbyeDrawn {
		t.Errorf("ended with %d and printed\n%s\n%s", code, out, errOut)
	}
	if _, errOut, code := w.runAs(viewer, "flow", "graph", "gone"); code != exitNotFound || !strings.Contains(errOut, `"gone" not found`) {
		t.Errorf("one that is not there ended with %d: %s", code, errOut)
	}
	if out, _, _ := w.runAs(viewer, "__complete", "flow", "graph", ""); !strings.HasPrefix(out, "goodbye\n") {
		t.Errorf("completed is %s", out)
	}
}
