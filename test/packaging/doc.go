// SPDX-License-Identifier: Apache-2.0

// Package packaging judges how the operator is packaged by the code that unpacks it.
package packaging
