// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// source is a parsed file.
type source struct {
	path string // below the root, with slashes
	file *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources parses the Go files of a folder and of those below it.
func sources(root, folder string) ([]source, error) {
	var all []source
	set := token.NewFileSet()
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		all = append(all, source{filepath.ToSlash(below), file})
		return err
	})
	return all, err
}

// functions calls do with every function and method that has a body.
func (s source) functions(do func(*ast.FuncDecl)) {
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			do(f)
		}
	}
}

// place is a function in a file.
type place struct{ name, path string }

// methodsOf finds the methods of a pointer type by name.
func methodsOf(files []source, typeName string) map[string]place {
	found := map[string]place{}
	for _, s := range files {
		if s.test() {
			continue
		}
		s.functions(func(f *ast.FuncDecl) {
			if f.Recv == nil {
				return
			}
			if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
				if id, ok := star.X.(*ast.Ident); ok && id.Name == typeName {
					found[f.Name.Name] = place{f.Name.Name, s.path}
				}
			}
		})
	}
	return found
}

// named collects the names that a function's body mentions, and of those the ones mentioned below a field, as in s.graph.GetCall.
func named(f *ast.FuncDecl, field string) (mentions, below map[string]bool) {
	mentions, below = map[string]bool{}, map[string]bool{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			mentions[n.Name] = true
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.SelectorExpr); ok && x.Sel.Name == field {
				below[n.Sel.Name] = true
			}
		}
		return true
	})
	return mentions, below
}
