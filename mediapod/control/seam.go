// SPDX-License-Identifier: Apache-2.0

package control

// Action and Result are those of mediapod/signaling.
type (
	Action = any
	Result = any
)
