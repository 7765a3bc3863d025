// SPDX-License-Identifier: Apache-2.0

// Package ask sends the webhooks of flows. A question is a CloudEvent 1.0 in its structured form, signed as Standard Webhooks are; the
// answer is JSON that sets variables and may choose the next step. docs/callflows.md tells it to those who write the other end.
//
// A question is sent again, under the same key, when it got no answer; so the other end has to take the key for what it is. Nothing of
// what is asked or answered is logged.
package ask
