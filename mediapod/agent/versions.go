// SPDX-License-Identifier: Apache-2.0

package agent

import "k8s.io/apimachinery/pkg/util/resourceversion"

// newer reports whether resource version a is later than b. Versions of one resource are comparable numbers since
// Kubernetes 1.35; where they are not numbers, a is taken, being what the watch brought last.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}
