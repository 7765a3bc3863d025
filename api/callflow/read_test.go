// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"
	"testing"
)

func TestFlowsAreReadFromFilesOfManyKinds(t *testing.T) {
	head := "apiVersion: callfleet.dev/v1alpha1\nkind: CallFlow\n"
	for name, tc := range map[string]struct {
		file  string
		names string
		wrong string
	}{
		"one":              {head + "metadata: {name: a}\nspec: {start: x}\n", "a", ""},
		"two, and prompts": {"---\n" + head + "metadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\n---\n# nothing\n---\n" + head + "metadata: {name: b}\n", "a b", ""},
		"JSON":             {`{"apiVersion": "callfleet.dev/v1alpha1", "kind": "CallFlow", "metadata": {"name": "a"}}`, "a", ""},
		"somebody else's":  {"apiVersion: example.com/v1\nkind: CallFlow\nmetadata: {name: a}\n", "", "there is no CallFlow in it"},
		"nothing":          {"", "", "there is no CallFlow in it"},
		"no name":          {head, "", "document 1: the CallFlow has no metadata.name"},
		"one name twice":   {head + "metadata: {name: a}\n---\n" + head + "metadata: {name: a}\n", "", "document 2: there is a CallFlow a before"},
		"another version":  {"apiVersion: callfleet.dev/v9\nkind: CallFlow\nmetadata: {name: a}\n", "", "callfleet.dev/v1alpha1 is what is known here"},
		"a field unknown":  {head + "metadata: {name: a}\nspec: {strat: x}\n", "", `unknown field "spec.strat"`},
		"no YAML":          {head + "metadata: {name: a}\n---\n{{{\n", "", "document 2: "},
	} {
		t.Run(name, func(t *testing.T) {
			flows, err := Read([]byte(tc.file))
			var names []string
			for _, f := range flows {
				names = append(names, f.Name)
			}
			if got := strings.Join(names, " "); got != tc.names {
				t.Errorf("read are the flows %q", got)
			}
			if (err != nil) != (tc.wrong != "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
