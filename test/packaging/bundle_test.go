// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/operator-framework/api/pkg/apis/scorecard/v1alpha3"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
	"sigs.k8s.io/yaml"
)

func TestTheLifecycleManagerFindsNothingToSayAboutTheBundle(t *testing.T) {
	b := readBundle(t)
	objects := b.ObjectsToValidate()
	for _, o := range b.Objects {
		objects = append(objects, o)
	}
	// All but that for several architectures, which pulls the images.
	validators := interfaces.Validators{
		validation.ClusterServiceVersionValidator, validation.CustomResourceDefinitionValidator, validation.BundleValidator,
		validation.OperatorHubV2Validator, validation.StandardCategoriesValidator, validation.StandardCapabilitiesValidator, validation.ObjectValidator,
		validation.OperatorGroupValidator, validation.CommunityOperatorValidator, validation.AlphaDeprecatedAPIsValidator, validation.GoodPracticesValidator,
	}
	for _, result := range validators.Validate(objects...) {
		for _, problem := range result.Errors {
			t.Errorf("%s: %v", result.Name, problem)
		}
		for _, problem := range result.Warnings {
			if !accepted(problem.Error()) {
				t.Errorf("%s warns: %v", result.Name, problem)
			}
		}
	}
}

// accepted is a warning that is known: the operator makes MediaPods, so there is no sample of one.
func accepted(warning string) bool {
	return strings.Contains(warning, "Kind=MediaPod: provided API should have an example annotation")
}

func TestEveryFieldThatACatalogShowsIsInTheSchema(t *testing.T) {
	b := readBundle(t)
	kinds := map[string]map[string]any{}
	for _, crd := range b.V1CRDs {
		raw, err := json.Marshal(crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		kinds[crd.Spec.Names.Kind] = schema
	}
	for _, owned := range b.CSV.Spec.CustomResourceDefinitions.Owned {
		if len(owned.SpecDescriptors) < 5 || len(owned.StatusDescriptors) < 3 {
			t.Errorf("%s shows %d fields of spec and %d of status", owned.Kind, len(owned.SpecDescriptors), len(owned.StatusDescriptors))
		}
		check := func(part, path, title string) {
			at := kinds[owned.Kind]
			for _, name := range strings.Split(part+"."+path, ".") {
				properties, _ := at["properties"].(map[string]any)
				next, ok := properties[name].(map[string]any)
				if !ok {
					t.Errorf("%s has no %s.%s", owned.Kind, part, path)
					return
				}
				at = next
			}
			if title == "" {
				t.Errorf("%s.%s of %s has no title", part, path, owned.Kind)
			}
		}
		for _, d := range owned.SpecDescriptors {
			check("spec", d.Path, d.DisplayName)
		}
		for _, d := range owned.StatusDescriptors {
			check("status", d.Path, d.DisplayName)
		}
	}
}

func TestTheBundleImageHoldsTheBundle(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "bundle.Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(bundleFolder, "metadata", "annotations.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var metadata struct{ Annotations map[string]string }
	if err := yaml.UnmarshalStrict(raw, &metadata); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^LABEL ([^=]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		labels[m[1]] = m[2]
	}
	if fmt.Sprint(labels) != fmt.Sprint(metadata.Annotations) || len(labels) < 6 {
		t.Errorf("the image says %v, the bundle %v", labels, metadata.Annotations)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY (\S+) (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("the image copies %s: %v", m[1], err)
		}
	}
}

func TestTheScorecardCanBeRead(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(bundleFolder, "tests", "scorecard", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config v1alpha3.Configuration
	if err := yaml.UnmarshalStrict(raw, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Stages) != 1 || len(config.Stages[0].Tests) < 6 {
		t.Errorf("%d stages", len(config.Stages))
	}
}
