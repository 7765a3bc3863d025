// SPDX-License-Identifier: Apache-2.0

// Command metrics writes docs/metrics.md: every metric of the manager, the router and the media pod with its type, its labels and what
// it counts. All of it is read from the collectors that the processes register.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// document is where the tables go, below the root.
const document = "docs/metrics.md"

func main() {
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	all, err := processes()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, document), render(all), 0o644)
}
