// SPDX-License-Identifier: Apache-2.0

// Command coverage writes docs/graph-coverage.md: every operation of the cloud communications API with the method of graph.Client that asks for
// it, the handler of the local Teams that serves it, and the test that holds one against the other. All of it is read from
// code: graph.Operations, the doc comments of teamsim's handlers ("serves POST …/answer"), and what test/conformance calls.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/callfleet/callfleet/graph"
)

// document is where the table goes, below the root.
const document = "docs/graph-coverage.md"

func main() {
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	rows, err := cover(root, graph.Operations)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, document), render(rows), 0o644)
}
