// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/callfleet/callfleet/graph"
)

// row is what there is for an operation. A place without a name is missing.
type row struct {
	spec                  graph.OperationSpec
	client, handler, test place
}

// missing names the empty cells.
func (r row) missing() []string {
	var cells []string
	for _, c := range []struct {
		what string
		is   place
	}{{"a method of graph.Client", r.client}, {"a handler in teamsim", r.handler}, {"a test in test/conformance", r.test}} {
		if c.is.name == "" {
			cells = append(cells, c.what)
		}
	}
	return cells
}

// cover reads the code below root.
func cover(root string, specs []graph.OperationSpec) ([]row, error) {
	client, err := sources(root, "graph")
	if err != nil {
		return nil, err
	}
	teams, err := sources(root, "teamsim")
	if err != nil {
		return nil, err
	}
	conformance, err := sources(root, "test/conformance")
	if err != nil {
		return nil, err
	}
	methods, served, tests := methodsOf(client, "Client"), handlers(teams), testsOf(conformance)
	rows := make([]row, len(specs))
	for i, spec := range specs {
		rows[i] = row{spec: spec, client: methods[spec.GoMethod], test: tests[spec.GoMethod]}
		for _, h := range served {
			if h.method == spec.Method && h.path == normal(spec.Path) {
				rows[i].handler = h.place
				break
			}
		}
	}
	return rows, nil
}

const preface = `<!-- Written by hack/coverage from the code; make generate writes it anew. -->

# What of Graph's cloud communications API there is

Every operation of the API in v1.0 can be asked for with ` + "`graph.Client`" + `, is served by the local Teams, and is held one against the
other by a test. The local Teams is written from Microsoft's documentation and refuses what the service would refuse; it is no
more than that, and what the service does beyond its documentation shows only there. Operations that exist in beta alone are not offered.
`

func render(rows []row) []byte {
	var b bytes.Buffer
	b.WriteString(preface)
	var section graph.Section
	for _, r := range rows {
		if r.spec.Section != section {
			section = r.spec.Section
			fmt.Fprintf(&b, "\n## %s\n\n| Operation | Request | Version | graph.Client | Local Teams | Test |\n|---|---|---|---|---|---|\n", section)
		}
		name := strings.ToUpper(r.spec.Name[:1]) + r.spec.Name[1:]
		fmt.Fprintf(&b, "| %s | `%s %s` | %s | %s | %s | %s |\n", name, r.spec.Method, r.spec.Path, r.spec.Version,
			link(r.spec, r.client), link(r.spec, r.handler), link(r.spec, r.test))
	}
	return b.Bytes()
}

func link(spec graph.OperationSpec, p place) string {
	switch {
	case p.name != "":
		return "[" + p.name + "](../" + p.path + ")"
	case spec.GoMethod == "":
		return "–"
	}
	return ""
}
