// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Prompts visits the prompts of a flow, with the paths at which they stand.
func Prompts(spec *callfleetv1.CallFlowSpec, visit func(*field.Path, *callfleetv1.Prompt)) {
	for i := range spec.Steps {
		prompts(&spec.Steps[i], specPath.Child("steps").Index(i), visit)
	}
}
