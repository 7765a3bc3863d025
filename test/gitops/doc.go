// SPDX-License-Identifier: Apache-2.0

// Package gitops proves, with their own code, what GitOps tools make of the statuses that the controllers write.
package gitops
