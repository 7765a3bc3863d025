// SPDX-License-Identifier: Apache-2.0

// Package house checks the rules of the house that no compiler does: who may import whom, how large a file grows, and
// that the documents say what the code does. CONTRIBUTING.md has the rules in words.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	text string
}

func (s source) dir() string {
	if i := strings.LastIndexByte(s.path, '/'); i >= 0 {
		return s.path[:i]
	}
	return "."
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// generatedLine is what marks a generated Go file (https://go.dev/s/generatedcode).
var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func (s source) generated() bool { return generatedLine.MatchString(s.text) }

// sources are all Go files of this module.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (notOurs(name) || nestedModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		list = append(list, source{path: relative(path), text: read(t, relative(path))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("only %d Go files found: the walk does not see the repository", len(list))
	}
	return list
}

// notOurs are folders of tools and of what was built.
func notOurs(folder string) bool {
	return strings.HasPrefix(folder, ".") || folder == "bin" || folder == "dist"
}

func nestedModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func relative(path string) string {
	return strings.TrimPrefix(filepath.ToSlash(path), root+"/")
}

// read gives a file of the repository by its path from the root.
func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func parse(t *testing.T, s source, mode parser.Mode) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, s.path, s.text, mode)
	if err != nil {
		t.Fatal(err)
	}
	return set, file
}

// at is a place in a file as compilers write it.
func at(set *token.FileSet, pos token.Pos) string {
	p := set.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
