// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func TestEveryOperationOfV1IsCovered(t *testing.T) {
	rows, err := cover("../..", graph.Operations)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if missing := r.missing(); len(missing) > 0 && r.spec.Version == "v1.0" {
			t.Errorf("%s (%s %s) lacks %s", r.spec.Name, r.spec.Method, r.spec.Path, strings.Join(missing, " and "))
		}
	}
}

func TestTheDocumentIsCurrent(t *testing.T) {
	rows, err := cover("../..", graph.Operations)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("../..", document))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(render(rows)), string(got)); diff != "" {
		t.Errorf("%s is not what the code says; run make generate (-want +got)\n%s", document, diff)
	}
}

// house is a repository in which one operation is whole and three lack something.
var house = map[string]string{
	"graph/client.go": `package graph
		type Client struct{}
		func (c *Client) Whole() {}
		func (c *Client) Unserved() {}
		func (c *Client) Untested() {}
		func (c Client) Gone() {}`,
	"teamsim/calls.go": `package teamsim
		// whole serves POST …/whole and …/other/{id}: as told.
		func whole() {}
		// dead serves POST …/unserved.
		func dead() { dead() }
		// both serves …/untested[/{id}].
		func both() { _ = MethodPost; _ = http.MethodGet; _ = http.MethodDelete }
		var table = map[string]func(){"whole": whole, "untested": both}`,
	"teamsim/calls_test.go": `package teamsim
		func TestDead() { dead() }`,
	"test/conformance/a_test.go": `package conformance
		func TestAnother() { s.graph.Whole() }
		func TestWhole() { helper() }
		func helper() { s.graph.Whole(); helper(); s.graph.Unserved() }
		func unused() { s.graph.Untested() }`,
}

func TestCellsAreReadFromCode(t *testing.T) {
	root := t.TempDir()
	for path, text := range house {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	specs := []graph.OperationSpec{
		{GoMethod: "Whole", Name: "whole", Method: http.MethodPost, Path: "/communications/calls/{call}/Other/{x}?$filter=y", Version: "v1.0"},
		{GoMethod: "Unserved", Name: "unserved", Method: http.MethodPost, Path: "/communications/calls/{call}/unserved", Version: "v1.0"},
		{GoMethod: "Untested", Name: "untested", Method: http.MethodDelete, Path: "/communications/calls/{call}/untested/{id}", Version: "v1.0"},
		{GoMethod: "Gone", Name: "gone", Method: http.MethodPatch, Path: "/communications/calls/{call}/untested", Version: "v1.0"},
	}
	rows, err := cover(root, specs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, r.client.name+" "+r.handler.name+" "+r.test.name+" lacks "+strings.Join(r.missing(), ", "))
	}
	want := []string{
		"Whole whole TestWhole lacks ",
		"Unserved  TestWhole lacks a handler in teamsim",
		"Untested both  lacks a test in test/conformance",
		"   lacks a method of graph.Client, a handler in teamsim, a test in test/conformance",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := string(render(rows))
	for _, part := range []string{"| Whole | `POST /communications/calls/{call}/Other/{x}?$filter=y` | v1.0 | [Whole](../graph/client.go) | [whole](../teamsim/calls.go) | [TestWhole](../test/conformance/a_test.go) |"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}
