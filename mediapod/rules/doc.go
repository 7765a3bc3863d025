// SPDX-License-Identifier: Apache-2.0

// Package rules holds what the user of a bot has laid down: which calls that come in are taken, and when the bot leaves
// a call by itself. All of it is pure; what is seen of a call comes in as a value.
package rules
