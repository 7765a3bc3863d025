// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// readSamples reads all of config/samples that is of our kinds, each kind and name once. Its kustomization leaves some out: all are to be shown.
func readSamples(dir string) ([]object, error) {
	var list []object
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || d.Name() == "kustomization.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			inJSON, err := yaml.YAMLToJSON([]byte(document))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			o := object{&unstructured.Unstructured{}}
			if err := o.UnmarshalJSON(inJSON); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if o.GroupVersionKind().Group == "callfleet.dev" && !seen[o.String()] {
				seen[o.String()] = true
				list = append(list, o)
			}
		}
		return nil
	})
	return list, err
}
