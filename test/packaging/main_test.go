// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	root            = "../.."
	systemNamespace = "callfleet-system"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test control plane:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// object is a manifest.
type object struct{ *unstructured.Unstructured }

// String names a manifest as kubectl does.
func (o object) String() string {
	name := o.GetKind() + "/" + o.GetName()
	if ns := o.GetNamespace(); ns != "" {
		name = ns + "/" + name
	}
	return name
}

// kustomized are the objects of a folder of config/.
func kustomized(t *testing.T, folders ...string) []object {
	t.Helper()
	var all []object
	for _, folder := range folders {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "config", folder))
		if err != nil {
			t.Fatal(err)
		}
		text, err := built.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(t, folder, text)...)
	}
	return all
}

// parse reads a stream of manifests.
func parse(t *testing.T, name string, text []byte) []object {
	t.Helper()
	var list []object
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		inJSON, err := utilyaml.ToJSON(document)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, document)
		}
		if s := strings.TrimSpace(string(inJSON)); s == "null" || s == "" {
			continue
		}
		o := object{&unstructured.Unstructured{}}
		if err := o.UnmarshalJSON(inJSON); err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, document)
		}
		list = append(list, o)
	}
}

// byName are objects by what names them; two of one name are one too many.
func byName(t *testing.T, list []object) map[string]object {
	t.Helper()
	named := map[string]object{}
	for _, o := range list {
		if _, twice := named[o.String()]; twice {
			t.Errorf("%s is there twice", o)
		}
		named[o.String()] = o
	}
	return named
}

// without are the objects that are not of these kinds.
func without(list []object, kinds ...string) []object {
	var rest []object
	for _, o := range list {
		if !slices.Contains(kinds, o.GetKind()) {
			rest = append(rest, o)
		}
	}
	return rest
}
