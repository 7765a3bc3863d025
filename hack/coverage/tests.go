// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// testsOf finds, for every method of the client, a test that calls it, itself or through a function of its package: the one named after the
// method if there is one, else the first by name.
func testsOf(files []source) map[string]place {
	type function struct {
		place
		mentions, calls map[string]bool
	}
	functions := map[string]function{}
	for _, s := range files {
		if !s.test() {
			continue
		}
		s.functions(func(f *ast.FuncDecl) {
			mentions, calls := named(f, "graph")
			functions[f.Name.Name] = function{place{f.Name.Name, s.path}, mentions, calls}
		})
	}
	// reach adds what a function calls, and what those that it mentions call.
	var reach func(name string, into, seen map[string]bool)
	reach = func(name string, into, seen map[string]bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		maps.Copy(into, functions[name].calls)
		for other := range functions[name].mentions {
			if _, ours := functions[other]; ours {
				reach(other, into, seen)
			}
		}
	}
	found := map[string]place{}
	names := slices.SortedFunc(maps.Keys(functions), cmp.Compare[string])
	for _, name := range names {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		calls := map[string]bool{}
		reach(name, calls, map[string]bool{})
		for method := range calls {
			if _, taken := found[method]; !taken || name == "Test"+method {
				found[method] = functions[name].place
			}
		}
	}
	return found
}
