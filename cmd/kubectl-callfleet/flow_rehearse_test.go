// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

const (
	rehearsedFlow = `apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: desk}
spec:
  start: welcome
  speech: {url: https://speech.example/say}
  steps:
  - {name: welcome, say: Welcome, next: pin}
  - {name: pin, subflow: {flowRef: {name: pin}}, next: sales}
  - {name: sales, transfer: {to: {phone: "+12065550100"}, onFailure: bye}}
  - {name: bye, hangup: {}}
  tests:
  - name: sales
    script: ["press 12#"]
    expect: {end: Transferred, variables: {pin: "12"}, steps: [welcome, pin, pin/ask, pin/back, sales]}
  - name: nobody there
    script: ["wait 2s", "press 7#"]
    outcomes: [{step: sales, failed: true}]
    expect: {end: HungUp}
`
	rehearsedPIN = `---
apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: pin}
spec:
  start: ask
  steps:
  - {name: ask, collect: {variable: pin}, next: back}
  - {name: back, return: {}}
`
	rehearsedSales = `desk, sales
   0:00.00  call    answered
   0:00.00  flow    takes step welcome
   0:00.00  bot     says "Welcome"
   0:00.00  caller  presses 1
   0:00.20  caller  presses 2
   0:00.40  caller  presses #
   0:01.00  flow    takes step pin
   0:01.00  flow    takes step pin/ask
   0:01.00  flow    takes step pin/back
   0:01.00  flow    takes step sales
   0:01.00  bot     transfers to +12065550100
   0:06.00  call    over: somebody else has the caller
  steps      welcome, pin, pin/ask, pin/back, sales
  variables  pin = "12"
  end        Transferred
`
)

// rehearsing runs flow test in a folder with these files.
func rehearsing(t *testing.T, line, stdin string) (out, errOut string, code int) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	for file, content := range map[string]string{
		"all.yaml": rehearsedFlow + rehearsedPIN, "desk.yaml": rehearsedFlow, "pin.yaml": rehearsedPIN,
		"wrong.yaml":         strings.Replace(rehearsedFlow+rehearsedPIN, "end: HungUp", "end: Returned, variables: {pin: '8'}", 1),
		"typo.yaml":          strings.Replace(rehearsedFlow+rehearsedPIN, "next: sales}", "next: sale}", 1),
		"dance.yaml":         strings.Replace(rehearsedFlow+rehearsedPIN, "press 7#", "dance", 1),
		"key.txt":            "# what Ann did\n\npress 5\nwait 1s\nhang up\n",
		"kustomization.yaml": "kind: Kustomization\nresources: [all.yaml]\n",
		"redirect.yaml":      "apiVersion: callfleet.dev/v1alpha1\nkind: CallFlow\nmetadata: {name: big}\nspec:\n  start: a\n  steps:\n  - {name: a, transfer: {to: {phone: '${error}'}, onFailure: a}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	streams, in, o, e := genericiooptions.NewTestIOStreams()
	in.WriteString(stdin)
	code = execute(t.Context(), append(words("flow test"), words(line)...), streams)
	return o.String(), e.String(), code
}

func TestTestsOfFlowsArePlayedWithoutACluster(t *testing.T) {
	for line, tc := range map[string]struct {
		out, errOut string
		code        int
	}{
		"all.yaml":                       {rehearsedSales + "\ndesk, nobody there\n", "", 0},
		"kustomization.yaml all.yaml":    {rehearsedSales, "", 0},
		"kustomization.yaml":             {"", "there is no CallFlow in it", exitUsage},
		"pin.yaml desk.yaml":             {"2 of 2 tests passed\n", "", 0},
		"all.yaml --test sales":          {rehearsedSales + "\n1 of 1 tests passed\n", "", 0},
		"all.yaml --flow pin":            {"No mistakes, and no tests; write some under spec.tests, or play a script with --script.\n", "", 0},
		"desk.yaml":                      {"", "desk: spec.steps[1].subflow.flowRef.name", exitFailed},
		"desk.yaml ":                     {"", "; give the file that has it too", exitFailed},
		"typo.yaml":                      {"", "desk: spec.steps[1].next", exitFailed},
		"wrong.yaml":                     {"  WRONG      variable pin is \"7\", expected \"8\"\n  WRONG      the flow ended with HungUp, expected Returned\n", "1 of 2 tests failed", exitFailed},
		"dance.yaml":                     {"", `desk, nobody there: line 2 of the script, "dance": a caller can`, exitUsage},
		"all.yaml desk.yaml":             {"", "CallFlow desk is in all.yaml and in desk.yaml", exitUsage},
		"all.yaml --test gone":           {"", `no CallFlow of all.yaml has a test "gone"`, exitNotFound},
		"all.yaml --flow gone":           {"", "there is no CallFlow gone in the files; there are desk, pin", exitNotFound},
		"all.yaml --script key.txt":      {"", "a script is played to one CallFlow; choose it with --flow: desk, pin", exitUsage},
		"all.yaml --script x --test y":   {"", "none of the others can be", exitUsage},
		"all.yaml --script x --flow pin": {"", "reading the script: open x", exitFailed},
		"- --script -":                   {"", "- is standard input", exitUsage},
		"":                               {"", "0 arguments given, this needs files with CallFlows", exitUsage},
		"gone.yaml":                      {"", "reading CallFlows: open gone.yaml", exitFailed},
		"all.yaml -o yaml":               {"", "-o yaml is not known", exitUsage},
		"all.yaml --flow desk --script key.txt": {"   0:01.20  caller  hangs up\n   0:01.20  call    over: the caller hung up\n" +
			"  steps      welcome, pin, pin/ask\n  end        CallerHungUp\n", "", 0},
		"redirect.yaml --script key.txt": {"  because    The flow could not go on: it took 1000 steps without waiting", "the flow failed", exitFailed},
	} {
		t.Run(line, func(t *testing.T) {
			out, errOut, code := rehearsing(t, line, "")
			if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(errOut, tc.errOut) {
				t.Errorf("ended with %d and printed\n%s\n%s", code, out, errOut)
			}
		})
	}
}

func TestAScriptMayBeTypedIn(t *testing.T) {
	out, errOut, code := rehearsing(t, "all.yaml --flow pin --script -", "press 9\nwait 1s\nhang up\n")
	if code != 0 || !strings.Contains(out, "   0:01.20  caller  hangs up\n") || !strings.Contains(out, "  end        CallerHungUp\n") {
		t.Errorf("ended with %d and printed\n%s\n%s", code, out, errOut)
	}
}

func TestTestsOfFlowsArePrintedForScripts(t *testing.T) {
	out, errOut, code := rehearsing(t, "wrong.yaml -o json", "")
	var got []rehearsed
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitFailed || len(got) != 2 {
		t.Fatalf("ended with %d, %v, and printed\n%s\n%s", code, err, out, errOut)
	}
	first, second := got[0], got[1]
	if !first.Passed || first.Flow != "desk" || first.Test != "sales" || first.End != "Transferred" || first.Variables["pin"] != "12" || len(first.Steps) != 5 {
		t.Errorf("the first test is %+v", first)
	}
	if second.Passed || len(second.Wrong) != 2 || second.Conversation[len(second.Conversation)-1] != (spoken{62.2, "call", "over: the flow hung up"}) {
		t.Errorf("the second test is %+v", second)
	}
	if out, _, code := rehearsing(t, "pin.yaml -o json", ""); out != "[]\n" || code != 0 {
		t.Errorf("no tests are %q, and ended with %d", out, code)
	}
}
