// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// handler is a function of the local Teams that serves requests of a method to a path.
type handler struct {
	place
	method string
	path   string // in its normal form
}

var (
	// "serves POST …/mute and …/unmute", "serves GET and DELETE …", "serves …/audioRoutingGroups[/{id}]"
	serves = regexp.MustCompile(`\bserves ((?:(?:GET|POST|PATCH|DELETE)(?: and |, | ))*)([/…{]\S*(?: and [/…{]\S*)*)`)
	verb   = regexp.MustCompile(`GET|POST|PATCH|DELETE`)
	either = regexp.MustCompile(`\[([^\]]*)\]`)
	inner  = regexp.MustCompile(`\{[^}]*\}`)
)

// normal is the form in which paths are compared: ids without their names, lower case as the service takes it, no query.
func normal(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.Replace(path, "…/onlineMeetings", "/users/{}/onlineMeetings", 1)
	path = strings.Replace(path, "…", "/communications/calls/{}", 1)
	return strings.ToLower(strings.TrimRight(inner.ReplaceAllString(path, "{}"), "/.,:;"))
}

// handlers reads what the doc comments say is served, of functions that something refers to.
func handlers(files []source) []handler {
	used := map[string]bool{}
	for _, s := range files {
		if s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			self := ""
			if f, ok := d.(*ast.FuncDecl); ok {
				self = f.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && id.Name != self {
					used[id.Name] = true
				}
				return true
			})
		}
	}
	var found []handler
	for _, s := range files {
		if s.test() {
			continue
		}
		s.functions(func(f *ast.FuncDecl) {
			// net/http calls ServeHTTP.
			if name := f.Name.Name; used[name] || name == "ServeHTTP" {
				found = append(found, served(f, s.path)...)
			}
		})
	}
	return found
}

func served(f *ast.FuncDecl, path string) []handler {
	var found []handler
	text := strings.Join(strings.Fields(f.Doc.Text()), " ")
	for _, m := range serves.FindAllStringSubmatch(text, -1) {
		methods := verb.FindAllString(m[1], -1)
		if methods == nil {
			methods = methodsIn(f)
		}
		for _, p := range strings.Split(m[2], " and ") {
			paths := []string{either.ReplaceAllString(p, ""), either.ReplaceAllString(p, "$1")}
			for _, p := range slices.Compact(paths) {
				for _, method := range methods {
					found = append(found, handler{place: place{f.Name.Name, path}, method: method, path: normal(p)})
				}
			}
		}
	}
	return found
}

// methodsIn are the methods of HTTP that a function tells apart.
func methodsIn(f *ast.FuncDecl) []string {
	var methods []string
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if name, isMethod := strings.CutPrefix(s.Sel.Name, "Method"); isMethod {
				methods = append(methods, strings.ToUpper(name))
			}
		}
		return true
	})
	return methods
}
