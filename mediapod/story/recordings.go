// SPDX-License-Identifier: Apache-2.0

package story

import (
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// maxRecordings is the bound of the API's schema.
const maxRecordings = 50

// MergeRecordings adds files that are not listed yet. Those of earlier attempts stay; what is too much is left out, the mix of
// each attempt being the first of its files.
func MergeRecordings(have, more []v1alpha1.RecordedFile) []v1alpha1.RecordedFile {
	out := slices.Clone(have)
	for _, f := range more {
		if len(out) < maxRecordings && !slices.ContainsFunc(have, func(h v1alpha1.RecordedFile) bool { return h.URI == f.URI }) {
			out = append(out, f)
		}
	}
	return out
}
