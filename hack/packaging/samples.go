// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// readSamples reads config/samples, whose kustomization leaves some out: all are to be shown.
func readSamples(dir string) ([]object, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var list []object
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		inJSON, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		o := object{&unstructured.Unstructured{}}
		if err := o.UnmarshalJSON(inJSON); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, o)
	}
	return list, nil
}
