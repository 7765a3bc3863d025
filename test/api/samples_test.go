// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/controllers/controllertest"
)

// The samples are what people start from: the API server takes each, unknown fields and all rules considered.
func TestSamplesAreAccepted(t *testing.T) {
	cluster := controllertest.Start(t)
	root, err := controllertest.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	for _, more := range []string{"*.yaml", "*/*.yaml"} {
		flows, err := filepath.Glob(filepath.Join(root, "config", "samples", "flows", more))
		if err != nil || len(flows) < 1 {
			t.Fatalf("%d samples of flows: %v", len(flows), err)
		}
		files = append(files, flows...)
	}
	ns := cluster.Namespace(t)
	for _, file := range files {
		name := filepath.Base(file)
		if name == "kustomization.yaml" {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(file))+"/"+name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			obj := document(t, ns, string(text))
			if obj.GetKind() == "Namespace" {
				obj.SetNamespace("")
			}
			if err := cluster.Client.Create(context.Background(), obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
				t.Error(err)
			}
		})
	}
}
