// SPDX-License-Identifier: Apache-2.0

// Package rehearse plays CallFlows without a phone: a machine, a caller who follows a script, and a call in which nothing takes any
// real time. kubectl callfleet flow test is made of it, and so are the random calls that stages are tested with.
package rehearse
