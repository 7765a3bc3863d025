// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// MatchGitOpsFixture compares what a controller writes with the fixture of that name that test/gitops judges, from a package two
// folders deep. With update it writes the fixture anew.
func MatchGitOpsFixture(t *testing.T, name string, object any, update bool) {
	t.Helper()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "test", "gitops", "testdata", name+".yaml")
	if update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the controller writes something else (-fixture +got; -update writes the fixtures anew, and then see test/gitops):\n%s", diff)
	}
}
