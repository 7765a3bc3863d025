// SPDX-License-Identifier: Apache-2.0

// Package flowtest makes random calls: valid flows, and callers who find their way through them, each with the trace that any stage
// must leave. A seed makes the same call each time. Callers act at some distance from everything else that happens, half a second if it
// can be had, so that a stage's own latencies change nothing: what is left to compare is what a flow does.
//
// A stage is tested by Case.Run, with whatever stands for the caller's telephone, and Case.Differences.
package flowtest
